"""Log lines: one sentence for people, or one JSON object a line for machines."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO

_QUIET_LIBRARIES = ("asyncio", "uvicorn", "zeroconf", "websockets")
_SILENT_LIBRARIES = ("pymodbus",)
"""What they complain about our adapters tell, with the device's name and a remedy."""


class TextFormatter(logging.Formatter):
    """`10:03:22 WARNING wallbox does not answer`; severity is shown only where it matters."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        severity = "" if record.levelno == logging.INFO else f"{record.levelname} "
        text = f"{at} {severity}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormatter(logging.Formatter):
    """One object a line; `data` carries the figures behind the sentence where the caller gave them."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        data = getattr(record, "data", None)
        if data is not None:
            entry["data"] = data
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def set_up_logging(level: str, form: str, stream: IO[str] | None = None) -> None:
    """Send all log lines to `stream` (standard error) in `form` (`text` or `json`), from `level` on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quiet = logging.DEBUG if level == "debug" else logging.WARNING
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(quiet)
    for name in _SILENT_LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.CRITICAL)
