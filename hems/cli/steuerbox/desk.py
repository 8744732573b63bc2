"""Carries out commands at a simulated Steuerbox and looks at what can be seen there."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eebus.errors import LocalError
from eebus.ids import Ski, group_ski, parse_ski
from eebus.simulator.control_box import ControlBoxSimulator
from eebus.simulator.faults import FAULTS
from eebus.usecases.controllable_view import ControllableSystemView
from eebus.usecases.energy_guard import WriteAnswered
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity
from hems.cli.steuerbox.language import (
    HELP,
    Command,
    Failsafe,
    Fault,
    Heartbeat,
    Limit,
    Pair,
    Release,
    Simple,
    Unpair,
    Wait,
    Watch,
)
from hems.cli.steuerbox.partners import PartnerBook
from hems.cli.steuerbox.telling import Teller, value_lines, view_lines, view_numbers, written
from hems.cli.words import span

_READY_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command.

    `accepted`: the partner's answer to a write, None for anything else. `values`: what a command shows, exact
    and for programs; watts, watt hours, amperes, volts, hertz, seconds.
    """

    lines: tuple[str, ...] = ()
    accepted: bool | None = None
    ends: bool = False
    values: Mapping[str, object] | None = None


class Desk:
    """One box and its operator."""

    def __init__(
        self,
        box: ControlBoxSimulator,
        book: PartnerBook,
        teller: Teller,
        note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """`note` takes remarks for the recording."""
        self._box = box
        self._book = book
        self._teller = teller
        self._note = note

    async def do(self, command: Command) -> Outcome:
        """Carry it out. Raises LocalError, RemoteError or TimeoutError when it cannot be done."""
        box = self._box
        match command:
            case Limit(direction, value_w, duration_s):
                answered = await box.limit(value_w, direction=direction, duration_s=duration_s)
                return _answer(written(direction, value_w, duration_s), answered)
            case Release(direction):
                return _answer(f"release of {direction}", await box.deactivate(direction=direction))
            case Failsafe():
                answered = await box.failsafe(
                    consumption_w=command.consumption_w,
                    production_w=command.production_w,
                    duration_s=command.duration_s,
                )
                return _answer("failsafe values", answered)
            case Heartbeat(on):
                box.heartbeat(on)
                return Outcome((f"the heartbeat is {'sent' if on else 'not sent any more'}",))
            case Fault():
                return self._fault(command)
            case Watch(on):
                self._teller.watches = on
                return Outcome((f"measured values are {'told as they come' if on else 'not told'}",))
            case Wait(seconds):
                return await self._wait(seconds)
            case Pair():
                return await self._pair(command)
            case Unpair(text):
                return await self._unpair(self._find(text))
            case Simple():
                return await self._simple(command)

    async def _simple(self, command: Simple) -> Outcome:
        match command:
            case Simple.READ:
                view = await self._box.read_back()
                return Outcome(tuple(view_lines(view)), values=view_numbers(view))
            case Simple.VALUES:
                lines = self._values() or ("nothing has been measured yet",)
                return Outcome(lines, values=self._numbers())
            case Simple.STATUS:
                return Outcome(self._status())
            case Simple.FOUND:
                return Outcome(self._found() or ("nobody is announced, nobody has called",))
            case Simple.DISCONNECT:
                for ski in self._partners():
                    self._box.disconnect(ski)
                return Outcome(("closing the connections; the box dials again by itself",))
            case Simple.FAULTS:
                return Outcome(tuple(self._fault_lines()))
            case Simple.HELP:
                width = max(len(usage) for usage, _ in HELP)
                return Outcome(tuple(f"{usage:<{width}}  {meaning}" for usage, meaning in HELP))
            case Simple.QUIT:
                return Outcome(ends=True)

    def _fault(self, command: Fault) -> Outcome:
        if command.name == "all" and not command.on:
            for name in sorted(self._box.faults):
                self._box.fault(name, on=False)
            return Outcome(("all faults are ended",))
        fault = self._box.fault(command.name, on=command.on, seconds=command.seconds)
        text = f"from now on the box {fault.text}" if fault.lasting else f"the box {fault.text}"
        if fault.takes_seconds:
            text += f", {span(abs(command.seconds))} {'behind' if command.seconds < 0.0 else 'ahead'}"
        if not command.on:
            text = f"{fault.name} is ended"
        self._note(text)
        return Outcome((text,))

    async def _wait(self, seconds: float | None) -> Outcome:
        if seconds is None:
            ski = await self._box.ready(wait_s=_READY_WAIT_S)
            return Outcome((f"{ski[:8]} is ready",))
        await asyncio.sleep(seconds)
        return Outcome()

    async def _pair(self, command: Pair) -> Outcome:
        ski = self._find(command.ski)
        await self._box.pair(ski, command.host, command.port)
        self._book.keep(ski, command.host, command.port)
        return Outcome((f"{group_ski(ski)} is trusted",))

    async def _unpair(self, ski: Ski) -> Outcome:
        await self._box.unpair(ski)
        self._book.forget(ski)
        return Outcome((f"{group_ski(ski)} is trusted no longer",))

    def _find(self, text: str) -> Ski:
        """A whole SKI, or the beginning of one that is known. Raises LocalError."""
        snapshot = self._box.node.snapshot()
        known = {entry.ski for entry in snapshot.trusted}
        known |= {request.ski for request in snapshot.pairing_requests}
        known |= {found.service.ski for found in snapshot.discovered}
        matching = [ski for ski in known if ski.startswith(text.lower())]
        return matching[0] if len(matching) == 1 else parse_ski(text)

    def _partners(self) -> list[Ski]:
        return sorted({item.ski for item in self._box.node.snapshot().connections if item.carries_spine})

    def _values(self) -> tuple[str, ...]:
        lines: list[str] = []
        for ski in self._partners():
            lines += value_lines("grid", self._box.grid_values(ski), self._box.grid_disturbed_s(ski))
            disturbed_s = self._box.units_disturbed_s(ski)
            for entity, values in self._box.units(ski).items():
                lines += value_lines(f"unit [{'.'.join(map(str, entity))}]", values, disturbed_s[entity])
        return tuple(lines)

    def _numbers(self) -> Mapping[str, object]:
        """By partner: what it measures at the grid connection point, and of each unit."""
        return {
            ski: {
                "grid": self._box.grid_values(ski),
                "units": {
                    ".".join(map(str, entity)): values for entity, values in self._box.units(ski).items()
                },
            }
            for ski in self._partners()
        }

    def _status(self) -> tuple[str, ...]:
        snapshot = self._box.node.snapshot()
        lines = [f"this Steuerbox: {group_ski(snapshot.ski)}, port {snapshot.port}"]
        for entry in snapshot.trusted:
            trouble = snapshot.troubles.get(entry.ski)
            lines.append(f"trusted: {group_ski(entry.ski)}{f', not connected: {trouble}' if trouble else ''}")
        lines += [
            f"connection: {item.ski[:8]} at {item.address}, {item.direction.value}, phase {item.phase.value}"
            for item in snapshot.connections
        ]
        lines += [f"fault: {name}" for name in sorted(self._box.faults)]
        return tuple(lines)

    def _found(self) -> tuple[str, ...]:
        snapshot = self._box.node.snapshot()
        lines = [
            f"announced: {found.service.ski}  {found.service.description.brand} "
            f"{found.service.description.model}".rstrip()
            for found in snapshot.discovered
        ]
        lines += [
            f"has called: {request.ski} from {request.address}" for request in snapshot.pairing_requests
        ]
        return tuple(lines)

    def _fault_lines(self) -> list[str]:
        width = max(map(len, FAULTS))
        return [
            f"{'*' if fault.name in self._box.faults else ' '} {fault.name:<{width}}  {fault.text}"
            for fault in FAULTS.values()
        ]

    # -- what can be seen ----------------------------------------------------------------------------

    async def see(self, subject: str) -> str | float | None:
        """The present value of a subject of a condition; None while it is not known."""
        partners = self._partners()
        place, _, what = subject.partition(" ")
        if subject == "partner":
            return await self._partner_state()
        if not partners:
            return None
        if place == "grid":
            return self._box.grid_values(partners[0]).get(Quantity(what))
        if place == "unit":
            units = self._box.units(partners[0])
            return next((values.get(Quantity(what)) for values in units.values()), None)
        if subject == "heartbeat age":
            return self._box.heartbeat_age_s(partners[0])
        try:
            view = await self._box.read_back(refresh=False)
        except LocalError:
            return None
        return _of_view(view, place, what)

    async def _partner_state(self) -> str:
        if not self._partners():
            return "gone"
        try:
            await self._box.ready(wait_s=0.0)
        except TimeoutError:
            return "connected"
        return "ready"


def _of_view(view: ControllableSystemView, place: str, what: str) -> str | float | None:
    if place == "failsafe":
        return view.failsafe_duration_s
    direction = Direction(place)
    limit = view.limits.get(direction)
    match what:
        case "order":
            return None if limit is None else "active" if limit.active else "inactive"
        case "limit":
            return None if limit is None else limit.value_w
        case "failsafe":
            return view.failsafe_w.get(direction)
        case _:
            return view.maxima_w.get(direction)


def _answer(what: str, answered: WriteAnswered) -> Outcome:
    if answered.accepted:
        return Outcome((f"{what}: accepted",), accepted=True)
    if answered.error_number is None:
        return Outcome((f"{what}: {answered.text}",), accepted=False)
    reason = f" ({answered.text})" if answered.text else ""
    return Outcome((f"{what}: refused with error {answered.error_number}{reason}",), accepted=False)
