"""A person at a simulated Steuerbox: lines in, lines out, with the line editing of the standard library."""

import asyncio
import contextlib
import io
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from eebus.errors import EebusError
from eebus.ids import ShipId, Ski, group_ski
from hems.cli.steuerbox.desk import Desk, Outcome
from hems.cli.steuerbox.language import Misunderstood, parse_command

_PROMPT = "steuerbox> "
_CLEAR_LINE = "\r\x1b[K"
_CHUNK_BYTES = 4096


class Voice:
    """Writes lines with their time; a half-typed command stays below them."""

    def __init__(self) -> None:
        self.prompt_is_shown = False

    def say(self, text: str) -> None:
        """Write one line."""
        line = f"{datetime.now().astimezone():%H:%M:%S}  {text}"
        if not self.prompt_is_shown:
            print(line, flush=True)
            return
        print(f"{_CLEAR_LINE}{line}\n{_PROMPT}{_half_typed()}", end="", flush=True)

    def introduce(self, ski: Ski, _ship_id: ShipId, port: int) -> None:
        """Tell who this box is and where it listens."""
        self.say(f"this Steuerbox has the SKI {group_ski(ski)} and listens on port {port}")
        self.say(f"accept it at the system, for example: hems pair accept {ski} --as control-box")

    def answer(self, _command: str, outcome: Outcome) -> None:
        """Tell what came of a command."""
        for text in outcome.lines:
            self.say(text)

    def refuse(self, _command: str, why: str) -> None:
        """Tell why a command could not be carried out."""
        self.say(why)


class JsonVoice(Voice):
    """Writes JSON lines for programs, one for each command (``command``) and for each event (``told``).

    The line of a command says whether it was ``done``, why it was not, whether the partner ``accepted`` a
    write, and holds exact ``values`` where the command shows some.
    """

    def say(self, text: str) -> None:
        self._write(told=text)

    def introduce(self, ski: Ski, ship_id: ShipId, port: int) -> None:
        self._write(ski=ski, ship_id=ship_id, port=port)

    def answer(self, command: str, outcome: Outcome) -> None:
        self._write(
            command=command,
            done=True,
            accepted=outcome.accepted,
            lines=outcome.lines,
            values=outcome.values,
        )

    def refuse(self, command: str, why: str) -> None:
        self._write(command=command, done=False, why=why)

    def _write(self, **members: object) -> None:
        print(json.dumps({"at": datetime.now(UTC).isoformat(), **members}, ensure_ascii=False), flush=True)


async def converse(desk: Desk, voice: Voice) -> None:
    """Obey commands, one after the other, until `quit` or the end of the input."""
    source = _Input(voice)
    with source.open():
        while (line := await source.next_line()) is not None:
            if line.strip() and not await _obey(line, desk, voice):
                return


async def _obey(line: str, desk: Desk, voice: Voice) -> bool:
    """Carry out one line; False when it was the last."""
    command = line.strip()
    try:
        outcome = await desk.do(parse_command(command))
    except (Misunderstood, EebusError, OSError) as error:
        voice.refuse(command, str(error) or type(error).__name__)
        return True
    voice.answer(command, outcome)
    return not outcome.ends


class _Input:
    """Lines of the standard input, read when asked for.

    A thread of its own waits for them, because only `input()` offers line editing. It cannot be stopped, so
    the program does not wait for it, and it holds nothing that the end of the program needs.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._is_terminal = sys.stdin.isatty()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._wanted = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Begin to read; a terminal is left as it was found."""
        read = self._type if self._is_terminal else self._read
        threading.Thread(target=read, daemon=True, name="input").start()
        with _terminal_restored() if self._is_terminal else contextlib.nullcontext():
            yield

    async def next_line(self) -> str | None:
        """Wait for a line; None is the end of the input."""
        self._voice.prompt_is_shown = self._is_terminal
        self._wanted.release()
        line = await self._lines.get()
        self._voice.prompt_is_shown = False
        return line

    def _tell(self, line: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)

    def _type(self) -> None:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - makes input() editable, with a history
        with contextlib.suppress(EOFError):
            while self._wanted.acquire():
                self._tell(input(_PROMPT))
        self._tell(None)

    def _read(self) -> None:
        raw, rest = io.FileIO(sys.stdin.fileno(), closefd=False), b""
        while chunk := raw.read(_CHUNK_BYTES):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                self._tell(line.decode(errors="replace"))
        if rest:
            self._tell(rest.decode(errors="replace"))
        self._tell(None)


@contextlib.contextmanager
def _terminal_restored() -> Iterator[None]:
    """A thread that still waits for input has switched off the echo."""
    import termios

    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _half_typed() -> str:
    try:
        import readline
    except ImportError:
        return ""
    return readline.get_line_buffer()
