"""A Steuerbox or ripple control receiver with relays: contacts in, ceilings out. Pure.

A relay carries no value and gives no feedback: what a pattern of contacts means in watts stands here. A
pattern that the wiring does not allow is an input fault, which restricts the house by itself, never by an
order; a contact that cannot be read is never taken for a release unless the settings say so.

A pattern must have stood for the longest debounce of the group before it loosens a limit or is a fault; what
is in force stays until then. A stricter order waits only while an input is changing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

from hems.devices import ContactState
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason, watts
from hems.limits.sources.relay_inputs import InputReader, InputSettings, Signal, Standin
from hems.limits.sources.relay_movement import Movement


@dataclass(frozen=True, slots=True)
class Command:
    """What a pattern of contacts orders. None: nothing is limited on that side; 0 is a value.

    `consumption_w`: draw of the controllable devices. `feed_in_share`: of the installed power.
    """

    consumption_w: float | None = None
    feed_in_share: float | None = None


FREE = Command()

Pattern = frozenset[str]


class OnFault(StrEnum):
    """What an input fault does."""

    STRICTEST = "strictest"
    """The strictest command that the wiring knows."""
    KEEP = "keep"
    """The command before; the strictest where there was none."""
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Wiring:
    """Which inputs there are, and what each pattern of active ones orders; others are faults."""

    inputs: tuple[str, ...]
    commands: Mapping[Pattern, Command]

    def strictest(self) -> Command:
        """The least of every side over all patterns."""
        return _strictest(self.commands.values())


def single_contact(minimum_w: float) -> Wiring:
    """`dim`: reduce to the minimum power."""
    return Wiring(("dim",), {Pattern(): FREE, Pattern({"dim"}): Command(minimum_w)})


def dim_and_release(minimum_w: float) -> Wiring:
    """Two contacts of which one gives the command and the other lifts it; for pulses. Both is a fault."""
    return Wiring(
        ("dim", "release"),
        {Pattern({"dim"}): Command(minimum_w), Pattern({"release"}): FREE, Pattern(): FREE},
    )


def two_contacts(minimum_w: float) -> Wiring:
    """`dim`: reduce to the minimum power; `off`: nothing at all. With both the stricter holds."""
    return Wiring(
        ("dim", "off"),
        {
            Pattern(): FREE,
            Pattern({"dim"}): Command(minimum_w),
            Pattern({"off"}): Command(0.0),
            Pattern({"dim", "off"}): Command(0.0),
        },
    )


def four_contacts(minimum_w: float) -> Wiring:
    """W4 reduces consumption; W3, S2 and S1 limit feed-in to 0, 30 and 60 %. The strictest active one holds.

    A broken wire looks like a release here; `one_hot` shows it.
    """
    single = {
        "w4": Command(minimum_w),
        "w3": Command(feed_in_share=0.0),
        "s2": Command(feed_in_share=0.3),
        "s1": Command(feed_in_share=0.6),
    }
    return Wiring(
        tuple(single),
        {
            Pattern(active): _strictest(single[name] for name in active)
            for count in range(len(single) + 1)
            for active in combinations(single, count)
        },
    )


def one_hot(_minimum_w: float) -> Wiring:
    """Feed-in 100, 60, 30 or 0 %, exactly one contact active; none or several are a fault."""
    shares = {"p100": None, "p60": 0.6, "p30": 0.3, "p0": 0.0}
    return Wiring(
        tuple(shares), {Pattern({name}): Command(feed_in_share=share) for name, share in shares.items()}
    )


WIRINGS: Mapping[str, Callable[[float], Wiring]] = {
    "single_contact": single_contact,
    "dim_and_release": dim_and_release,
    "two_contacts": two_contacts,
    "four_contacts": four_contacts,
    "one_hot": one_hot,
}
"""The known wirings by name; each takes the minimum power in watts."""


def _strictest(commands: Iterable[Command]) -> Command:
    found = list(commands)
    return Command(
        min((c.consumption_w for c in found if c.consumption_w is not None), default=None),
        min((c.feed_in_share for c in found if c.feed_in_share is not None), default=None),
    )


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """A group of contacts. `installed_w`: what the shares of feed-in are taken of. `devices`: whom the
    consumption commands are for, None for all controllable ones.
    """

    name: str
    wiring: Wiring
    installed_w: float
    inputs: Mapping[str, InputSettings] = field(default_factory=dict)
    on_fault: OnFault = OnFault.STRICTEST
    devices: frozenset[str] | None = None

    def input(self, name: str) -> InputSettings:
        """The settings of one input."""
        return self.inputs.get(name, _DEFAULTS)


class RelaySource:
    """Follows a group and tells ceilings when they change.

    A direction that no command of the wiring touches has no ceiling. `pulsed_before`: the input whose pulse
    stood when the gateway stopped, where that is known. A pulse that is to outlive a restart counts once it
    is stored: who called `take` stores `unstored_pulse` and calls `pulse_stored`.
    """

    def __init__(self, settings: RelaySettings, pulsed_before: str | None = None) -> None:
        self._settings = settings
        self._readers = {name: InputReader(settings.input(name)) for name in settings.wiring.inputs}
        self._pulsed_before = pulsed_before if pulsed_before in self._pulse_inputs() else None
        self._pulsed: str | None = None
        self._unstored: str | None = None
        self._command: Command | None = None
        self._told: dict[str, Ceiling] = {}
        levels = [name for name in self._readers if settings.input(name).signal is Signal.LEVEL]
        self._movement = Movement(
            [self._readers[name] for name in levels],
            max((settings.input(name).debounce_s for name in levels), default=0.0),
        )
        strictest = settings.wiring.strictest()
        self._limits_consumption = strictest.consumption_w is not None
        self._limits_feed_in = strictest.feed_in_share is not None

    def take(self, states: Mapping[str, ContactState], now: float) -> list[Ceiling]:
        """Take a reading of all inputs; returns the ceilings that it changes."""
        for name, reader in self._readers.items():
            state = states.get(name)
            if state is not None and reader.take(state) and name in self._pulse_inputs():
                self._take_pulse(name)
        self._movement.note(now)
        return self.due(now)

    @property
    def unstored_pulse(self) -> str | None:
        """The input whose pulse waits to be stored."""
        return self._unstored

    def pulse_stored(self, now: float) -> list[Ceiling]:
        """The pulse is on disk, or that took too long: it counts. Returns the ceilings that it changes."""
        self._pulsed, self._unstored = self._unstored, None
        return self.due(now)

    def _take_pulse(self, name: str) -> None:
        stored = self._pulsed or self._pulsed_before
        outlives = any(self._settings.input(each).at_start is Standin.KEEP for each in self._pulse_inputs())
        if outlives and name != stored:
            self._unstored = name
        else:
            self._pulsed, self._unstored = name, None

    def _pulse_inputs(self) -> list[str]:
        return [name for name in self._readers if self._settings.input(name).signal is Signal.PULSE]

    def due(self, now: float) -> list[Ceiling]:
        """The ceilings that have changed since they were told last, also by mere silence of the inputs."""
        command, why = self._ordered(now)
        settled = self._movement.settled(now)
        if settled and why.certain:
            self._command = command
        at_once = not why.fault and not self._movement.changing()
        changed = [
            ceiling
            for ceiling in self._ceilings(command, why, now)
            if self._is_news(ceiling) and (settled or (at_once and self._is_stricter(ceiling)))
        ]
        self._told.update({ceiling.source: ceiling for ceiling in changed})
        return changed

    def _is_stricter(self, ceiling: Ceiling) -> bool:
        """Than what is in force."""
        told = self._told.get(ceiling.source)
        if told is None or told.value_w is None:
            return ceiling.value_w is not None
        return ceiling.value_w is not None and ceiling.value_w < told.value_w

    def _is_news(self, ceiling: Ceiling) -> bool:
        told = self._told.get(ceiling.source)
        return told is None or (told.value_w, told.kind, told.reason.text) != (
            ceiling.value_w,
            ceiling.kind,
            ceiling.reason.text,
        )

    def _ordered(self, now: float) -> tuple[Command, "_Why"]:
        levels = {name: self._level(name, now) for name in self._readers}
        active = Pattern(name for name, (is_active, _) in levels.items() if is_active)
        doubtful = tuple(name for name, (_, certain) in levels.items() if not certain)
        command = self._settings.wiring.commands.get(active)
        why = _Why(self._settings.name, tuple(sorted(active)), doubtful, fault=command is None)
        return (self._faulty() if command is None else command), why

    def _ceilings(self, command: Command, why: "_Why", now: float) -> list[Ceiling]:
        found = []
        if self._limits_consumption:
            found.append(self._ceiling(Basis.CONTROLLABLE, command.consumption_w, why, now))
        if self._limits_feed_in:
            share = command.feed_in_share
            value_w = None if share is None else share * self._settings.installed_w
            found.append(self._ceiling(Basis.FEED_IN, value_w, why, now))
        return found

    def _faulty(self) -> Command:
        policy = self._settings.on_fault
        if policy is OnFault.RELEASE:
            return FREE
        if policy is OnFault.KEEP and self._command is not None:
            return self._command
        return self._settings.wiring.strictest()

    def _level(self, name: str, now: float) -> tuple[bool, bool]:
        """Whether an input gives its command, and whether that is certain."""
        reader, settings = self._readers[name], self._settings.input(name)
        if settings.signal is Signal.LEVEL:
            level = reader.level(now)
            return level.active, level.certain
        pulsed = self._pulsed
        if pulsed is None and settings.at_start is Standin.KEEP:
            pulsed = self._pulsed_before
        if pulsed is None:
            return settings.at_start is not Standin.INACTIVE, False
        is_starting = self._pulsed is None and not reader.ever_read
        if reader.readable(now) or is_starting or settings.unreadable is Standin.KEEP:
            return pulsed == name, reader.readable(now)
        return settings.unreadable is Standin.ACTIVE, False

    def _ceiling(self, basis: Basis, value_w: float | None, why: "_Why", now: float) -> Ceiling:
        kind = CeilingKind.GRID_OPERATOR if why.certain else CeilingKind.SELF_IMPOSED
        return Ceiling(
            source=f"relay/{self._settings.name}/{basis.direction.value}",
            value_w=value_w,
            basis=basis,
            kind=kind,
            reason=why.reason(basis, value_w),
            since_s=now,
            devices=self._settings.devices if basis is Basis.CONTROLLABLE else None,
        )


@dataclass(frozen=True, slots=True)
class _Why:
    """The state of the inputs behind a command."""

    group: str
    active: tuple[str, ...]
    doubtful: tuple[str, ...]
    fault: bool

    @property
    def certain(self) -> bool:
        return not self.fault and not self.doubtful

    def reason(self, basis: Basis, value_w: float | None) -> Reason:
        what = "feed-in" if basis is Basis.FEED_IN else "consumption"
        limit = f"{what} is not limited" if value_w is None else f"{what} is limited to {watts(value_w)}"
        active = f"{', '.join(self.active)} active" if self.active else "no input active"
        values = {"group": self.group, "active": " ".join(self.active), "limit_w": value_w}
        if self.doubtful:
            unread = " ".join(self.doubtful)
            text = f"relays {self.group}: {', '.join(self.doubtful)} not readable, taken as {active}; {limit}"
            return Reason("relay_unreadable", text, {**values, "unreadable": unread})
        if self.fault:
            text = f"relays {self.group}: input fault, {active} cannot be; {limit}"
            return Reason("relay_input_fault", text, values)
        return Reason("relay", f"relays {self.group}: {active}, {limit}", values)


_DEFAULTS = InputSettings()
