"""An event loop whose time passes only while nothing happens: a minute takes a second, and work no time.

While it leaps, its time jumps to the next timer as soon as everybody has done what there is to do now:
nothing is left to be read here, and the broker, a process of its own, has handled whatever has reached it.
"""

import asyncio
import selectors
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime

_QUIET_S = 0.0005
"""A moment for threads of this process, such as the one that writes to disk."""
_ANSWER_S = 10.0
_PING, _PONG = b"\xc0\x00", b"\xd0\x00"
_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05pulse"
_CONNACK = b"\x20\x02\x00\x00"


class BrokerPulse:
    """A plain MQTT 3.1.1 connection that knows when a broker with one thread has handled all it was sent.

    The first answer may come in the middle of a round through its sockets, the second only after that round.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask(_CONNECT, _CONNACK)

    def settle(self) -> None:
        """Return as soon as everything that was sent before is handled. Raises OSError."""
        self._ask(_PING, _PONG)
        self._ask(_PING, _PONG)

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()

    def _ask(self, request: bytes, expected: bytes) -> None:
        self._socket.sendall(request)
        answer = b""
        while len(answer) < len(expected):
            received = self._socket.recv(len(expected) - len(answer))
            if not received:
                raise ConnectionError("the broker hung up")
            answer += received
        assert answer == expected, answer


class _PatientSelector(selectors.DefaultSelector):
    """Looks for news until there is none anywhere; then lets time pass."""

    def __init__(self, settle: Callable[[], None]) -> None:
        super().__init__()
        self._settle = settle
        self.leaps = False
        self.now_s = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not self.leaps:
            return self._wait(timeout)
        if timeout is None or timeout <= 0.0:
            return super().select(timeout)
        ready = super().select(_QUIET_S)
        if not ready:
            self._settle()
            ready = super().select(0.0)
        if not ready:
            self.now_s += timeout
        return ready

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        began_s = time.monotonic()
        ready = super().select(timeout)
        self.now_s += time.monotonic() - began_s
        return ready


class PatientLoop(asyncio.SelectorEventLoop):
    """The loop; its timers, and everything that waits for them, live in its own time.

    `settle` returns when other processes have done what there is to do for them.
    """

    def __init__(self, settle: Callable[[], None]) -> None:
        self._patient = _PatientSelector(settle)
        super().__init__(self._patient)

    def time(self) -> float:
        return self._patient.now_s

    def leap(self, on: bool) -> None:
        """Whether its time leaps; at first it passes as slowly as everywhere, though only in waiting."""
        self._patient.leaps = on


class PatientClock:
    """The clock that goes with a loop; any thread may ask it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ahead_s = datetime.now(UTC).timestamp() - loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(self._loop.time() + self._ahead_s, UTC)
