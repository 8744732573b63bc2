"""What a configuration means, in plain words, and whether the house is safe when the gateway dies.

Pure: devices are asked for their capabilities only, nothing is connected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hems.config import Configuration
from hems.control.fallbacks import FallbackProof, LeftAlone, prove_fallbacks
from hems.devices import Capabilities, Device, Direction, FeasiblePowers
from hems.limits.reason import watts


@dataclass(frozen=True, slots=True)
class Explanation:
    """`lines`: label and text. `proof`: the devices' own fallbacks against the failsafe limit."""

    lines: tuple[tuple[str, str], ...]
    proof: FallbackProof
    warnings: tuple[str, ...]


def explain(configuration: Configuration, devices: Sequence[Device]) -> Explanation:
    """Explain a checked configuration; `devices` are made from it and not connected."""
    failsafe = configuration.eebus.failsafe
    proof = prove_fallbacks(
        [_left_alone(device) for device in devices if device.capabilities.consumption is not None],
        failsafe.consumption_w,
    )
    by_name = {device.name: device for device in devices}
    lines = [
        ("House", configuration.site.name),
        ("Data directory", str(configuration.data_dir)),
        ("Steuerbox", _connection(configuration)),
        ("Failsafe", _failsafe(configuration)),
        ("Grid", _grid(configuration)),
    ]
    lines += [
        (settings.name, _device(by_name[settings.name].capabilities, settings.priority))
        for settings in sorted(configuration.devices, key=lambda settings: settings.priority)
    ]
    lines.append(("Gateway dies", proof.reason.text))
    return Explanation(tuple(lines), proof, tuple(_warnings(configuration, devices)))


def _left_alone(device: Device) -> LeftAlone:
    capabilities = device.capabilities
    return LeftAlone(device.name, capabilities.nameplate_w, capabilities.consumption_fallback)


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
        f"for at least {failsafe.duration_s / 3600:g} h; values that a Steuerbox has written beat these"
    )


def _grid(configuration: Configuration) -> str:
    grid = configuration.grid_connection_point
    meter = "no meter" if grid.meter is None else f"meter: {_adapter_type(grid.meter)}"
    return (
        f"made for {watts(grid.contractual_consumption_w)} of draw and "
        f"{watts(grid.contractual_production_w)} of feed-in; {meter}"
    )


def _adapter_type(settings: object) -> str:
    return str(getattr(settings, "type", "unknown"))


def _device(capabilities: Capabilities, priority: int) -> str:
    parts = [f"{capabilities.kind}, priority {priority}"]
    if capabilities.consumption is not None:
        parts.append(
            f"draw {_powers(capabilities.consumption)}; {_alone(capabilities, Direction.CONSUMPTION)}"
        )
    if capabilities.production is not None:
        parts.append(
            f"feed-in {_powers(capabilities.production)}; {_alone(capabilities, Direction.PRODUCTION)}"
        )
    if len(parts) == 1:
        parts.append("measured only, it cannot be told anything")
    return "; ".join(parts)


def _powers(feasible: FeasiblePowers) -> str:
    if feasible.most_w == 0.0:
        return "known once it is connected"
    return " or ".join(
        watts(each.low_w) if each.low_w == each.high_w else f"{watts(each.low_w)} to {watts(each.high_w)}"
        for each in feasible.ranges
    )


def _alone(capabilities: Capabilities, direction: Direction) -> str:
    fallback = capabilities.fallback(direction)
    if fallback is None:
        return "left alone, it keeps its last value"
    return f"left alone, it holds {watts(fallback.power_w)} after {fallback.after_s:g} s"


def _warnings(configuration: Configuration, devices: Sequence[Device]) -> list[str]:
    found = []
    if not devices:
        found.append(
            "No device is configured: a limit of the Steuerbox would be accepted without any effect."
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
    return found
