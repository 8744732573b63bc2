"""What our documents of former runs, found at the broker, ask for: tombstones, removal, move to another form.

Pure. The broker is the memory: a component that was announced once stays in its device's document as a
tombstone, so that Home Assistant removes it also when it was away at the time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from hems.northbound.home_assistant.documents import (
    ORIGIN,
    DeviceDocument,
    device_messages,
    object_id_of,
    single_messages,
)
from hems.northbound.home_assistant.entities import Platform
from hems.northbound.mqtt.topics import Topics

MIGRATE = '{"migrate_discovery":true}'
"""Tells Home Assistant to keep the entities of a document that is about to move."""


@dataclass(frozen=True, slots=True)
class Found:
    """One of our own documents at the broker. `components`: key to platform."""

    topic: str
    object_id: str
    components: Mapping[str, Platform]
    is_single: bool
    payload: str


@dataclass(frozen=True, slots=True)
class Chores:
    """What to publish. In this order: `migrate` (not retained), `wanted`, then empty ones for `obsolete`.

    `wanted`: topic to payload. `obsolete`: topics of documents that have moved, or whose device or component
    is gone. `gone`: the latter, with the payload that lay there.
    """

    migrate: tuple[str, ...] = ()
    wanted: Mapping[str, str] = field(default_factory=dict)
    obsolete: tuple[str, ...] = ()
    gone: Mapping[str, str] = field(default_factory=dict)


def config_filters(prefix: str) -> tuple[str, str]:
    """What to listen to in order to find our own documents, in both forms."""
    return f"{prefix}/device/+/config", f"{prefix}/+/+/+/config"


def own_document(topic: str, payload: str, prefix: str, topics: Topics) -> Found | None:
    """The document if it is ours: our origin, and an id of this gateway. Others' are never touched."""
    levels = topic.removeprefix(f"{prefix}/").split("/")
    is_single = len(levels) == 4
    object_id = levels[1] if len(levels) in (3, 4) else ""
    own_id = object_id_of(topics)
    if object_id != own_id and not object_id.startswith(f"{own_id}_"):
        return None
    try:
        document = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(document, dict) or _origin(document) != ORIGIN or not _belongs(document, own_id):
        return None
    if is_single:
        return Found(topic, object_id, {levels[2]: cast(Platform, levels[0])}, True, payload)
    return Found(topic, object_id, _components(document), False, payload)


def _origin(document: Mapping[str, Any]) -> object:
    origin = document.get("origin")
    return origin.get("name") if isinstance(origin, dict) else None


def _belongs(document: Mapping[str, Any], own_id: str) -> bool:
    """`hems_a` must not take `hems_a_b` of another gateway whose id is `a_b` for its device `b`."""
    device = document.get("device")
    if not isinstance(device, dict):
        return False
    return device.get("via_device", own_id) == own_id and (
        "via_device" in device or device.get("identifiers") == [own_id]
    )


def _components(document: Mapping[str, Any]) -> dict[str, Platform]:
    components = document.get("components")
    if not isinstance(components, dict):
        return {}
    return {
        key: component["platform"]
        for key, component in components.items()
        if isinstance(component, dict) and "platform" in component
    }


def chores(
    documents: Sequence[DeviceDocument], found: Sequence[Found], prefix: str, *, single: bool
) -> Chores:
    """Compare what is wanted with what lies at the broker. `single`: the form that is wanted."""
    wanted: dict[str, str] = {}
    for document in documents:
        if single:
            wanted |= single_messages(document, prefix)
        else:
            wanted |= device_messages(replace(document, tombstones=_tombstones(document, found)), prefix)
    obsolete = {each.topic: each for each in found if each.topic not in wanted}
    components = {document.object_id: document.components.keys() for document in documents}
    moving = [
        each
        for each in obsolete.values()
        if each.is_single is not single and components.get(each.object_id, set()) & each.components.keys()
    ]
    return Chores(
        migrate=tuple(each.topic for each in moving),
        wanted=wanted,
        obsolete=tuple(obsolete),
        gone={topic: each.payload for topic, each in obsolete.items() if each not in moving},
    )


def _tombstones(document: DeviceDocument, found: Sequence[Found]) -> dict[str, Platform]:
    """Components of this device that were announced once and are not any more."""
    return {
        key: platform
        for each in found
        if each.object_id == document.object_id and not each.is_single
        for key, platform in each.components.items()
        if key not in document.components
    }
