"""What Home Assistant refuses, as far as it concerns what we publish. Pure.

Errors never reach the publisher, and one wrong key at the root loses a whole device, so our documents are
checked here, and one that breaks a rule is not published.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

_ID = re.compile(r"^[a-zA-Z0-9_-]+$")
_KEY = re.compile(r"^[a-z0-9_]+$")
_ENTITY_ID = re.compile(r"^([a-z_]+)\.[a-z0-9_]+$")
_ICON = re.compile(r"^[a-z]+:[a-z0-9-]+$")
_TOPIC = re.compile(r"^[^+#\0]+$")
_TEMPLATE = re.compile(r"^\{\{ value_json\.[a-z0-9_]+( \| tojson| or 'unknown')? \}\}$")

_ROOT = {"device", "origin", "components"}
_DEVICE = {
    "identifiers",
    "name",
    "manufacturer",
    "model",
    "serial_number",
    "sw_version",
    "via_device",
    "configuration_url",
}
"""Known to every release that knows discovery by us; `model_id` is younger than some of them."""
_ORIGIN = {"name", "sw_version", "support_url"}
_AVAILABILITY = {"topic", "payload_available", "payload_not_available", "value_template"}

_COMMON = {
    "platform",
    "unique_id",
    "name",
    "object_id",
    "default_entity_id",
    "availability",
    "availability_mode",
    "entity_category",
    "icon",
    "enabled_by_default",
    "json_attributes_topic",
    "json_attributes_template",
    "qos",
}
_ALLOWED = {
    "sensor": _COMMON
    | {
        "state_topic",
        "value_template",
        "device_class",
        "state_class",
        "unit_of_measurement",
        "options",
        "suggested_display_precision",
    },
    "binary_sensor": _COMMON | {"state_topic", "value_template", "device_class"},
    "event": _COMMON | {"state_topic", "event_types", "device_class"},
    "number": _COMMON
    | {
        "state_topic",
        "command_topic",
        "value_template",
        "device_class",
        "unit_of_measurement",
        "min",
        "max",
        "step",
        "mode",
        "retain",
    },
}
_REQUIRED = {
    "sensor": {"state_topic"},
    "binary_sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
    "number": {"command_topic"},
}

_UNITS: dict[str, set[str | None]] = {
    "power": {"W", "kW"},
    "energy": {"Wh", "kWh"},
    "duration": {"s", "min", "h"},
    "battery": {"%"},
    "timestamp": {None},
    "enum": {None},
}
_STATE_CLASSES: dict[str | None, set[str | None]] = {
    "power": {"measurement", None},
    "energy": {"total", "total_increasing"},
    "duration": {"measurement", None},
    "battery": {"measurement", None},
    "timestamp": {None},
    "enum": {None},
    None: {"measurement", "total", "total_increasing", None},
}
_BINARY_CLASSES: set[str | None] = {"problem", "connectivity", "running", "power", None}
_CATEGORIES: dict[str, set[str | None]] = {
    "sensor": {None, "diagnostic"},
    "binary_sensor": {None, "diagnostic"},
    "event": {None, "diagnostic"},
    "number": {None, "config"},
}
LARGEST_DOCUMENT = 1_000_000
"""Half of what brokers take by default."""


def faults_of_device(topic: str, payload: str) -> list[str]:
    """Everything that is wrong with a document of the device-based form."""
    return list(_device_faults(topic, payload))


def faults_of_single(topic: str, payload: str) -> list[str]:
    """Everything that is wrong with a document of the single-component form."""
    return list(_single_faults(topic, payload))


def faults_of_all(messages: Mapping[str, str]) -> list[str]:
    """What is wrong with documents together: a unique id counts once on each platform."""
    seen: dict[tuple[str, str], str] = {}
    found = []
    for topic, payload in messages.items():
        for platform, unique_id in _unique_ids(topic, payload):
            if (platform, unique_id) in seen:
                found.append(f"{topic}: unique_id {unique_id} stands in {seen[platform, unique_id]} too")
            seen[platform, unique_id] = topic
    return found


def _unique_ids(topic: str, payload: str) -> Iterator[tuple[str, str]]:
    document = json.loads(payload) if payload else {}
    if "components" not in document:
        document = {"components": {"": {"platform": topic.split("/")[-4], **document}}} if document else {}
    for component in document.get("components", {}).values():
        if "unique_id" in component:
            yield component["platform"], component["unique_id"]


def _device_faults(topic: str, payload: str) -> Iterator[str]:
    levels = topic.split("/")
    if levels[-3] != "device" or levels[-1] != "config":
        yield f"not a topic of device discovery: {topic}"
    if not _ID.match(levels[-2]):
        yield f"illegal characters in the topic: {topic}"
    if len(payload.encode()) > LARGEST_DOCUMENT:
        yield f"{len(payload.encode())} bytes are too long for a broker"
    document = json.loads(payload)
    if set(document) != _ROOT:
        yield f"the root has the keys {sorted(document)}"
        return
    yield from _shared_faults(document)
    for key, component in document["components"].items():
        if not _KEY.match(key):
            yield f"illegal component key '{key}'"
        if set(component) != {"platform"}:
            yield from (f"{key}: {fault}" for fault in _component_faults(component))


def _single_faults(topic: str, payload: str) -> Iterator[str]:
    levels = topic.split("/")
    if levels[-1] != "config" or not (_ID.match(levels[-2]) and _ID.match(levels[-3])):
        yield f"illegal topic: {topic}"
    if not payload:
        return
    document = json.loads(payload)
    if not {"device", "origin"} <= set(document):
        yield "device or origin is missing"
        return
    yield from _shared_faults(document)
    component = {key: value for key, value in document.items() if key not in ("device", "origin")}
    yield from _component_faults({"platform": levels[-4], **component})


def _shared_faults(document: Json) -> Iterator[str]:
    device, origin = document["device"], document["origin"]
    yield from (f"unknown key '{key}' in device" for key in set(device) - _DEVICE)
    yield from (f"unknown key '{key}' in origin" for key in set(origin) - _ORIGIN)
    yield from (f"null in '{key}' of device" for key, value in device.items() if value is None)
    if not device.get("identifiers"):
        yield "no identifiers"
    if not device.get("name"):
        yield "the device has no name"
    if not origin.get("name"):
        yield "the origin has no name"
    url = device.get("configuration_url")
    if url is not None and not re.match(r"^https?://\S+$", url):
        yield f"bad configuration_url {url}"


def _component_faults(component: Json) -> Iterator[str]:
    platform = component.get("platform")
    if platform not in _ALLOWED:
        yield f"unknown platform {platform}"
        return
    yield from (f"unknown key '{key}'" for key in set(component) - _ALLOWED[platform])
    yield from (f"null in '{key}'" for key, value in component.items() if value is None)
    yield from (f"'{key}' is missing" for key in (_REQUIRED[platform] | {"unique_id"}) - set(component))
    entity_id = _ENTITY_ID.match(component.get("default_entity_id", ""))
    if entity_id is None or entity_id[1] != platform:
        yield f"default_entity_id {component.get('default_entity_id')} is not of the platform {platform}"
    if not component.get("name"):
        yield "the entity has no name"
    if not _ICON.match(component.get("icon", "mdi:none")):
        yield f"bad icon {component['icon']}"
    if component.get("entity_category") not in _CATEGORIES[platform]:
        yield f"category {component['entity_category']} is not for {platform}"
    yield from _topic_faults(component)
    yield from _class_faults(platform, component)
    if platform == "number":
        yield from _number_faults(component)


def _topic_faults(component: Json) -> Iterator[str]:
    for key, value in component.items():
        if key.endswith("_topic") and not _TOPIC.match(value):
            yield f"{key} '{value}' is no topic to publish to"
        if key.endswith("_template") and not _TEMPLATE.match(value):
            yield f"{key} '{value}' is not one of ours"
    for entry in component.get("availability", ()):
        yield from (f"unknown key '{key}' in availability" for key in set(entry) - _AVAILABILITY)
        if not _TOPIC.match(entry.get("topic", "")):
            yield f"availability without a topic: {entry}"


def _class_faults(platform: str, component: Json) -> Iterator[str]:
    device_class, unit = component.get("device_class"), component.get("unit_of_measurement")
    state_class = component.get("state_class")
    if platform == "binary_sensor":
        if device_class not in _BINARY_CLASSES:
            yield f"unknown device class {device_class}"
        return
    if platform == "event":
        types = component.get("event_types", ())
        if not types or len(set(types)) != len(types):
            yield "event types are missing or doubled"
        return
    if device_class is not None and device_class not in _UNITS:
        yield f"unknown device class {device_class}"
        return
    if device_class is not None and unit not in _UNITS[device_class]:
        yield f"unit {unit} does not fit the class {device_class}"
    if platform == "sensor" and state_class not in _STATE_CLASSES[device_class]:
        yield f"state class {state_class} does not fit the class {device_class}"
    if component.get("suggested_display_precision", 0) < 0:
        yield "negative display precision"


def _number_faults(component: Json) -> Iterator[str]:
    if component.get("min", 1) > component.get("max", 100):
        yield "min is above max"
    if component.get("step", 1) < 0.001:
        yield "the step is too small"
    if component.get("retain"):
        yield "commands must not be retained"
