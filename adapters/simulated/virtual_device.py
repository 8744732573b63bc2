"""What all devices of the virtual house have in common: the port, inertia, a watchdog, and misbehaviour."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Protocol

from adapters.simulated.faults import Fault
from hems.devices import (
    Capabilities,
    DeviceSample,
    DeviceUnreachable,
    Direction,
    Fallback,
    FeasiblePowers,
    Kind,
    NotConnected,
    Readback,
    Setpoint,
    WriteRefused,
)

TIMEOUT_S = 1.5
"""How long a device that is not there is waited for."""
LATE_S = 3.0
"""How late a slow device answers."""
BOOT_S = 20.0
"""How long a device is away that restarts."""
_NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Habits:
    """How a device behaves beyond its physics.

    `effect_s`: time from a write until it begins to follow. `answer_s`: time for each answer. `write_gap_s`:
    a write closer than that to the last one is refused. `fallback`: what it holds when nobody has asked it
    for so long. `refresh_s`, `rest_s`: what its capabilities ask for. `measures_power`: whether it tells its
    own power. `clip_w`: the floor of `Fault.CLIP`. `overshoot`: by which part it takes more than told.
    """

    effect_s: float = 1.0
    answer_s: float = 0.02
    write_gap_s: float = 0.0
    fallback: Fallback | None = None
    refresh_s: float | None = None
    rest_s: float = 0.0
    measures_power: bool = True
    overshoot: float = 0.0
    clip_w: float = 3_000.0


class Surroundings(Protocol):
    """What a virtual device needs of its house."""

    def now(self) -> float:
        """The moment that the models have reached."""

    def advance(self) -> None:
        """Bring the models up to the present."""

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A set-point on its way into effect."""

    at_s: float
    power_w: float | None


