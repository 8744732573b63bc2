"""Habits of real products, as changes to the messages that our box sends.

Each takes one SHIP message and returns what such a product would send instead.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_CONTROL, _DATA = 1, 2
_LIMITS, _LIMIT = "loadControlLimitListData", "loadControlLimitData"

Change = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Habit:
    """A named habit."""

    name: str
    text: str
    change: Change


def is_result(message: bytes) -> bool:
    """Whether a SHIP message carries a SPINE result."""
    return b'{"cmdClassifier":"result"}' in message


# -- changes of values -------------------------------------------------------------------------------


def _on_limit_writes(change: Callable[[list[Any]], None]) -> Change:
    """A change of each limit in the limit writes of the box; a limit is a list of single-member objects."""

    def changed(message: bytes) -> bytes:
        if message[0] != _DATA or b'"write"' not in message or _LIMITS.encode() not in message:
            return message
        root = json.loads(message[1:])
        for holder in _elements(root, _LIMIT):
            if isinstance(holder[_LIMIT], list):
                for limit in holder[_LIMIT]:
                    change(limit)
        return message[:1] + _minified(root)

    return changed


def _elements(value: Any, name: str) -> Iterator[dict[str, Any]]:
    """Every object that has this member, at any depth."""
    if isinstance(value, dict):
        if name in value:
            yield value
        for inner in value.values():
            yield from _elements(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _elements(inner, name)


def _member(record: list[Any], name: str) -> Any:
    return next((item[name] for item in record if name in item), None)


def _negate(limit: list[Any]) -> None:
    for number in _elements(_member(limit, "value"), "number"):
        number["number"] = -number["number"]


def _positive(limit: list[Any]) -> None:
    for number in _elements(_member(limit, "value"), "number"):
        number["number"] = abs(number["number"])


def _hundreds(limit: list[Any]) -> None:
    value = _member(limit, "value") or []
    number = _member(value, "number")
    if number and number % 100 == 0 and _member(value, "scale") == 0:
        value[:] = [{"number": number // 100}, {"scale": 2}]


def _without_scale(limit: list[Any]) -> None:
    value = _member(limit, "value") or []
    if _member(value, "scale") == 0:
        value[:] = [item for item in value if "scale" not in item]


def _without_value_when_inactive(limit: list[Any]) -> None:
    if _member(limit, "isLimitActive") is False:
        limit[:] = [item for item in limit if "value" not in item]


def _zero_duration(limit: list[Any]) -> None:
    if limit and _member(limit, "timePeriod") is None:
        at = next((index for index, item in enumerate(limit) if "value" in item), len(limit))
        limit.insert(at, {"timePeriod": [{"endTime": "PT0S"}]})


def _short_heartbeat_timeout(message: bytes) -> bytes:
    return message.replace(b'{"heartbeatTimeout":"PT1M"}', b'{"heartbeatTimeout":"PT10S"}')


def _unknown_elements(message: bytes) -> bytes:
    if message[0] != _DATA:
        return message
    future = b'{"futureElement":[{"level":[{"number":1}]}]}'
    return message.replace(b'{"payload":[{"cmd":[[', b'{"payload":[{"cmd":[[' + future + b",").replace(
        b'{"header":[{"specificationVersion"', b'{"header":[' + future + b',{"specificationVersion"', 1
    )


def _future_version(message: bytes) -> bytes:
    return message.replace(b'{"specificationVersion":"1.3.0"}', b'{"specificationVersion":"1.9.0"}')


# -- changes of the form -----------------------------------------------------------------------------


def _with_white_space(message: bytes) -> bytes:
    if message[0] == 0:
        return message
    return message[:1] + json.dumps(json.loads(message[1:]), indent=2, ensure_ascii=False).encode()


def _trailing_zero(message: bytes) -> bytes:
    return message if message[0] == 0 else message + b"\x00"


def _plain_objects(message: bytes) -> bytes:
    if message[0] == 0:
        return message
    return message[:1] + _minified(_plain(json.loads(message[1:])))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    names = [name for item in value if isinstance(item, dict) for name in item]
    is_record = len(names) == len(value) == len(set(names)) and names
    if is_record:
        return {name: _plain(inner) for item in value for name, inner in item.items()}
    return [_plain(item) for item in value]


def _minified(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


HABITS = (
    Habit("wrong-signs", "negates every limit: consumption negative, production positive",
          _on_limit_writes(_negate)),
    Habit("positive-production", "writes production limits as positive values, as boxes before 2026 do",
          _on_limit_writes(_positive)),
    Habit("hundreds", "writes limits as 42 with scale 2 instead of 4200", _on_limit_writes(_hundreds)),
    Habit("no-scale", "leaves the scale out, which counts as 0", _on_limit_writes(_without_scale)),
    Habit("no-inactive-value", "leaves the value out of a limit that is not active",
          _on_limit_writes(_without_value_when_inactive)),
    Habit("zero-duration", "writes PT0S in place of no duration", _on_limit_writes(_zero_duration)),
    Habit("heartbeat-10s", "announces that its heartbeats come every 10 s, and keeps its own interval",
          _short_heartbeat_timeout),
    Habit("unknown-elements", "adds elements that no specification knows yet", _unknown_elements),
    Habit("future-version", "speaks SPINE version 1.9.0", _future_version),
    Habit("white-space", "sends its JSON with blanks and line ends", _with_white_space),
    Habit("trailing-zero", "adds a zero byte to every message", _trailing_zero),
    Habit("plain-objects", "sends ordinary JSON objects in place of lists of members", _plain_objects),
)  # fmt: skip
"""In the order in which they change a message: values before form."""
