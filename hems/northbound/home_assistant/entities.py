"""Every entity as one row of a table. Keys, platforms and units are a contract: they never change."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from hems.devices import Direction, Kind
from hems.northbound.home_assistant.site import Appliance, Site

Platform = Literal["sensor", "binary_sensor", "number", "event"]

EVENT_TYPES = (
    "limit",
    "release",
    "refused",
    "limit_ended",
    "failsafe",
    "failsafe_ended",
    "own_limit",
    "own_limit_refused",
)
"""What the event entity tells: orders accepted, lifted, refused; self-imposed phases; own limits."""


class Source(StrEnum):
    """The document that an entity takes its value from."""

    STATE = "state"
    MEASUREMENT = "measurement"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One entity. `member`: its member in the source's document. `attributes`: a member with further facts.

    `needs_device`: not available while the device does not answer. `range_w`: of a number.
    """

    key: str
    platform: Platform
    source: Source
    member: str
    device_class: str | None = None
    state_class: str | None = None
    unit: str | None = None
    category: Literal["diagnostic"] | None = None
    icon: str | None = None
    precision: int | None = None
    attributes: str | None = None
    needs_device: bool = False
    range_w: tuple[int, int] | None = None


def gateway_entities(site: Site) -> Iterator[Entity]:
    """What belongs to the gateway itself."""
    for direction in site.directions:
        yield from _limit(direction)
    yield _switch("limited", icon="mdi:speedometer-slow")
    yield _switch("failsafe", icon="mdi:shield-alert")
    yield _switch("problem", device_class="problem", attributes="problems")
    yield _switch("control_box_connected", device_class="connectivity", category="diagnostic")
    yield Entity(
        key="heartbeat_age",
        platform="sensor",
        source=Source.MEASUREMENT,
        member="heartbeat_age_s",
        device_class="duration",
        state_class="measurement",
        unit="s",
        category="diagnostic",
        precision=0,
    )
    yield Entity(
        key="started",
        platform="sensor",
        source=Source.STATE,
        member="started_at",
        device_class="timestamp",
        category="diagnostic",
    )
    yield Entity(key="order", platform="event", source=Source.EVENT, member="", icon="mdi:transmission-tower")
    if site.has_meter:
        yield _power("grid_power", needs_device=False)
        yield _energy("grid_imported", needs_device=False)
        yield _energy("grid_exported", needs_device=False)
        yield _power("house_power", needs_device=False)
        yield _energy("house_energy", needs_device=False)
    if site.own_limit_most_w is not None:
        yield _own_limit(site.own_limit_most_w)


def appliance_entities(appliance: Appliance) -> Iterator[Entity]:
    """What belongs to one device."""
    match appliance.kind:
        case Kind.INVERTER:
            yield _power("production_power")
            yield _energy("production_energy")
        case Kind.BATTERY:
            yield _power("battery_power")
            yield _energy("charged_energy")
            yield _energy("discharged_energy")
        case _:
            yield _power("power")
            yield _energy("energy")
    yield _switch("connected", device_class="connectivity", category="diagnostic", attributes="connection")
    yield _text("device_state", "device_state", category="diagnostic", needs_device=True)
    for direction in appliance.directions:
        yield _watts(f"{direction}_setpoint", f"{direction}_setpoint_w")
        yield _text(f"{direction}_setpoint_reason", f"{direction}_setpoint_reason")
        yield _text(f"{direction}_following", f"{direction}_following", category="diagnostic")


def _limit(direction: Direction) -> Iterator[Entity]:
    yield _watts(f"{direction}_limit", f"{direction}_limit_w")
    yield replace(_power(f"{direction}_allowed", needs_device=False), category="diagnostic")
    yield _text(f"{direction}_source", f"{direction}_source", attributes=f"{direction}_source_details")
    yield _text(f"{direction}_reason", f"{direction}_reason", category="diagnostic")
    yield _text(f"{direction}_state", f"{direction}_state", attributes=f"{direction}_state_details")
    yield Entity(
        key=f"{direction}_until",
        platform="sensor",
        source=Source.STATE,
        member=f"{direction}_until",
        device_class="timestamp",
        category="diagnostic",
    )


def _own_limit(most_w: int) -> Entity:
    return Entity(
        key="own_limit",
        platform="number",
        source=Source.STATE,
        member="own_limit_w",
        device_class="power",
        unit="W",
        range_w=(0, most_w),
    )


def _watts(key: str, member: str) -> Entity:
    return Entity(
        key=key,
        platform="sensor",
        source=Source.STATE,
        member=member,
        device_class="power",
        state_class="measurement",
        unit="W",
        precision=0,
    )


def _power(key: str, *, needs_device: bool = True) -> Entity:
    return Entity(
        key=key,
        platform="sensor",
        source=Source.MEASUREMENT,
        member=f"{key}_w",
        device_class="power",
        state_class="measurement",
        unit="W",
        precision=0,
        needs_device=needs_device,
    )


def _energy(key: str, *, needs_device: bool = True) -> Entity:
    return Entity(
        key=key,
        platform="sensor",
        source=Source.MEASUREMENT,
        member=f"{key}_kwh",
        device_class="energy",
        state_class="total_increasing",
        unit="kWh",
        precision=2,
        needs_device=needs_device,
    )


def _text(
    key: str,
    member: str,
    *,
    category: Literal["diagnostic"] | None = None,
    attributes: str | None = None,
    needs_device: bool = False,
) -> Entity:
    return Entity(
        key=key,
        platform="sensor",
        source=Source.STATE,
        member=member,
        category=category,
        icon="mdi:information-outline",
        attributes=attributes,
        needs_device=needs_device,
    )


def _switch(
    key: str,
    *,
    device_class: str | None = None,
    category: Literal["diagnostic"] | None = None,
    icon: str | None = None,
    attributes: str | None = None,
) -> Entity:
    return Entity(
        key=key,
        platform="binary_sensor",
        source=Source.STATE,
        member=key,
        device_class=device_class,
        category=category,
        icon=icon,
        attributes=attributes,
    )
