"""What a configuration means, in plain words, and whether the house is safe when the gateway dies.

Pure: devices are asked for their capabilities only, nothing is connected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from eebus.usecases.events import StoredFailsafe
from hems.config import Configuration, DeviceSettings
from hems.control.fallbacks import FallbackProof
from hems.counting import HouseCount, count_house
from hems.devices import Capabilities, Device, Direction, FeasiblePowers
from hems.doubtful_powers import doubtful_powers
from hems.left_alone import does_alone, fallback_proofs, freed_feed_in
from hems.limit_explanation import limit_lines
from hems.limits.minimum_power import minimum_power_lines
from hems.limits.reason import watts
from hems.northbound.mqtt.meaning import meaning_of
from hems.sizes import figures_of, out_of_reach, size_setting
from hems.wiring import is_assumed

NOTHING_WRITTEN = StoredFailsafe()


@dataclass(frozen=True, slots=True)
class Explanation:
    """`lines`: label and text. `proofs`: the devices' own fallbacks against the failsafe limits."""

    lines: tuple[tuple[str, str], ...]
    proofs: tuple[FallbackProof, ...]
    warnings: tuple[str, ...]

    @property
    def safe(self) -> bool:
        """Whether devices that are left alone stay within every failsafe limit."""
        return all(proof.holds for proof in self.proofs)


def explain(
    configuration: Configuration,
    devices: Sequence[Device],
    written: StoredFailsafe = NOTHING_WRITTEN,
    *,
    today: date,
) -> Explanation:
    """Explain a checked configuration; `devices` are made from it, in its order, and not connected.

    `written`: failsafe values that a Steuerbox has written; they beat the configuration. `today` decides
    whether the cap on feed-in still holds.
    """
    count = count_house(configuration, devices)
    proofs = fallback_proofs(configuration, devices, written, count.controllable)
    lines = [
        ("House", configuration.site.name),
        ("Data directory", str(configuration.data_dir)),
        ("Steuerbox", _connection(configuration)),
        ("Failsafe", _failsafe(configuration)),
    ]
    if written != NOTHING_WRITTEN:
        lines.append(("But", _written(written)))
    lines += [("MQTT", meaning_of(configuration.mqtt)), ("Grid", _grid(configuration))]
    ordered = sorted(zip(configuration.devices, devices, strict=True), key=lambda pair: pair[0].priority)
    lines += [(settings.name, _device(device.capabilities, settings)) for settings, device in ordered]
    lines += counting_lines(count)
    lines += limit_lines(configuration, devices, count, today)
    lines += [("Gateway dies", proof.reason.text) for proof in proofs]
    return Explanation(tuple(lines), proofs, tuple(_warnings(configuration, devices, count)))


def _connection(configuration: Configuration) -> str:
    eebus = configuration.eebus
    where = f"port {eebus.port}" + (f" on {eebus.host}" if eebus.host else "")
    announced = "announced in the local network" if eebus.announce else "not announced"
    dialled = f"; dials {', '.join(peer.host for peer in eebus.peers)}" if eebus.peers else ""
    switches = eebus.switches
    offered = [
        name
        for name, on in (
            ("consumption", switches.consumption_limits),
            ("feed-in", switches.production_limits),
        )
        if on
    ]
    return f"{where}, {announced}{dialled}; may limit {' and '.join(offered) or 'nothing'}"


def _failsafe(configuration: Configuration) -> str:
    failsafe = configuration.eebus.failsafe
    feed_in = "is not cut" if failsafe.production_w is None else f"at most {watts(failsafe.production_w)}"
    return (
        f"while the Steuerbox is silent: draw at most {watts(failsafe.consumption_w)}, feed-in {feed_in}, "
        f"for at least {failsafe.duration_s / 3600:.3g} h; what a Steuerbox writes beats this"
    )


def _written(written: StoredFailsafe) -> str:
    values = [
        f"{what} {watts(value_w)}"
        for what, value_w in (("draw", written.consumption_w), ("feed-in", written.production_w))
        if value_w is not None
    ]
    if written.duration_s is not None:
        values.append(f"duration {written.duration_s / 3600:.3g} h")
    return f"a Steuerbox has written {', '.join(values)}; that counts instead"


def _grid(configuration: Configuration) -> str:
    grid = configuration.grid_connection_point
    meter = "no meter" if grid.meter is None else f"meter: {_adapter_type(grid.meter)}"
    return (
        f"made for {watts(grid.contractual_consumption_w)} of draw and "
        f"{watts(grid.contractual_production_w)} of feed-in; {meter}"
    )


def _adapter_type(settings: object) -> str:
    return str(getattr(settings, "type", "unknown"))


