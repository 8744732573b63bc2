"""Discovery documents for Home Assistant: a pure function of the shape of the gateway. One a device."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hems.devices import Kind
from hems.northbound.home_assistant.entities import (
    EVENT_TYPES,
    Entity,
    Platform,
    Source,
    appliance_entities,
    gateway_entities,
)
from hems.northbound.home_assistant.site import Appliance, Site
from hems.northbound.home_assistant.words import Language, name_of
from hems.northbound.mqtt.topics import DeviceTopics, Topics

Json = dict[str, Any]

ORIGIN = "eebus-hems"
"""The name by which our own documents are known again."""

_MODELS = {
    Kind.WALLBOX: ("Wallbox", "Wallbox"),
    Kind.HEAT_PUMP: ("Heat pump", "Wärmepumpe"),
    Kind.COOLING: ("Cooling", "Klimagerät"),
    Kind.BATTERY: ("Battery", "Batteriespeicher"),
    Kind.INVERTER: ("Inverter", "Wechselrichter"),
    Kind.OTHER: ("Device", "Gerät"),
}


@dataclass(frozen=True, slots=True)
class DeviceDocument:
    """One device of Home Assistant. `object_id`: its part of the discovery topic; `components` by key."""

    object_id: str
    device: Json
    origin: Json
    components: Mapping[str, Json]
    tombstones: Mapping[str, Platform] = field(default_factory=dict)
    """Components that we announced once and that are gone: key to platform."""


def documents(site: Site, language: Language) -> tuple[DeviceDocument, ...]:
    """The documents of the gateway and of each of its devices, the gateway first."""
    return (_gateway(site, language), *(_appliance(site, each, language) for each in site.appliances))


def object_id_of(topics: Topics, device: str | None = None) -> str:
    """The id of the gateway (or of a device of it) in topics and identifiers."""
    gateway = f"hems_{topics.gateway}"
    return gateway if device is None else f"{gateway}_{device}"


def _gateway(site: Site, language: Language) -> DeviceDocument:
    own_id = object_id_of(site.topics)
    device = {
        "identifiers": [own_id],
        "name": f"HEMS {site.name}",
        "manufacturer": "eebus-hems",
        "model": "Gateway",
        "serial_number": site.serial,
        "sw_version": site.version,
    }
    shown = _Shown(site.topics, site.topics, own_id, "hems")
    return _document(own_id, device, site, _components(gateway_entities(site), shown, language))


def _appliance(site: Site, appliance: Appliance, language: Language) -> DeviceDocument:
    own_id = object_id_of(site.topics, appliance.name)
    device = {
        "identifiers": [own_id],
        "name": _title(appliance.name),
        "manufacturer": "eebus-hems",
        "model": _MODELS[appliance.kind][language is Language.DE],
        "via_device": object_id_of(site.topics),
    }
    shown = _Shown(site.topics, site.topics.device(appliance.name), own_id, f"hems_{appliance.name}")
    return _document(own_id, device, site, _components(appliance_entities(appliance), shown, language))


def _document(own_id: str, device: Json, site: Site, components: Mapping[str, Json]) -> DeviceDocument:
    origin = {"name": ORIGIN, "sw_version": site.version}
    return DeviceDocument(own_id, device, origin, components)


def _title(name: str) -> str:
    """A device's name from the configuration as a title: `heat_pump` becomes `Heat pump`."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


@dataclass(frozen=True, slots=True)
class _Shown:
    """Where a device's entities are: topics, unique ids, and the beginning of their entity ids."""

    gateway: Topics
    own: Topics | DeviceTopics
    unique: str
    slug: str


def _components(entities: Iterable[Entity], shown: _Shown, language: Language) -> dict[str, Json]:
    return {entity.key: _component(entity, shown, language) for entity in entities}


def _component(entity: Entity, shown: _Shown, language: Language) -> Json:
    slug = f"{shown.slug}_{entity.key}".replace("-", "_")
    component: Json = {
        "platform": entity.platform,
        "unique_id": f"{shown.unique}_{entity.key}",
        "name": name_of(entity.key, language),
        "object_id": slug,
        "default_entity_id": f"{entity.platform}.{slug}",
        "state_topic": _topic(entity.source, shown),
        "availability": _availability(entity, shown),
        "availability_mode": "all",
        "device_class": entity.device_class,
        "state_class": entity.state_class,
        "unit_of_measurement": entity.unit,
        "entity_category": entity.category,
        "icon": entity.icon,
        "suggested_display_precision": entity.precision,
        "qos": 1,
    }
    if entity.platform == "event":
        component["event_types"] = list(EVENT_TYPES)
    else:
        component["value_template"] = f"{{{{ value_json.{entity.member} }}}}"
    if entity.attributes is not None:
        component["json_attributes_topic"] = component["state_topic"]
        component["json_attributes_template"] = f"{{{{ value_json.{entity.attributes} | tojson }}}}"
    if entity.range_w is not None:
        least_w, most_w = entity.range_w
        component |= {"command_topic": shown.gateway.own_limit_set, "min": least_w, "max": most_w}
        component |= {"step": 1, "mode": "box", "retain": False}
    return {key: value for key, value in component.items() if value is not None}


def _topic(source: Source, shown: _Shown) -> str:
    match source:
        case Source.STATE:
            return shown.own.state
        case Source.MEASUREMENT:
            return shown.own.measurement
        case Source.EVENT:
            return shown.gateway.event


def _availability(entity: Entity, shown: _Shown) -> list[Json]:
    needed = [shown.gateway.status, *([shown.own.status] if entity.needs_device else [])]
    return [{"topic": topic} for topic in needed]


# --- from documents to messages ----------------------------------------------------------------------------


def device_messages(document: DeviceDocument, prefix: str) -> dict[str, str]:
    """Topic and payload in the device-based form: one message."""
    dead = {key: {"platform": platform} for key, platform in document.tombstones.items()}
    payload = {
        "device": document.device,
        "origin": document.origin,
        "components": {**document.components, **dead},
    }
    return {device_topic(prefix, document.object_id): to_text(payload)}


def single_messages(document: DeviceDocument, prefix: str) -> dict[str, str]:
    """Topics and payloads in the older form: one message a component."""
    return {
        single_topic(prefix, component["platform"], document.object_id, key): to_text(
            {name: value for name, value in _for_older_releases(component).items() if name != "platform"}
            | {"device": document.device, "origin": document.origin}
        )
        for key, component in document.components.items()
    }


def _for_older_releases(component: Json) -> Json:
    """Releases that need this form warn at every message in which a timestamp is null: they get a text."""
    if component.get("device_class") != "timestamp":
        return component
    template = component["value_template"].replace(" }}", " or 'unknown' }}")
    return {key: value for key, value in component.items() if key != "device_class"} | {
        "value_template": template
    }


def device_topic(prefix: str, object_id: str) -> str:
    """Where the document of a device lies."""
    return f"{prefix}/device/{object_id}/config"


def single_topic(prefix: str, platform: str, object_id: str, key: str) -> str:
    """Where a component lies in the older form."""
    return f"{prefix}/{platform}/{object_id}/{key}/config"


def to_text(payload: object) -> str:
    """JSON as it is published; equal contents give equal texts."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
