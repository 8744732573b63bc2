"""What the configured sources of limits and the rules mean, in plain words. Pure."""

from collections.abc import Iterator, Sequence
from datetime import date

from adapters.settings import AdapterSettings
from hems.config import Configuration, DeviceSettings, ProgrammeSettings, RelaySettings
from hems.counting import HouseCount
from hems.devices import Device
from hems.limit_sources import (
    fuse_of,
    plant_of,
    programmes_of,
    relay_group,
    windows_of,
)
from hems.limits.ceilings import Basis
from hems.limits.reason import watts
from hems.limits.sources.feed_in_cap import cap_of
from hems.limits.sources.protection import GridFuse
from hems.limits.sources.relay import Command
from hems.limits.sources.relay_inputs import InputSettings, Signal, Standin
from hems.wiring import is_assumed, phases_of

_STRATEGIES = {
    "priority": "one device after the other",
    "equal": "the same watts for each device",
    "proportional": "by the size of the devices",
    "need": "by class of need, then by size",
}
_CONVENTIONS = {
    "house_first": "own generation serves the house first",
    "pro_rata": "own generation serves house and devices by their draw",
    "controllable_first": "own generation serves the controllable devices first",
}


def limit_lines(
    configuration: Configuration, devices: Sequence[Device], count: HouseCount, today: date
) -> list[tuple[str, str]]:
    """Rules, fuse, cap, relays, programmes and wishes as label and text; `devices` in the file's order."""
    rules, protection = configuration.rules, configuration.grid_connection_point.protection
    found = [
        ("Rules", f"scarce power goes {_STRATEGIES[rules.strategy]}; {_CONVENTIONS[rules.convention]}"),
    ]
    if rules.production_limit_at == "inverter":
        found.append(("", "a feed-in limit of the Steuerbox bounds the output of the inverters"))
    if protection is not None:
        fuse = fuse_of(protection)
        least = watts(fuse.whole.least_w)
        text = f"{fuse.phases} x {fuse.fuse_a:g} A; {least} while the meter shows no voltage"
        unbalanced = fuse.phases == 3 and fuse.unbalance_w is not None
        more = f"; single-phase devices at most {watts(fuse.unbalance_w or 0.0)}" if unbalanced else ""
        found.append(("Fuse", f"{text}{more}"))
        if fuse.phases > 1:
            pairs = zip(configuration.devices, devices, strict=True)
            found += [("", line) for each, device in pairs for line in _on_phases(each, device, fuse)]
    if configuration.generation is not None:
        found.append(("Feed-in", cap_of(plant_of(configuration.generation), today).reason.text))
    for relay in configuration.relays:
        found += _relay(relay, configuration, count)
    for programme in configuration.programmes:
        found += _programme(programme)
    for wish in configuration.wishes:
        windows = "; ".join(str(window) for window in windows_of(wish.windows))
        found.append(("Wish", f"{wish.device} gets {watts(wish.at_least_w)} first, {windows}"))
    return found


def _on_phases(settings: DeviceSettings, device: Device, fuse: GridFuse) -> Iterator[str]:
    """Where a device counts, and the most that fuse and unbalance ever leave it."""
    capabilities = device.capabilities
    if capabilities.consumption is None:
        return
    phases = phases_of(settings, capabilities)
    if settings.phases is None and capabilities.phases is None:
        where = "counts evenly on all phases; if it draws on one alone, say which, as 'phases: [1]'"
    else:
        first = f", with little power on phase {phases[0]} alone" if capabilities.all_phases_from_w else ""
        where = f"on {_named(phases)}{' (assumed)' if is_assumed(settings, capabilities) else ''}{first}"
    most_w, lines_w = capabilities.consumption.most_w, fuse.of(*phases).least_w
    if len(phases) == 1 and fuse.unbalance_w is not None and fuse.unbalance_w < min(most_w, lines_w):
        where += f"; never told more than {watts(fuse.unbalance_w)} (unbalance)"
    elif lines_w < most_w:
        where += f"; never told more than {fuse.fuse_a:g} A on a phase"
    yield f"{settings.name}: {where}"


def _named(phases: tuple[int, ...]) -> str:
    if len(phases) == 1:
        return f"phase {phases[0]} alone"
    return f"phases {', '.join(map(str, phases[:-1]))} and {phases[-1]}"


def _relay(
    settings: RelaySettings, configuration: Configuration, count: HouseCount
) -> Iterator[tuple[str, str]]:
    group = relay_group(settings, count, configuration.generation)
    whom = f" for {', '.join(settings.devices)}" if settings.devices else ""
    yield "Relays", f"{settings.name}, wiring {settings.wiring}{whom}"
    singles = {pattern: command for pattern, command in group.wiring.commands.items() if len(pattern) <= 1}
    for pattern, command in singles.items():
        active = ", ".join(sorted(pattern)) or "none"
        yield "", f"{active} active: {_command(command, group.installed_w)}"
    alike: dict[str, list[str]] = {}
    for name in group.wiring.inputs:
        each = group.input(name)
        policy = f"count as {_start(each)}, as {each.unreadable} when they fall silent"
        alike.setdefault(policy, []).append(name)
    for policy, names in alike.items():
        yield "", f"{', '.join(names)} {policy}"
    yield "", f"when they show a pattern that cannot be: {settings.on_fault}"
    if isinstance(settings.adapter, AdapterSettings):
        for note in settings.adapter.notes():
            yield "", note


def _start(each: InputSettings) -> str:
    if each.signal is Signal.LEVEL:
        return f"{each.at_start} until they were read"
    if each.at_start is Standin.KEEP:
        return "before the start until one gets a pulse"
    return f"{each.at_start} until one gets a pulse"


def _command(command: Command, installed_w: float) -> str:
    parts = []
    if command.consumption_w is not None:
        parts.append(f"draw at most {watts(command.consumption_w)}")
    if command.feed_in_share is not None:
        parts.append(f"feed-in at most {watts(command.feed_in_share * installed_w)}")
    return ", ".join(parts) or "no limit"


def _programme(settings: ProgrammeSettings) -> Iterator[tuple[str, str]]:
    for programme in programmes_of(settings):
        what = "feed-in" if programme.basis is Basis.FEED_IN else "draw"
        whom = f" of {', '.join(settings.devices)}" if programme.devices else ""
        windows = "; ".join(str(window) for window in programme.windows)
        yield "Programme", f"{settings.name}: {what}{whom} at most {watts(programme.value_w)}, {windows}"
