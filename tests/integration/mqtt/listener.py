"""A program that hears everything at a broker and writes it as JSON lines, with the time of arrival.

For brokers in a network namespace: `python -m tests.integration.mqtt.listener PORT`. It waits for the broker.
"""

import asyncio
import contextlib
import sys

from aiomqtt import MqttError

from tests.integration.mqtt.mosquitto import PATIENCE_S, Seen, watching
from tests.interop.json_lines import say


def _tell(seen: Seen) -> None:
    say("message", topic=seen.topic, payload=seen.payload)


async def _listen(port: int) -> None:
    """Until it is killed."""
    async with watching(port, on_message=_tell):
        say("listening")
        await asyncio.Event().wait()


async def _until_there(port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(MqttError):
                async with watching(port):
                    return
            await asyncio.sleep(0.05)


async def _main(port: int) -> None:
    await _until_there(port)
    await _listen(port)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
