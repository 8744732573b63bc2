"""The newest message of each topic of one device, and what its points read. Pure."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from adapters.mqtt.broker import Message
from adapters.mqtt.profile import MqttProfile, Point

LONGEST_TEXT = 64


@dataclass(frozen=True, slots=True)
class _Entry:
    payload: bytes
    at_s: float
    is_live: bool


class Inbox:
    """Remembers one message a topic; what the profile does not name is not kept."""

    def __init__(self, profile: MqttProfile) -> None:
        self._profile = profile
        self._topics = profile.topics
        self._entries: dict[str, _Entry] = {}

    def put(self, message: Message, now: float) -> None:
        """Take a message. An empty one means that the value is gone."""
        if message.topic not in self._topics:
            return
        if not message.payload:
            self._entries.pop(message.topic, None)
            return
        self._entries[message.topic] = _Entry(message.payload, now, not message.retained)

    def sign_of_life_s(self) -> float | None:
        """When the device was last heard, by the rule of its profile; None: never by a live message."""
        rule = self._profile.freshness
        if rule.by == "values":
            topics: Iterable[str] = (
                self._profile.points["power_w"].topics if self._has_power else self._topics
            )
        else:
            topics = self._topics
        live = [entry.at_s for topic in topics if (entry := self._entries.get(topic)) and entry.is_live]
        return max(live, default=None)

    def is_fresh(self, now: float) -> bool:
        """Whether the device counts as present."""
        heard_s = self.sign_of_life_s()
        return heard_s is not None and now - heard_s <= self._profile.freshness.max_age_s

    def number(self, name: str) -> float | None:
        """The value of a point with one topic; None when it has none or no believable one."""
        numbers = self.numbers(name)
        return numbers[0] if numbers else None

    def numbers(self, name: str) -> tuple[float, ...]:
        """The values of a point, all or none: a list with holes would shift the phases."""
        point = self._profile.points.get(name)
        if point is None:
            return ()
        found = [self._number(point, topic) for topic in point.topics]
        return tuple(number for number in found if number is not None) if None not in found else ()

    def text(self, name: str) -> str:
        """The word of a point, translated by its map; empty when there is none."""
        point = self._profile.points.get(name)
        entry = None if point is None else self._entries.get(point.topics[0])
        if point is None or entry is None:
            return ""
        value = value_at(entry.payload, point.path)
        if value is None:
            return ""
        word = str(value).strip()[:LONGEST_TEXT]
        return word if point.map is None else point.map.get(word.lower(), word)

    def heard_at_s(self, name: str) -> float | None:
        """When the point was last published while we listened; None for a retained value."""
        point = self._profile.points[name]
        entry = self._entries.get(point.topics[0])
        return entry.at_s if entry is not None and entry.is_live else None

    @property
    def _has_power(self) -> bool:
        return "power_w" in self._profile.points

    def _number(self, point: Point, topic: str) -> float | None:
        entry = self._entries.get(topic)
        value = None if entry is None else value_at(entry.payload, point.path)
        number = _as_number(value)
        if number is None:
            return None
        scaled = number * point.scale
        if (point.min is not None and scaled < point.min) or (point.max is not None and scaled > point.max):
            return None
        return scaled


def value_at(payload: bytes, path: str) -> Any:
    """The text of a plain payload, or the member of a JSON one. None for what cannot be read."""
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    if not path:
        return text
    try:
        node = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for part in path.split("."):
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
