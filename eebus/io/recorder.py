"""Writes the SHIP messages of connections as JSON lines, for captures and for looking into trouble.

The first line is a header; then one line a message: ``t`` in seconds since the first one, ``from``, ``to``,
``layer``, ``type`` (the SHIP message type byte) and ``text``, what follows that byte.
"""

import json
import logging
from collections.abc import Mapping
from typing import TextIO

from eebus.clock import Clock
from eebus.ids import Ski
from eebus.io.link import BinaryMessage, Link, LinkEvent

_log = logging.getLogger(__name__)
_LAYERS: Mapping[int, str] = {0: "ship-init", 1: "ship-control", 2: "ship-data", 3: "ship-end"}


class FrameRecorder:
    """Records to an open text file. ``link`` is a ``LinkWrapper`` for a node."""

    def __init__(self, file: TextIO, local_name: str, clock: Clock) -> None:
        self._file: TextIO | None = file
        self._local_name = local_name
        self._clock = clock
        self._start_s: float | None = None

    def header(self, **members: object) -> None:
        """Say what this recording is."""
        self._write({"header": members})

    def note(self, text: str) -> None:
        """Keep a remark between the messages, such as a fault that was switched on."""
        self._write({"t": self._elapsed_s(), "note": text})

    def link(self, link: Link, peer: Ski) -> Link:
        """The same link, with everything that passes recorded."""
        return _RecordedLink(link, self, peer[:8])

    def record(self, peer: str, message: bytes, *, sent: bool) -> None:
        """Keep one message that was sent to or received from *peer*; a full disk ends the record only."""
        kind = message[0] if message else -1
        self._write(
            {
                "t": self._elapsed_s(),
                "from": self._local_name if sent else peer,
                "to": peer if sent else self._local_name,
                "layer": _LAYERS.get(kind, "unknown"),
                "type": kind,
                "text": message[1:].decode(errors="backslashreplace"),
            }
        )

    def _elapsed_s(self) -> float:
        now = self._clock.monotonic()
        if self._start_s is None:
            self._start_s = now
        return round(now - self._start_s, 6)

    def _write(self, line: Mapping[str, object]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            self._file = None
            _log.warning("messages are no longer recorded: %s", error)


class _RecordedLink:
    """A link that tells a recorder of every message."""

    def __init__(self, link: Link, recorder: FrameRecorder, peer: str) -> None:
        self._link = link
        self._recorder = recorder
        self._peer = peer

    async def receive(self) -> LinkEvent:
        event = await self._link.receive()
        if isinstance(event, BinaryMessage):
            self._recorder.record(self._peer, event.data, sent=False)
        return event

    def send(self, message: bytes) -> None:
        self._recorder.record(self._peer, message, sent=True)
        self._link.send(message)

    def close(self, code: int | None, reason: str) -> None:
        self._link.close(code, reason)

    def abort(self) -> None:
        self._link.abort()

    def full_pace(self) -> None:
        self._link.full_pace()

    @property
    def ping_overdue(self) -> bool:
        return self._link.ping_overdue

    @property
    def local_address(self) -> str | None:
        return self._link.local_address
