"""The TLS of a node against itself, the standard library and the openssl command."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eebus.errors import RemoteError
from eebus.io.tls import ConnectionContext, NodeTls
from eebus.ship.identity import Identity, PeerCertificate
from tests.integration.eebus_io.certificates import ber_boolean_identity, identity, spoofing_identity

_LIMIT_S = 5


def _admit_all(_peer: PeerCertificate) -> None:
    return


@dataclass
class _Echo(asyncio.Protocol):
    """A server answers every piece with the same bytes; a client keeps what it got."""

    answers: bool = True
    received: bytes = b""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Future[Exception | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.arrived.set()
        if self.answers:
            self.transport.write(data)

    async def take(self, size: int) -> bytes:
        """The first *size* bytes received."""
        async with asyncio.timeout(_LIMIT_S):
            while len(self.received) < size:
                self.arrived.clear()
                await self.arrived.wait()
        return self.received[:size]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


@dataclass
class _Server:
    port: int
    outcomes: "asyncio.Queue[PeerCertificate | Exception]"

    async def outcome(self) -> PeerCertificate | Exception:
        """What the next connection came to at the server."""
        return await asyncio.wait_for(self.outcomes.get(), _LIMIT_S)


@contextlib.asynccontextmanager
async def _serving(
    node: Identity, admit: Callable[[PeerCertificate], None] = _admit_all
) -> AsyncIterator[_Server]:
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    outcomes: asyncio.Queue[PeerCertificate | Exception] = asyncio.Queue()
    tls = NodeTls(node)
    open_transports: list[asyncio.Transport] = []

    async def accept() -> None:
        while True:
            accepted, _ = await loop.sock_accept(listener)
            context = tls.accepting(admit, accepted.send)
            try:
                transport, _protocol = await loop.connect_accepted_socket(
                    _Echo, accepted, ssl=context, ssl_handshake_timeout=_LIMIT_S, ssl_shutdown_timeout=0.2
                )
            except OSError as error:
                outcomes.put_nowait(error)
            else:
                open_transports.append(transport)
                outcomes.put_nowait(context.peer)

    task = asyncio.create_task(accept())
    try:
        yield _Server(listener.getsockname()[1], outcomes)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for transport in open_transports:
            transport.abort()
        listener.close()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def _standard_server(node: Identity, folder: Path) -> AsyncIterator[int]:
    """A server of the standard library that hangs up at once; yields its port."""
    key, certificate = _files(folder, node)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1]


async def _dial(
    node: Identity, expected: Identity, port: int, admit: Callable[[PeerCertificate], None] = _admit_all
) -> tuple[ConnectionContext, _Echo]:
    loop = asyncio.get_running_loop()
    dialled = socket.socket()
    dialled.setblocking(False)
    await loop.sock_connect(dialled, ("127.0.0.1", port))
    context = NodeTls(node).dialling(expected.ski, admit, dialled.send)
    _transport, protocol = await loop.create_connection(
        lambda: _Echo(answers=False),
        sock=dialled,
        ssl=context,
        server_hostname="node.local",
        ssl_handshake_timeout=_LIMIT_S,
        ssl_shutdown_timeout=0.2,
    )
    return context, protocol


async def _openssl(*arguments: str, stdin: bytes = b"") -> str:
    process = await asyncio.create_subprocess_exec(
        "openssl",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(stdin), _LIMIT_S)
    return output.decode(errors="replace")


def _offer(session: str) -> tuple[str, ...]:
    """The option that offers a kept session, when the server gave one at all."""
    return ("-sess_in", session) if Path(session).exists() else ()


def _files(folder: Path, node: Identity) -> tuple[str, str]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    key.write_bytes(node.key_pem)
    certificate.write_bytes(node.certificate_pem)
    return str(key), str(certificate)


async def test_both_sides_learn_who_the_other_is_from_its_key() -> None:
    """SHIP 14: Elli needs a client certificate."""
    server, client = identity("server"), identity("client")
    async with _serving(server) as serving:
        context, protocol = await _dial(client, server, serving.port)
        assert context.peer == PeerCertificate(server.ski, server.public_key_sha256)
        assert await serving.outcome() == PeerCertificate(client.ski, client.public_key_sha256)
        payload = bytes(range(256)) * 1200  # larger than any single record
        protocol.transport.write(payload)
        assert await protocol.take(len(payload)) == payload
        protocol.transport.close()
        assert await asyncio.wait_for(protocol.lost, _LIMIT_S) is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_of_the_standard_library_is_identified(
    version: ssl.TLSVersion, tmp_path: Path
) -> None:
    server, client = identity("server"), identity("client")
    key, certificate = _files(tmp_path, client)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(certificate, key)
    async with _serving(server) as serving:
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port, ssl=context)
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.readexactly(5), _LIMIT_S) == b"hello"
        peer = await serving.outcome()
        assert isinstance(peer, PeerCertificate)
        assert peer.ski == client.ski
        writer.close()
        await writer.wait_closed()


async def test_a_server_of_the_standard_library_is_dialled(tmp_path: Path) -> None:
    server, client = identity("server"), identity("client")
    async with _standard_server(server, tmp_path) as port:
        dialled, protocol = await _dial(client, server, port)
        assert dialled.peer.ski == server.ski
        await asyncio.wait_for(protocol.lost, _LIMIT_S)


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"])
async def test_the_suites_of_ship_are_served(suite: str, tmp_path: Path) -> None:
    key, certificate = _files(tmp_path, identity("client"))
    async with _serving(identity("server")) as serving:
        target = f"127.0.0.1:{serving.port}"
        arguments = ("s_client", "-connect", target, "-cert", certificate, "-key", key, "-tls1_2")
        output = await _openssl(*arguments, "-cipher", suite, stdin=b"Q\n")
        assert f"Cipher is {suite}" in output
        assert isinstance(await serving.outcome(), PeerCertificate)


@pytest.mark.parametrize(
    "options",
    [
        ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ],
)
async def test_old_versions_and_foreign_suites_are_refused(options: tuple[str, ...], tmp_path: Path) -> None:
    key, certificate = _files(tmp_path, identity("client"))
    async with _serving(identity("server")) as serving:
        target = f"127.0.0.1:{serving.port}"
        output = await _openssl("s_client", "-connect", target, "-cert", certificate, "-key", key, *options)
        assert "Cipher is (NONE)" in output
        assert isinstance(await serving.outcome(), ssl.SSLError)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_a_client_without_certificate_gets_an_alert(version: str) -> None:
    async with _serving(identity("server")) as serving:
        output = await _openssl("s_client", "-connect", f"127.0.0.1:{serving.port}", version, "-ign_eof")
        assert "alert" in output
        assert isinstance(await serving.outcome(), ssl.SSLError)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_TC_SHIP_SEC_001_a_spoofed_client_certificate_ends_the_handshake(
    version: str, tmp_path: Path
) -> None:
    server, victim = identity("server"), identity("victim")
    key, certificate = _files(tmp_path, spoofing_identity(victim.ski))
    async with _serving(server) as serving:
        target = f"127.0.0.1:{serving.port}"
        output = await _openssl(
            "s_client", "-connect", target, "-cert", certificate, "-key", key, version, "-ign_eof"
        )
        assert "alert" in output
        refused = await serving.outcome()
        assert isinstance(refused, ssl.SSLError)
        assert "claims the SKI" in str(refused)


async def test_TC_SHIP_SEC_002_a_spoofed_server_certificate_ends_the_handshake() -> None:
    trusted, client = identity("trusted"), identity("client")
    async with _serving(spoofing_identity(trusted.ski)) as serving:
        with pytest.raises(ssl.SSLError, match="claims the SKI"):
            await _dial(client, trusted, serving.port)
        refused = await serving.outcome()
        assert isinstance(refused, ssl.SSLError)
        assert "alert" in str(refused)


async def test_a_genuine_server_with_another_SKI_than_expected_is_refused_in_the_handshake() -> None:
    async with _serving(identity("server")) as serving:
        with pytest.raises(ssl.SSLError, match="the certificate belongs to SKI"):
            await _dial(identity("client"), identity("somebody else"), serving.port)
        assert isinstance(await serving.outcome(), ssl.SSLError)


async def test_the_node_can_refuse_a_genuine_peer_in_the_handshake() -> None:
    def refuse(_peer: PeerCertificate) -> None:
        raise RemoteError("too many pairing requests")

    server = identity("server")
    async with _serving(server, refuse) as serving:
        _context, protocol = await _dial(identity("client"), server, serving.port)
        assert "too many pairing requests" in str(await serving.outcome())
        # TLS 1.3: the client finished before it was judged and reads the alert first of all.
        assert "alert" in str(await asyncio.wait_for(protocol.lost, _LIMIT_S))


async def test_a_certificate_with_BOOLEAN_01_is_read_in_both_roles(tmp_path: Path) -> None:
    """SHIP 14: Elli."""
    wallbox, ours = ber_boolean_identity(), identity("ours")
    async with _standard_server(wallbox, tmp_path) as port:
        context, protocol = await _dial(ours, wallbox, port)
        assert context.peer.ski == wallbox.ski
        await asyncio.wait_for(protocol.lost, _LIMIT_S)
    key, certificate = _files(tmp_path, wallbox)
    async with _serving(ours) as serving:
        target = f"127.0.0.1:{serving.port}"
        await _openssl("s_client", "-connect", target, "-cert", certificate, "-key", key, stdin=b"Q\n")
        peer = await serving.outcome()
        assert isinstance(peer, PeerCertificate)
        assert peer.ski == wallbox.ski


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_sessions_are_never_resumed(version: str, tmp_path: Path) -> None:
    """SHIP 15."""
    key, certificate = _files(tmp_path, identity("client"))
    session = str(tmp_path / "session.pem")
    async with _serving(identity("server")) as serving:
        target = f"127.0.0.1:{serving.port}"
        arguments = ("s_client", "-connect", target, "-cert", certificate, "-key", key, version)
        output = await _openssl(*arguments, "-sess_out", session, stdin=b"Q\n")
        output += await _openssl(*arguments, *_offer(session), stdin=b"Q\n")
        assert "Reused" not in output
        outcomes = [await serving.outcome(), await serving.outcome()]
        assert all(isinstance(outcome, PeerCertificate) for outcome in outcomes)
