"""``python -m tests.soak_eebus.delay PORT HOST PORT SECONDS``: a slow line, a TCP port that leads to another.

On a fast line two dials hardly ever cross; on a slow one each takes long enough.
"""

import asyncio
import contextlib
import sys
from collections import deque


async def main(port: int, host: str, target: int, delay_s: float) -> None:
    """Serve until killed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, far_writer, delay_s), _carry(far_reader, writer, delay_s))

    async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
        print("ready", flush=True)
        await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on each piece, and the end, after the delay."""
    loop, pieces, news = asyncio.get_running_loop(), deque[tuple[float, bytes]](), asyncio.Event()

    async def send() -> None:
        while True:
            while not pieces:
                news.clear()
                await news.wait()
            due, piece = pieces.popleft()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                writer.close()
                return
            writer.write(piece)

    sending = asyncio.create_task(send())
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            pieces.append((loop.time() + delay_s, piece))
            news.set()
    pieces.append((loop.time() + delay_s, b""))
    news.set()
    with contextlib.suppress(OSError):
        await sending


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
