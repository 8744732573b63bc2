"""Writes the SHIP messages of connections as JSON lines, for captures and for looking into trouble."""

import json
import logging
from collections.abc import Mapping
from typing import TextIO

_log = logging.getLogger(__name__)
_LAYERS: Mapping[int, str] = {0: "ship-init", 1: "ship-control", 2: "ship-data", 3: "ship-end"}


class FrameRecorder:
    """Records to an open text file: one line a message, `t` in seconds since the first one."""

    def __init__(self, file: TextIO, local_name: str) -> None:
        self._file: TextIO | None = file
        self._local_name = local_name
        self._start_s: float | None = None

    def record(self, peer: str, message: bytes, now: float, *, sent: bool) -> None:
        """Keep one message that was sent to or received from *peer*; a full disk ends the record only."""
        if self._file is None:
            return
        if self._start_s is None:
            self._start_s = now
        kind = message[0] if message else -1
        line = {
            "t": round(now - self._start_s, 6),
            "from": self._local_name if sent else peer,
            "to": peer if sent else self._local_name,
            "layer": _LAYERS.get(kind, "unknown"),
            "type": kind,
            "text": message[1:].decode(errors="backslashreplace"),
        }
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            self._file = None
            _log.warning("messages are no longer recorded: %s", error)