class VirtualDevice(ABC):
    """A :class:`hems.devices.Device` in front of a model of the house. One direction each.

    `held_w`: what its registers hold; None is released. `faults`: what it does wrong now.
    """

    direction = Direction.CONSUMPTION

    def __init__(self, name: str, habits: Habits) -> None:
        self._name = name
        self._house: Surroundings | None = None
        self._pending: list[_Pending] = []
        self._followed_w: float | None = None
        self._heard_at_s = 0.0
        self._wrote_at_s = -_NEVER
        self._away_until_s = -_NEVER
        self._stuck: DeviceSample | None = None
        self.habits = habits
        self.held_w: float | None = None
        self.faults: set[Fault] = set()

    # What a kind of device is made of.

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """See the port."""

    @property
    @abstractmethod
    def power_w(self) -> float:
        """What really flows now, signed like everything in the gateway."""

    @property
    @abstractmethod
    def wants_w(self) -> float:
        """What would flow if nothing limited it, signed."""

    @abstractmethod
    def _follow(self, ceiling_w: float | None) -> None:
        """Give the model its ceiling."""

    @abstractmethod
    def _energies_wh(self) -> tuple[float | None, float | None]:
        """Counters: consumed, produced."""

    def _settle(self, power_w: float) -> float | None:
        """The power that its registers can express, never above `power_w`; None: it cannot go so low."""
        feasible = self.capabilities.feasible(self.direction)
        return None if feasible is None else feasible.at_most(power_w)

    def _demand_w(self) -> float | None:
        return None

    @abstractmethod
    def _forget(self) -> None:
        """What else a power failure does to the model."""

    # The port.

    @property
    def name(self) -> str:
        """The name in the house."""
        return self._name

    async def connect(self) -> None:
        """See the port."""
        await self._hear()
        await self._reply()

    async def read(self) -> DeviceSample:
        """See the port."""
        await self._hear()
        await self._reply()
        if Fault.STUCK in self.faults:
            self._stuck = self._stuck or self._sample()
            return replace(self._stuck, at_s=self._now())
        self._stuck = None
        return self._sample()

    async def write(self, setpoint: Setpoint) -> Readback:
        """See the port."""
        await self._hear()
        now = self._now()
        if setpoint.direction is not self.direction:
            raise WriteRefused(f"{self._name}: its {setpoint.direction.value} cannot be limited")
        if Fault.BUSY in self.faults:
            raise WriteRefused(f"{self._name}: it is busy")
        if now < self._wrote_at_s + self.habits.write_gap_s:
            raise WriteRefused(f"{self._name}: the last write was {now - self._wrote_at_s:.1f} s ago")
        self._wrote_at_s = now
        readback = self._take(setpoint.power_w, now)
        await self._reply()
        return readback

    async def close(self) -> None:
        """See the port; there is nothing to release."""
        return

    def _take(self, power_w: float | None, now: float) -> Readback:
        written_w = None if power_w is None else self._settle(power_w)
        if power_w is not None and written_w is None:
            raise WriteRefused(f"{self._name}: it cannot go as low as {power_w:.0f} W")
        if Fault.IGNORE_WRITES not in self.faults:
            self.held_w = self._clipped(written_w)
            if Fault.NO_EFFECT not in self.faults:
                self._pending.append(_Pending(now + self.habits.effect_s, self.held_w))
        if self.held_w != written_w:
            written, held = _watts(written_w), _watts(self.held_w)
            raise WriteRefused(f"{self._name}: {written} was written, it holds {held}")
        return Readback(written_w, self.held_w, confirmed=True)

    def _clipped(self, power_w: float | None) -> float | None:
        clips = Fault.CLIP in self.faults and power_w is not None
        return max(power_w or 0.0, self.habits.clip_w) if clips else power_w

    async def _hear(self) -> None:
        """Take the time that an answer takes. Raises NotConnected."""
        house = self._present_house()
        if self.is_away(self._now()):
            await house.sleep(TIMEOUT_S)
            house.advance()
            raise NotConnected(f"{self._name}: no connection within {TIMEOUT_S:g} s")
        await house.sleep(self.habits.answer_s + (LATE_S if Fault.SLOW in self.faults else 0.0))
        house.advance()
        self._heard_at_s = self._now()

    async def _reply(self) -> None:
        """Let the answer arrive. Raises DeviceUnreachable."""
        if Fault.MUTE in self.faults:
            house = self._present_house()
            await house.sleep(TIMEOUT_S)
            house.advance()
            raise DeviceUnreachable(f"{self._name}: no answer within {TIMEOUT_S:g} s")

    def _sample(self) -> DeviceSample:
        consumed_wh, produced_wh = self._energies_wh()
        return DeviceSample(
            at_s=self._now(),
            power_w=self.power_w if self.habits.measures_power else None,
            ceilings_w={self.direction: self.held_w},
            energy_consumed_wh=consumed_wh,
            energy_produced_wh=produced_wh,
            demand_w=self._demand_w(),
        )

    # The house's side.

    def join(self, house: Surroundings) -> None:
        """Called once, when the house is built."""
        self._house = house
        self._heard_at_s = self._now()

    def is_away(self, now: float) -> bool:
        """Whether it answers nobody now."""
        return Fault.UNREACHABLE in self.faults or now < self._away_until_s

    def in_fallback(self, now: float) -> bool:
        """Whether its own watchdog has run out."""
        fallback = self.habits.fallback
        return fallback is not None and now >= self._heard_at_s + fallback.after_s

    def restart(self) -> None:
        """Lose its power: it forgets what it was told and is away for a while."""
        self.held_w = self._followed_w = None
        self._pending.clear()
        self._away_until_s = self._now() + BOOT_S
        self._heard_at_s = self._now()
        self._forget()

    def prepare(self, now: float) -> None:
        """Before the models move to `now`: let what is due take effect."""
        while self._pending and self._pending[0].at_s <= now:
            self._followed_w = self._pending.pop(0).power_w
        fallback = self.habits.fallback
        if fallback is not None and self.in_fallback(now):
            self._follow(fallback.power_w)
        else:
            followed_w = self._followed_w
            self._follow(None if followed_w is None else followed_w * (1.0 + self.habits.overshoot))

    def _present_house(self) -> Surroundings:
        assert self._house is not None, "a virtual device belongs to a house"
        return self._house

    def _now(self) -> float:
        return self._present_house().now()

    def _limits(self) -> tuple[Fallback | None, Fallback | None]:
        """The fallback by direction: consumption, production."""
        fallback = self.habits.fallback
        return (fallback, None) if self.direction is Direction.CONSUMPTION else (None, fallback)

    def _describe(
        self, kind: Kind, nameplate_w: float, powers: FeasiblePowers, reaction_s: float
    ) -> Capabilities:
        consumption = self.direction is Direction.CONSUMPTION
        return Capabilities(
            kind=kind,
            nameplate_w=nameplate_w,
            consumption=powers if consumption else None,
            production=None if consumption else powers,
            consumption_fallback=self._limits()[0],
            production_fallback=self._limits()[1],
            reaction_s=self.habits.effect_s + reaction_s,
            refresh_s=self.habits.refresh_s,
            write_gap_s=self.habits.write_gap_s,
            accepted_rise_s=self.habits.rest_s,
            measures_power=self.habits.measures_power,
        )


def _watts(power_w: float | None) -> str:
    return "no limit" if power_w is None else f"{power_w:.0f} W"
