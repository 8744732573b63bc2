"""Mistakes that show only once it is known what devices and wirings can do: more is asked of them. Pure."""

from collections.abc import Iterator, Mapping
from itertools import chain, combinations

from hems.config import Configuration, Finding, KeyPath, RelaySettings
from hems.devices import Capabilities, Kind
from hems.limit_sources import wiring_of
from hems.limits.reason import watts
from hems.limits.sources.relay import FREE, Command, Pattern
from hems.sizes import size_setting
from hems.wiring import wrong_phases

_TOLERANCE_W = 0.5


def contradictions(configuration: Configuration, devices: Mapping[str, Capabilities]) -> Iterator[Finding]:
    """Every such mistake. `devices`: by name, what those can do that could be made."""
    yield from _traits(configuration, devices)
    yield from _covered(configuration, devices)
    yield from _wishes(configuration, devices)
    for index, relays in enumerate(configuration.relays):
        yield from _pulses(("relays", index), relays)


def _traits(configuration: Configuration, devices: Mapping[str, Capabilities]) -> Iterator[Finding]:
    """What the configuration says of a device, and the device does not agree with."""
    for index, settings in enumerate(configuration.devices):
        path: KeyPath = ("devices", index)
        capabilities = devices.get(settings.name)
        if capabilities is None:
            continue
        wrong = wrong_phases(settings, capabilities)
        if wrong is not None:
            yield (*path, "phases"), *wrong
        if capabilities.kind is not Kind.INVERTER:
            continue
        problem = "an inverter draws nothing that consumption limits could bound"
        remedy = "Remove it; a battery behind the inverter is a device of its own"
        if settings.controllable:
            yield (*path, "controllable"), problem, remedy
        if settings.consumer_class is not None:
            yield (*path, "class"), problem, remedy


def _covered(configuration: Configuration, devices: Mapping[str, Capabilities]) -> Iterator[Finding]:
    """Limits on draw for devices that nobody can tell to draw less."""
    groups: list[tuple[KeyPath, tuple[str, ...]]] = []
    for index, relays in enumerate(configuration.relays):
        path: KeyPath = ("relays", index, "devices")
        commands = wiring_of(relays, 0.0).commands.values()
        if relays.devices and all(command.consumption_w is None for command in commands):
            problem = f"the wiring '{relays.wiring}' limits feed-in only, and that of the whole house"
            yield path, problem, "Remove devices"
        else:
            groups.append((path, relays.devices))
    for index, programme in enumerate(configuration.programmes):
        groups.append((("programmes", index, "devices"), programme.devices))
    for path, names in groups:
        yield from _told_in_vain(path, [(name, devices[name]) for name in names if name in devices], names)


def _told_in_vain(
    path: KeyPath, known: list[tuple[str, Capabilities]], names: tuple[str, ...]
) -> Iterator[Finding]:
    """An inverter never draws. What is only measured has its part in a limit if others can make up for it."""
    remedy = "Name devices that can be told to draw less"
    for name, capabilities in known:
        if capabilities.kind is Kind.INVERTER:
            yield (*path, names.index(name)), f"{name} is an inverter, this limits draw", remedy
            return
    if known and len(known) == len(names) and all(each.consumption is None for _, each in known):
        yield path, "none of these devices can be told to draw less", remedy


def _wishes(configuration: Configuration, devices: Mapping[str, Capabilities]) -> Iterator[Finding]:
    """Of the first device of its name: names that stand twice are a mistake of their own."""
    settings_of = {settings.name: settings for settings in reversed(configuration.devices)}
    for index, wish in enumerate(configuration.wishes):
        capabilities = devices.get(wish.device)
        if capabilities is None:
            continue
        if capabilities.consumption is None:
            problem = f"{wish.device} cannot be told what to draw, so that nothing can be kept for it"
            yield ("wishes", index, "device"), problem, "Name a device whose draw can be limited"
        elif 0.0 < capabilities.consumption.most_w + _TOLERANCE_W < wish.at_least_w:
            most = watts(capabilities.consumption.most_w)
            problem = f"{watts(wish.at_least_w)} is more than {wish.device} can be told, {most}"
            setting = size_setting(settings_of[wish.device])
            larger = f", or set {setting} of the device to what it can take" if setting else ""
            yield ("wishes", index, "at_least_w"), problem, f"Wish for at most {most}{larger}"


def _pulses(path: KeyPath, relays: RelaySettings) -> Iterator[Finding]:
    """A pulse stands until another input gets one: from then on a limit ends only by the pulse of another."""
    wiring = wiring_of(relays, 0.0)
    pulses = [name for name in wiring.inputs if _is_pulse(relays, name)]
    if not pulses:
        return
    levels = [name for name in wiring.inputs if name not in pulses]
    held = [*chain.from_iterable(combinations(levels, count) for count in range(len(levels) + 1))]
    on_fault = FREE if relays.on_fault == "release" else None
    reached = [wiring.commands.get(Pattern((name, *more)), on_fault) for name in pulses for more in held]
    for what, limits in (("draw", _limits_draw), ("feed-in", _limits_feed_in)):
        ever = any(limits(command) for command in wiring.commands.values())
        if ever and all(command is None or limits(command) for command in reached):
            yield (
                (*path, "inputs", pulses[0], "signal"),
                f"a pulse stands until another input gets one, and none here ends a limit of {what}",
                "Use signal: level, or a wiring with an input whose pulse lifts it, such as dim_and_release",
            )


def _is_pulse(relays: RelaySettings, name: str) -> bool:
    return name in relays.inputs and relays.inputs[name].signal == "pulse"


def _limits_draw(command: Command) -> bool:
    return command.consumption_w is not None


def _limits_feed_in(command: Command) -> bool:
    return command.feed_in_share is not None
