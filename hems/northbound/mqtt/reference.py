"""Everything that is published or taken, as a table: for `hems mqtt topics` and `docs/mqtt.md`. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from hems.devices import Direction, Kind
from hems.northbound.home_assistant.documents import device_topic, documents, object_id_of
from hems.northbound.home_assistant.entities import EVENT_TYPES, Entity, appliance_entities, gateway_entities
from hems.northbound.home_assistant.site import Appliance, Site
from hems.northbound.home_assistant.words import Language, name_of
from hems.northbound.mqtt.topics import Topics


@dataclass(frozen=True, slots=True)
class TopicRow:
    """One topic. `taken`: it is read by the gateway, everything else is published by it."""

    topic: str
    payload: str
    qos: int
    retained: bool
    taken: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class EntityRow:
    """One entity of Home Assistant."""

    entity_id: str
    english: str
    german: str
    topic: str
    member: str
    unit: str


def topic_rows(topics: Topics, prefix: str, status_topic: str, device: str) -> tuple[TopicRow, ...]:
    """The topics of a gateway; `device` stands for each of its devices."""
    own = topics.device(device)
    return (
        TopicRow(topics.status, "`online`, `offline`", 1, True, False, "the gateway is there; last will"),
        TopicRow(topics.state, "JSON", 1, True, False, "limits, their sources and reasons, trouble"),
        TopicRow(topics.measurement, "JSON", 1, True, False, "grid, house, heartbeat, allowed power"),
        TopicRow(
            topics.event,
            "JSON",
            1,
            False,
            False,
            f"`event_type`: {', '.join(EVENT_TYPES)}; each with its `reason`",
        ),
        TopicRow(own.status, "`online`, `offline`", 1, True, False, "the device answers"),
        TopicRow(own.state, "JSON", 1, True, False, "set-points, their reasons and effect"),
        TopicRow(own.measurement, "JSON", 0, True, False, "power and energy"),
        TopicRow(
            topics.own_limit_set,
            "watts, or `None`",
            1,
            False,
            True,
            "own limit on consumption; only with `mqtt.commands: true`; it can lower, never raise",
        ),
        TopicRow(
            device_topic(prefix, object_id_of(topics)), "JSON", 1, True, False, "discovery of the gateway"
        ),
        TopicRow(
            device_topic(prefix, object_id_of(topics, device)), "JSON", 1, True, False, "… and of a device"
        ),
        TopicRow(status_topic, "`online`", 0, False, True, "Home Assistant has started"),
    )


def entity_rows(site: Site) -> Iterator[EntityRow]:
    """Every entity of a gateway and its devices."""
    yield from _rows(gateway_entities(site), site, None)
    for appliance in site.appliances:
        yield from _rows(appliance_entities(appliance), site, appliance)


def _rows(entities: Iterator[Entity], site: Site, appliance: Appliance | None) -> Iterator[EntityRow]:
    index = 0 if appliance is None else 1 + site.appliances.index(appliance)
    components = documents(site, Language.EN)[index].components
    for entity in entities:
        component = components[entity.key]
        yield EntityRow(
            component["default_entity_id"],
            name_of(entity.key, Language.EN),
            name_of(entity.key, Language.DE),
            component["state_topic"],
            entity.member or "event_type",
            entity.unit or "",
        )


def example_site() -> Site:
    """A gateway with one device of each kind, for the documentation."""
    return Site(
        name="Musterweg 7",
        version="",
        serial="",
        topics=Topics("hems", "<id>"),
        directions=(Direction.CONSUMPTION, Direction.PRODUCTION),
        has_meter=True,
        appliances=(
            Appliance("wallbox", Kind.WALLBOX, (Direction.CONSUMPTION,)),
            Appliance("inverter", Kind.INVERTER, (Direction.PRODUCTION,)),
            Appliance("battery", Kind.BATTERY, (Direction.CONSUMPTION,)),
        ),
        own_limit_most_w=24_150,
    )


def topic_table(rows: tuple[TopicRow, ...]) -> str:
    """The topics as a table in Markdown."""
    lines = [
        "| Topic | Direction | Payload | QoS | Retained | Meaning |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{row.topic}` | {'to' if row.taken else 'from'} the gateway | {row.payload} | {row.qos} "
        f"| {'yes' if row.retained else 'no'} | {row.meaning} |"
        for row in rows
    ]
    return "\n".join(lines)


def entity_table(rows: Iterator[EntityRow]) -> str:
    """The entities as a table in Markdown."""
    lines = ["| Entity | English | German | Topic | Member | Unit |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{row.entity_id}` | {row.english} | {row.german} | `{row.topic}` | `{row.member}` | {row.unit} |"
        for row in rows
    ]
    return "\n".join(lines)


BEGIN, END = "<!-- generated by: hems mqtt topics --docs -->", "<!-- end of the generated part -->"


def generated_part() -> str:
    """The part of `docs/mqtt.md` that follows from the code."""
    site = example_site()
    topics = topic_table(topic_rows(site.topics, "homeassistant", "homeassistant/status", "<device>"))
    return f"{BEGIN}\n\n{topics}\n\n### Entities\n\n{entity_table(entity_rows(site))}\n\n{END}"


def with_generated_part(text: str) -> str:
    """The page with its generated part brought up to date. Raises ValueError when the marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the marks of the generated part are missing")
    return f"{before}{generated_part()}{after}"
