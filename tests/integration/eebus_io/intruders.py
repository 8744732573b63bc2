"""``python -m tests.integration.eebus_io.intruders PORT SKI COUNT PARALLEL``: unknown peers attack a node.

Each has a key of its own, comes from an address of its own and goes as far as it is let: TLS, WebSocket,
the whole SHIP handshake, SPINE datagrams. Every third one says nothing after the WebSocket. One line tells
how far they came; the end of the input ends those that hold on.
"""

import asyncio
import json
import socket
import sys
from collections import Counter
from datetime import UTC, datetime

from eebus.ids import Ski, parse_ski
from eebus.io.tls import NodeTls
from eebus.io.websocket import WebSocketLimits, WebSocketLink
from eebus.ship.identity import Identity, PeerCertificate, make_identity

_HELLO = b'\x01{"connectionHello":[{"phase":"ready"},{"waiting":60000}]}'
_ANNOUNCE = (
    b'\x01{"messageProtocolHandshake":[{"handshakeType":"announceMax"},{"version":[{"major":1},{"minor":0}]},'
    b'{"formats":[{"format":["JSON-UTF8"]}]}]}'
)
_READ = (
    b'\x02{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":{"datagram":[{"header":['
    b'{"specificationVersion":"1.3.0"},{"addressSource":[{"device":"d:_n:Intruder"},{"entity":[0]},{"feature":0}]},'
    b'{"addressDestination":[{"entity":[0]},{"feature":0}]},{"msgCounter":1},{"cmdClassifier":"read"}]},'
    b'{"payload":[{"cmd":[[{"nodeManagementDetailedDiscoveryData":[]}]]}]}]}}]}'
)
SCRIPT = (
    b"\x00\x00",
    _HELLO,
    _ANNOUNCE,
    _ANNOUNCE.replace(b"announceMax", b"select"),
    b'\x01{"connectionPinState":[{"pinState":"none"}]}',
    _READ,
)
"""A whole handshake of a client that does not wait to be trusted, and a first datagram."""
_LIMITS = WebSocketLimits(close_wait_s=0.3)
_TRY_S = 20.0


async def main(port: int, ski: Ski, count: int, parallel: int) -> None:
    """Attack, tell, and hold on to what was reached."""
    outcomes: Counter[str] = Counter()
    links: list[WebSocketLink] = []
    places = asyncio.Semaphore(parallel)
    now = datetime(2026, 1, 31, tzinfo=UTC)

    async def intrude(number: int) -> None:
        node = make_identity(f"intruder {number}", now=now)
        async with places:
            outcomes[await _intrude(node, port, ski, number, links)] += 1

    await asyncio.gather(*(intrude(number) for number in range(count)))
    print(json.dumps(outcomes), flush=True)  # noqa: T201 - the test reads it
    await asyncio.to_thread(sys.stdin.read)


async def _intrude(node: Identity, port: int, ski: Ski, number: int, links: list[WebSocketLink]) -> str:
    loop = asyncio.get_running_loop()
    dialled = socket.socket()
    dialled.setblocking(False)
    dialled.bind((f"127.0.{number // 250 + 1}.{number % 250 + 1}", 0))
    step = "refused"
    try:
        async with asyncio.timeout(_TRY_S):
            await loop.sock_connect(dialled, ("127.0.0.1", port))
            context = NodeTls(node).dialling(ski, _admit, dialled.send)
            _transport, link = await loop.create_connection(
                lambda: WebSocketLink.client("127.0.0.1", port, "/", _LIMITS),
                sock=dialled,
                ssl=context,
                server_hostname="",
                ssl_shutdown_timeout=0.3,
            )
            link.request_upgrade()
            await link.opened()
    except Exception:
        dialled.close()
        return step
    links.append(link)
    for message in SCRIPT if number % 3 else ():
        link.send(message)
    return "WebSocket"


def _admit(_peer: PeerCertificate) -> None:
    return


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), parse_ski(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