def _device(capabilities: Capabilities, settings: DeviceSettings) -> str:
    parts = [f"{capabilities.kind}, priority {settings.priority}"]
    for direction, verb in ((Direction.CONSUMPTION, "draw"), (Direction.PRODUCTION, "feed-in")):
        feasible = capabilities.feasible(direction)
        if feasible is not None:
            alone = does_alone(settings, capabilities, direction)
            parts.append(f"{verb} {_powers(feasible)}{_assumed_size(settings)}; {alone}")
    if capabilities.consumption is None and capabilities.production is None:
        parts.append("measured only, it cannot be told anything")
    return "; ".join(parts)


def _powers(feasible: FeasiblePowers) -> str:
    if feasible.most_w == 0.0:
        return "known once it is connected"
    return " or ".join(
        watts(each.low_w) if each.low_w == each.high_w else f"{watts(each.low_w)} to {watts(each.high_w)}"
        for each in feasible.ranges
    )


def _assumed_size(settings: DeviceSettings) -> str:
    if not figures_of(settings).size_is_assumed:
        return ""
    return f" (assumed until it is connected; {size_setting(settings)} says it)"


def counting_lines(count: HouseCount) -> list[tuple[str, str]]:
    """What counts by § 14a EnWG and the minimum power that follows, formula and clause included."""
    found = list(minimum_power_lines(count.minimum))
    found += [("Counts not", f"{name}: {reason}") for name, reason in count.excluded]
    by_choice = sorted(count.controllable - count.minimum.counted_names)
    if by_choice:
        text = f"{', '.join(by_choice)}: falls under limits by choice, without a part in the minimum"
        found.append(("By choice", text))
    return found


def _warnings(configuration: Configuration, devices: Sequence[Device], count: HouseCount) -> list[str]:
    found = doubtful_powers(configuration)
    if not devices:
        found.append(
            "No device is configured: a limit of the Steuerbox would be accepted without any effect."
        )
    elif not count.controllable and configuration.eebus.switches.consumption_limits:
        found.append(
            "No device counts as controllable: a limit on consumption would be accepted without any effect."
        )
    found += _covered_by_nobody(configuration, count)
    found += _assumed_phases(configuration, devices)
    pairs = [(s, device.capabilities) for s, device in zip(configuration.devices, devices, strict=True)]
    found += filter(None, (out_of_reach(*pair) for pair in pairs))
    if _may_limit_feed_in(configuration):
        found += filter(None, (freed_feed_in(*pair) for pair in pairs))
    if devices and _may_limit_feed_in(configuration) and not any(d.capabilities.production for d in devices):
        found.append(
            "Feed-in may be limited, but no device can be told to feed in less: such a limit would be "
            "accepted without any effect. If nothing in the house feeds in, set "
            "eebus.switches.production_limits to false."
        )
    if configuration.grid_connection_point.meter is None:
        found.append(
            "No meter is configured: the Steuerbox cannot read the house, and no surplus is given to devices."
        )
    if (
        configuration.eebus.failsafe.consumption_w
        > configuration.grid_connection_point.contractual_consumption_w
    ):
        found.append("The failsafe limit is above what the grid connection is made for: it limits nothing.")
    minimum = count.minimum.ems
    if minimum is not None and configuration.eebus.failsafe.consumption_w < minimum.power_w:
        found.append(
            f"The failsafe limit of {watts(configuration.eebus.failsafe.consumption_w)} is below the minimum "
            f"power of {watts(minimum.power_w)}: you may set eebus.failsafe.consumption_w that high."
        )
    return found


def _covered_by_nobody(configuration: Configuration, count: HouseCount) -> list[str]:
    """Under direct control a device has a limit of its own (BK6-22-300, annex 1, 4.4): who gives it?"""
    named = {name for relays in configuration.relays for name in relays.devices}
    return [
        f"{name} is under direct control, but no relays name it: no limit of the grid operator that comes "
        f"here is for it. Name it in the devices of relays, or leave out 'control: direct'; right only "
        f"where the Steuerbox acts on {name} itself."
        for name in sorted(count.direct - named)
    ]


def _assumed_phases(configuration: Configuration, devices: Sequence[Device]) -> list[str]:
    protection = configuration.grid_connection_point.protection
    if protection is None or not protection.three_phase:
        return []
    return [
        f"{settings.name} runs on one phase, and nobody has said on which: fuse and unbalance count it on "
        "phase 1. Add 'phases: [1]' to the device, or [2] or [3] if it is on another."
        for settings, device in zip(configuration.devices, devices, strict=True)
        if is_assumed(settings, device.capabilities)
    ]


def _may_limit_feed_in(configuration: Configuration) -> bool:
    return configuration.eebus.switches.production_limits or configuration.generation is not None
