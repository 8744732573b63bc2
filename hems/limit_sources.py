"""All sources of limits beside EEBUS, made from the configuration: relays, cap, fuse, programmes, wishes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Protocol

from eebus.clock import Clock
from hems.config import (
    Configuration,
    GenerationSettings,
    ProgrammeSettings,
    ProtectionSettings,
    RelayInputSettings,
    RelaySettings,
    WindowSettings,
)
from hems.control.contacts_runner import ContactsRunner
from hems.counting import HouseCount
from hems.devices import Contacts
from hems.limits.ceilings import Basis, Ceiling
from hems.limits.minimum_power import BK6_22_300, direct_minimum_w
from hems.limits.sources.feed_in_cap import FeedInCapSource, Plant, cap_of
from hems.limits.sources.programme import Programme, ProgrammeSource
from hems.limits.sources.protection import GridFuse, protection_ceilings
from hems.limits.sources.relay import WIRINGS, Command, OnFault, Pattern, RelaySource, Wiring
from hems.limits.sources.relay import RelaySettings as RelayGroup
from hems.limits.sources.relay_inputs import ActiveWhen, InputSettings, Signal, Standin
from hems.limits.sources.time_window import TimeWindow


class _Source(Protocol):
    def due(self, now: float) -> list[Ceiling]:
        """The ceilings that have changed by now."""


class LimitSources:
    """Asked once a cycle; relays also deliver in between, through their runners.

    `contacts`: one for each group of relays, in the order of the configuration. `pulses`: which input of a
    group was pulsed last before the start. `keep_pulse`: see :class:`ContactsRunner`.
    """

    def __init__(
        self,
        configuration: Configuration,
        count: HouseCount,
        contacts: Sequence[Contacts],
        clock: Clock,
        deliver: Callable[[list[Ceiling]], None],
        pulses: Mapping[str, str],
        keep_pulse: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._configuration = configuration
        self._clock = clock
        generation = configuration.generation
        relays = [
            RelaySource(relay_group(each, count, generation), pulses.get(each.name))
            for each in configuration.relays
        ]
        self.runners = [
            ContactsRunner(each, source, clock, deliver, keep_pulse)
            for each, source in zip(contacts, relays, strict=True)
        ]
        self._sources: list[_Source] = [*relays, *map(self._programme_source, configuration.programmes)]
        self._plant = None if generation is None else plant_of(generation)
        if self._plant is not None:
            self._sources.append(FeedInCapSource(self._plant, self._today))
        self._wishes = [(wish, windows_of(wish.windows)) for wish in configuration.wishes]

    def start(self, now: float) -> list[Ceiling]:
        """What holds before anything was read: also that relays are not readable yet."""
        protection = self._configuration.grid_connection_point.protection
        fixed = [] if protection is None else protection_ceilings(fuse_of(protection), now)
        return [*fixed, *self.due(now)]

    def due(self, now: float) -> list[Ceiling]:
        """The ceilings that have changed since they were asked for last."""
        return [ceiling for source in self._sources for ceiling in source.due(now)]

    def promised_w(self) -> dict[str, float]:
        """What the wishes of this moment ask for, by device."""
        local = self._local_now()
        found: dict[str, float] = {}
        for wish, windows in self._wishes:
            if any(window.contains(local) for window in windows):
                found[wish.device] = max(wish.at_least_w, found.get(wish.device, 0.0))
        return found

    def feed_in_cap(self) -> float | None:
        """The share of the installed power that may be fed in until the plant is tested; None for no cap."""
        return None if self._plant is None else cap_of(self._plant, self._today()).share

    def troubles(self) -> list[str]:
        """Relays that cannot be read, in plain words."""
        named = zip(self._configuration.relays, self.runners, strict=True)
        return [
            f"relays {settings.name} cannot be read: {runner.trouble}"
            for settings, runner in named
            if runner.trouble
        ]

    def _programme_source(self, settings: ProgrammeSettings) -> _Source:
        return _Together([ProgrammeSource(each, self._local_now) for each in programmes_of(settings)])

    def _today(self) -> date:
        return self._local_now().date()

    def _local_now(self) -> datetime:
        return self._clock.utc_now().astimezone()


class _Together:
    """Several sources as one."""

    def __init__(self, sources: Sequence[_Source]) -> None:
        self._sources = sources

    def due(self, now: float) -> list[Ceiling]:
        return [ceiling for source in self._sources for ceiling in source.due(now)]


def windows_of(settings: Iterable[WindowSettings]) -> tuple[TimeWindow, ...]:
    """The parts of the week that the configuration names."""
    return tuple(
        TimeWindow(time.fromisoformat(each.start), time.fromisoformat(each.end), each.days)
        for each in settings
    )


def programmes_of(settings: ProgrammeSettings) -> list[Programme]:
    """A programme for each direction that it limits."""
    windows = windows_of(settings.windows)
    found = []
    if settings.consumption_w is not None:
        devices = frozenset(settings.devices) or None
        found.append(Programme(settings.name, windows, Basis.CONTROLLABLE, settings.consumption_w, devices))
    if settings.feed_in_w is not None:
        name = f"{settings.name}/feed_in"
        found.append(Programme(name, windows, Basis.FEED_IN, settings.feed_in_w))
    return found


def fuse_of(settings: ProtectionSettings) -> GridFuse:
    """The fuse that the configuration names."""
    phases = 3 if settings.three_phase else 1
    return GridFuse(settings.fuse_a, phases, settings.voltage_v, settings.unbalance_w)


def plant_of(settings: GenerationSettings) -> Plant:
    """The plant that the configuration names."""
    return Plant(
        installed_w=settings.installed_power_w,
        commissioned=settings.commissioned,
        inverter_va=settings.inverter_power_va,
        subsidised=settings.subsidised,
        remotely_reducible=settings.remotely_reducible,
        tested_on=settings.tested_on,
        share=None if settings.cap_percent is None else settings.cap_percent / 100.0,
    )


def relay_group(
    settings: RelaySettings, count: HouseCount, generation: GenerationSettings | None
) -> RelayGroup:
    """A group of relays with the watts that its commands mean."""
    minimum_w = relay_minimum_w(settings, count)
    return RelayGroup(
        name=settings.name,
        wiring=wiring_of(settings, minimum_w),
        installed_w=0.0 if generation is None else generation.installed_power_w,
        inputs={name: _input_of(each) for name, each in settings.inputs.items()},
        on_fault=OnFault(settings.on_fault),
        devices=frozenset(settings.devices) or None,
    )


def relay_minimum_w(settings: RelaySettings, count: HouseCount) -> float:
    """What `minimum` means for a group: told, or by the ruling for the devices that it is for.

    Where none of them counts, the base value: relays that dim must leave something.
    """
    if settings.limit_w is not None:
        return settings.limit_w
    if not settings.devices:
        return BK6_22_300.base_w if count.minimum.ems is None else count.minimum.ems.power_w
    return direct_minimum_w(count.consumers, settings.devices) or BK6_22_300.base_w


def wiring_of(settings: RelaySettings, minimum_w: float) -> Wiring:
    """The wiring, by its name or from the patterns of the configuration."""
    if settings.wiring != "custom":
        return WIRINGS[settings.wiring](minimum_w)
    commands = {}
    for each in settings.patterns:
        limit_w = minimum_w if each.minimum else each.consumption_w
        share = None if each.feed_in_percent is None else each.feed_in_percent / 100.0
        commands[Pattern(each.active)] = Command(limit_w, share)
    inputs = dict.fromkeys([*settings.inputs, *(name for p in settings.patterns for name in p.active)])
    return Wiring(tuple(inputs), commands)


def _input_of(settings: RelayInputSettings) -> InputSettings:
    return InputSettings(
        active_when=ActiveWhen(settings.active_when),
        signal=Signal(settings.signal),
        debounce_s=settings.debounce_s,
        unreadable_after_s=settings.unreadable_after_s,
        unreadable=Standin(settings.unreadable),
        at_start=Standin(settings.at_start),
    )
