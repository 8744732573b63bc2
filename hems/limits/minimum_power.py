"""The minimum power that the grid operator must leave to controllable devices (BNetzA BK6-22-300, annex 1).

The numbers of the ruling are data, because they are presumptions that later recommendations may replace; the
rules are one pure function. Powers are connection powers in watts. Results are exact; round for display only.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hems.limits.reason import watts


class ConsumerClass(StrEnum):
    """The classes of 2.4.1. A heating rod belongs to `HEAT_PUMP`; of a battery its charging power counts."""

    CHARGE_POINT = "charge_point"
    HEAT_PUMP = "heat_pump"
    COOLING = "cooling"
    STORAGE = "storage"


class ControlMode(StrEnum):
    """How the customer has chosen to be controlled (4.4)."""

    EMS = "ems"
    """One value for all devices behind the energy management, which divides it freely."""
    DIRECT = "direct"
    """A value of its own for the device."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """The numbers. `simultaneity[i]` is the factor for i + 2 consumers; more take the last one."""

    name: str = "BNetzA BK6-22-300, annex 1"
    threshold_w: float = 4_200.0
    """Counts above this, not at it (2.4.1)."""
    base_w: float = 4_200.0
    large_group_w: float = 11_000.0
    """A heat pump or cooling group above this, not at it, has the right to a share of its own (4.5)."""
    large_group_share: float = 0.4
    simultaneity: tuple[float, ...] = (0.80, 0.75, 0.70, 0.65, 0.60, 0.55, 0.50, 0.45)
    summed_classes: frozenset[ConsumerClass] = frozenset({ConsumerClass.HEAT_PUMP, ConsumerClass.COOLING})
    """All units of these behind one grid connection are one consumer (2.4.2)."""

    def simultaneity_factor(self, consumers: int) -> float | None:
        """The factor GZF; None for fewer than two consumers, which need none."""
        if consumers < 2:
            return None
        return self.simultaneity[min(consumers - 2, len(self.simultaneity) - 1)]


BK6_22_300 = Ruling()


@dataclass(frozen=True, slots=True)
class Consumer:
    """A device of one of the classes, with its connection power in watts."""

    name: str
    consumer_class: ConsumerClass
    connection_power_w: float
    mode: ControlMode = ControlMode.EMS


@dataclass(frozen=True, slots=True)
class Counted:
    """One controllable consumer in the sense of the ruling: a device, or a group that counts as one."""

    names: tuple[str, ...]
    consumer_class: ConsumerClass
    connection_power_w: float
    mode: ControlMode
    clause: str


@dataclass(frozen=True, slots=True)
class NotCounted:
    """Devices that stay at or below the threshold, and why that is so."""

    names: tuple[str, ...]
    consumer_class: ConsumerClass
    connection_power_w: float
    reason: str


@dataclass(frozen=True, slots=True)
class Minimum:
    """A minimum power with the formula that gives it, figures filled in (kW), and the clause it stands in.

    `names`: the devices that it is for.
    """

    names: tuple[str, ...]
    power_w: float
    formula: str
    clause: str


@dataclass(frozen=True, slots=True)
class MinimumPower:
    """What counts, and what must be left to it.

    `consumers`: n, the controllable consumers behind the energy management after grouping. `factor`: None
    below two of them. `ems`: None when none is behind the energy management. `direct`: one for each
    consumer that has a value of its own.
    """

    ruling: str
    counted: tuple[Counted, ...]
    not_counted: tuple[NotCounted, ...]
    consumers: int
    factor: float | None
    ems: Minimum | None
    direct: tuple[Minimum, ...]

    @property
    def counted_names(self) -> frozenset[str]:
        """The devices that fall under a limit, however they are controlled."""
        return frozenset(name for unit in self.counted for name in unit.names)


def minimum_power(consumers: Iterable[Consumer], ruling: Ruling = BK6_22_300) -> MinimumPower:
    """Count, group and calculate. Names must differ; a power below zero raises ValueError."""
    counted: list[Counted] = []
    left_out: list[NotCounted] = []
    for group in _groups(list(consumers), ruling):
        power_w = _sum_w(group)
        if power_w > ruling.threshold_w:
            counted += _units(group, ruling)
        else:
            left_out.append(_left_out(group, power_w, ruling))
    behind_ems = [unit for unit in counted if unit.mode is ControlMode.EMS]
    factor = ruling.simultaneity_factor(len(behind_ems))
    return MinimumPower(
        ruling=ruling.name,
        counted=tuple(counted),
        not_counted=tuple(left_out),
        consumers=len(behind_ems),
        factor=factor,
        ems=_ems_minimum(behind_ems, factor, ruling) if behind_ems else None,
        direct=tuple(_direct_minimum(u, ruling) for u in counted if u.mode is ControlMode.DIRECT),
    )


def direct_minimum_w(
    consumers: Iterable[Consumer], names: Collection[str], ruling: Ruling = BK6_22_300
) -> float:
    """What must be left to devices that the grid operator limits apart from all others; 0 where none counts.

    What counts is decided by all devices of the house (2.4.2), the value by the named ones (4.5.1).
    """
    apart = (
        replace(each, mode=ControlMode.DIRECT if each.name in names else ControlMode.EMS)
        for each in consumers
    )
    return sum(minimum.power_w for minimum in minimum_power(apart, ruling).direct)


def _groups(consumers: Sequence[Consumer], ruling: Ruling) -> list[list[Consumer]]:
    """What the threshold is compared with: single devices, or all of a class that is summed."""
    groups: dict[object, list[Consumer]] = {}
    for consumer in consumers:
        if not consumer.connection_power_w >= 0.0:
            raise ValueError(f"{consumer.name}: a connection power is not negative")
        summed = consumer.consumer_class in ruling.summed_classes
        key: object = consumer.consumer_class if summed else (consumer.name,)
        groups.setdefault(key, []).append(consumer)
    return list(groups.values())


def _units(group: Sequence[Consumer], ruling: Ruling) -> list[Counted]:
    """One consumer; a group of which some devices are controlled directly has one for each way."""
    first = group[0]
    clause = "2.4.2" if first.consumer_class in ruling.summed_classes else "2.4.1"
    units = []
    for mode in ControlMode:
        members = [consumer for consumer in group if consumer.mode is mode]
        if members:
            names = tuple(member.name for member in members)
            units.append(Counted(names, first.consumer_class, _sum_w(members), mode, clause))
    return units


def _left_out(group: Sequence[Consumer], power_w: float, ruling: Ruling) -> NotCounted:
    together = " together" if len(group) > 1 else ""
    reason = f"{watts(power_w)}{together} is not above {watts(ruling.threshold_w)} (2.4.1)"
    return NotCounted(tuple(c.name for c in group), group[0].consumer_class, power_w, reason)


def _is_large(unit: Counted, ruling: Ruling) -> bool:
    return unit.consumer_class in ruling.summed_classes and unit.connection_power_w > ruling.large_group_w


def _direct_minimum(unit: Counted, ruling: Ruling) -> Minimum:
    if _is_large(unit, ruling):
        formula = f"{ruling.large_group_share:g} · {_kw(unit.connection_power_w)}"
        return Minimum(unit.names, ruling.large_group_share * unit.connection_power_w, formula, "4.5.1")
    return Minimum(unit.names, ruling.base_w, _kw(ruling.base_w), "4.5.1")


def _ems_minimum(units: Sequence[Counted], factor: float | None, ruling: Ruling) -> Minimum:
    first_w, formula = _first_term(units, ruling)
    others_w = 0.0
    if factor is not None:
        others_w = (len(units) - 1) * factor * ruling.base_w
        formula += f" + ({len(units)} − 1) · {factor:.2f} · {_kw(ruling.base_w)}"
    names = tuple(name for unit in units for name in unit.names)
    return Minimum(names, first_w + others_w, formula, "4.5.2")


def _first_term(units: Sequence[Counted], ruling: Ruling) -> tuple[float, str]:
    if not any(_is_large(unit, ruling) for unit in units):
        return ruling.base_w, _kw(ruling.base_w)
    sums_w = [unit.connection_power_w for unit in units if unit.consumer_class in ruling.summed_classes]
    shares = [f"{ruling.large_group_share:g} · {_kw(power_w)}" for power_w in sums_w]
    formula = shares[0] if len(shares) == 1 else f"max({', '.join(shares)})"
    return ruling.large_group_share * max(sums_w), formula


def _sum_w(consumers: Iterable[Consumer]) -> float:
    return sum(consumer.connection_power_w for consumer in consumers)


def _kw(power_w: float) -> str:
    return f"{power_w / 1000.0:g}"


def minimum_power_lines(result: MinimumPower) -> list[tuple[str, str]]:
    """The result as labelled lines for people."""
    found = [
        (
            "Counts",
            f"{', '.join(unit.names)}: {_LABELS[unit.consumer_class]}"
            f"{' group' if len(unit.names) > 1 else ''} of {unit.connection_power_w / 1000:g} kW"
            f"{', controlled directly' if unit.mode is ControlMode.DIRECT else ''} ({unit.clause})",
        )
        for unit in result.counted
    ]
    found += [("Counts not", f"{', '.join(left.names)}: {left.reason}") for left in result.not_counted]
    if result.ems is None and not result.direct:
        return [*found, ("Minimum", "no device counts: the grid operator may not limit any of them")]
    if result.ems is not None:
        factor = "" if result.factor is None else f", simultaneity factor {result.factor:.2f}"
        found.append(("n", f"{result.consumers} behind the energy management{factor}"))
        found.append(("Minimum", f"{_figure(result.ems.formula, result.ems.power_w)} ({result.ems.clause})"))
    found += [
        ("Minimum", f"{', '.join(each.names)}: {_figure(each.formula, each.power_w)} ({each.clause})")
        for each in result.direct
    ]
    return found


def _figure(formula: str, power_w: float) -> str:
    power = f"{power_w / 1000.0:.2f} kW"
    return power if "·" not in formula else f"{formula} = {power}"


_LABELS = {
    ConsumerClass.CHARGE_POINT: "charge point",
    ConsumerClass.HEAT_PUMP: "heat pump",
    ConsumerClass.COOLING: "cooling",
    ConsumerClass.STORAGE: "storage",
}
