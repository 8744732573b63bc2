"""Random houses around an order, on the virtual clock, with everything that can go wrong going wrong.

One day: two hours of a random house (sun, clouds, appliances, cars, heat), with an order for consumption
and often one for feed-in, devices and meter that fail in scheduled ways, a gateway that is killed and starts
anew, and a clock that is set. Two promises are checked:

* by decision, in every cycle: what the devices are told never adds up to more than is allowed;
* by the true flow, at every step of the models (half a second): a limit is exceeded only within the declared
  reaction time, never for longer.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import hems.control.loop
import hems.control.runner
from adapters.simulated.random_house import random_house
from adapters.simulated.virtual import VirtualHouse
from hems.control.allocation import Strategy
from hems.control.loop import Controlled, ControlLoop
from hems.control.rules import Traits
from hems.devices import Kind
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements
from tests.unit.hems_control.virtual_time import LoopClock, run

DAY_S = 7_200.0
REAL_PACE_S, IDLE_PACE_S = 1.0, 20.0
"""How often control looks: as in a real house around events, rarely while nothing is in force."""
QUICK_PACE_S = 20.0
"""The pace between events while a limit is in force, for days that must take little time."""
METERED_PACE_S = 4.0
"""The pace at which readings of the meter are still trusted: only it shows generation that is not ours."""
BUSY_S, BUSY_AFTER_FAULT_S = 40.0, 12.0
REACTION_S = 30.0
"""Longest time for which the true flow may lie above a limit (EEG: 30 s), at the real pace."""
OVER_TOLD_W = 1.0
"""What may be lost in rounding where set-points are added up."""
SETTLE_S = 120.0
"""After a fault of a device or of the gateway the flow is not judged for so long."""
TOLERANCE_W, TOLERANCE = 150.0, 0.03
"""What meters cannot tell from noise, for each house and in parts of the limit."""


class DayClock(LoopClock):
    """The clock of the day, whose date can be set."""

    def __init__(self) -> None:
        self.set_by = timedelta()

    def utc_now(self) -> datetime:
        return super().utc_now() + self.set_by


@dataclass
class Outcome:
    """What a day has shown. `longest_s`: the longest stretch above a limit; `over_told_w`: the worst sum of
    set-points above what was allowed.
    """

    seed: int
    longest_s: float = 0.0
    worst_w: float = 0.0
    over_told_w: float = 0.0
    judged: int = 0
    kills: int = 0
    complaint: str = ""
    lived_twice: bool = False
    """All of this is what the real pace showed."""

    @property
    def good(self) -> bool:
        """Whether both promises were kept."""
        return not self.complaint


@dataclass
class _Stretch:
    """How long something has lain above its limit, and how often control looked meanwhile at worst."""

    since_s: float | None = None
    pace_s: float = 0.0

    def lasts_s(self, now: float, pace_s: float) -> float:
        self.since_s = now if self.since_s is None else self.since_s
        self.pace_s = max(self.pace_s, pace_s)
        return now - self.since_s

    def end(self) -> None:
        self.since_s, self.pace_s = None, 0.0


@dataclass
class _Day:
    seed: int
    house: VirtualHouse
    clock: DayClock
    strategy: Strategy
    outcome: Outcome
    start_s: float
    moments: list[tuple[float, str, float | None]]
    pace_s: float = REAL_PACE_S
    limits: dict[Basis, Ceiling] = field(default_factory=dict)
    unjudged_until_s: float = 0.0
    control: ControlLoop | None = None
    tasks: list["asyncio.Future[None]"] = field(default_factory=list)
    drawing: _Stretch = field(default_factory=_Stretch)
    feeding: _Stretch = field(default_factory=_Stretch)

    def __post_init__(self) -> None:
        kinds = {device: device.capabilities.kind for device in self.house.devices}
        self.drawers = [device for device, kind in kinds.items() if kind is not Kind.INVERTER]
        self.makers = [device for device, kind in kinds.items() if kind is Kind.INVERTER]

    # --- the gateway ---

    def start_gateway(self) -> None:
        """Power-up: nothing is known but the failsafe limit and the orders, which the box sends again."""
        self.control = ControlLoop(
            devices=[
                Controlled(device, Traits(device.capabilities.kind is not Kind.INVERTER))
                for device in self.house.devices
            ],
            meter=self.house.meter,
            clock=self.clock,
            measurements=Measurements(),
            energies=Energies(),
            on_cycle=self.judge_decisions,
            on_progress=_ignore,
            strategy=self.strategy,
        )
        self.control.new_ceilings(list(self.limits.values()))
        self.tasks = [asyncio.ensure_future(job()) for job in self.control.jobs().values()]

    async def kill_gateway(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.control = None

    # --- what happens ---

    async def happen(self, what: str, value_w: float | None) -> None:
        now = self.clock.monotonic()
        if what == "kill":
            self.outcome.kills += 1
            await self.kill_gateway()
        elif what == "start":
            self.start_gateway()
            self.unjudged_until_s = now + SETTLE_S
        elif what == "clock":
            self.clock.set_by += timedelta(seconds=value_w or 0.0)
        else:
            basis = Basis(what)
            kind = CeilingKind.GRID_OPERATOR
            self.limits[basis] = Ceiling(f"box/{what}", value_w, basis, kind, _WHY, since_s=now)
            if self.control is not None:
                self.control.new_ceilings([self.limits[basis]])

    # --- what is promised ---

    def judge_flow(self) -> None:
        """Called at every step of the models."""
        now = self.house.now()
        if self.control is None or now < self.unjudged_until_s or self.is_faulty(now):
            self.drawing.end()
            self.feeding.end()
            return
        draw_w, feed_w = self.limit_w(Basis.CONTROLLABLE), self.limit_w(Basis.FEED_IN)
        if draw_w is None and feed_w is None:
            return
        self.outcome.judged += 1
        grid_w = self.house.house.grid_w
        drawn_w = sum(max(0.0, device.power_w) for device in self.drawers)
        made_w = sum(max(0.0, -device.power_w) for device in self.makers)
        self._compare("draw", self.drawing, draw_w, min(max(0.0, grid_w), drawn_w), now)
        self._compare("feed-in", self.feeding, feed_w, min(-grid_w, (feed_w or 0.0) + made_w), now)

    def calm_pace_s(self, limited_pace_s: float) -> float:
        """How often control looks while nothing happens; at the real pace always as it really does."""
        if limited_pace_s <= REAL_PACE_S:
            return REAL_PACE_S
        if self.limit_w(Basis.FEED_IN) is not None and self.house.house.plug_in_solar is not None:
            return min(limited_pace_s, METERED_PACE_S)
        limited = any(ceiling.value_w is not None for ceiling in self.limits.values())
        return limited_pace_s if limited else IDLE_PACE_S

    def limit_w(self, basis: Basis) -> float | None:
        ceiling = self.limits.get(basis)
        return None if ceiling is None else ceiling.value_w

    def is_faulty(self, now: float) -> bool:
        """Whether anything is broken, or was until a moment ago."""
        return any(fault.at_s <= now < fault.until_s + SETTLE_S for fault in self.house.faults)

    def _compare(
        self, what: str, stretch: _Stretch, limit_w: float | None, flow_w: float, now: float
    ) -> None:
        if limit_w is None or flow_w <= limit_w * (1.0 + TOLERANCE) + TOLERANCE_W:
            stretch.end()
            return
        lasted_s = stretch.lasts_s(now, self.pace_s)
        self.outcome.longest_s = max(self.outcome.longest_s, lasted_s)
        self.outcome.worst_w = max(self.outcome.worst_w, flow_w - limit_w)
        if lasted_s > REACTION_S + 2.0 * (stretch.pace_s - REAL_PACE_S):
            self.complain(f"{what} {flow_w:.0f} W above {limit_w:.0f} W for {lasted_s:.0f} s", now)

    def judge_decisions(self) -> None:
        if self.control is None:
            return
        status = self.control.status()
        told = {
            (device.name, lane.direction): lane.setpoint_w
            for device in status.devices
            for lane in device.lanes
            if lane.bounded and lane.setpoint_w is not None
        }
        for side in status.sides:
            for budget in side.budgets:
                names = budget.devices
                sum_w = sum(
                    power_w
                    for (name, direction), power_w in told.items()
                    if direction is side.direction and (names is None or name in names)
                )
                over_w = sum_w - budget.allowed_w - side.overshoot_w
                self.outcome.over_told_w = max(self.outcome.over_told_w, over_w)
                if over_w > OVER_TOLD_W:
                    self.complain(f"told {over_w:.0f} W too much ({side.direction})", self.clock.monotonic())

    def complain(self, text: str, now: float) -> None:
        if not self.outcome.complaint:
            self.outcome.complaint = f"at {now - self.start_s:.0f} s: {text}"


def _ignore(_progress: object) -> None: ...


_WHY = Reason("order", "the grid operator limits")


def _schedule(chance: random.Random, start_s: float) -> list[tuple[float, str, float | None]]:
    """An order, its change and its release; often feed-in too; sometimes a killed gateway or a set clock."""
    order_s = start_s + chance.uniform(300.0, 3_000.0)
    moments: list[tuple[float, str, float | None]] = [
        (order_s, Basis.CONTROLLABLE, chance.choice((0.0, 4_200.0, 7_560.0, chance.uniform(0.0, 15_000.0)))),
        (order_s + chance.uniform(300.0, 1_200.0), Basis.CONTROLLABLE, chance.uniform(0.0, 12_000.0)),
        (order_s + chance.uniform(1_500.0, 3_600.0), Basis.CONTROLLABLE, None),
    ]
    if chance.random() < 0.5:
        feed_s = start_s + chance.uniform(300.0, 5_000.0)
        moments.append((feed_s, Basis.FEED_IN, chance.choice((0.0, 3_000.0, chance.uniform(0.0, 8_000.0)))))
        moments.append((feed_s + chance.uniform(600.0, 2_000.0), Basis.FEED_IN, None))
    if chance.random() < 0.3:
        kill_s = order_s + chance.uniform(5.0, 1_500.0)
        moments += [(kill_s, "kill", None), (kill_s + chance.uniform(1.0, 200.0), "start", None)]
    if chance.random() < 0.3:
        moments.append((start_s + chance.uniform(0.0, DAY_S), "clock", chance.uniform(-86_400.0, 86_400.0)))
    return sorted(moments, key=lambda moment: moment[0])


@contextmanager
def _pace() -> Iterator[None]:
    """Lets the cycle and the readings go slower while nothing happens; the real ones are constants."""
    before = hems.control.loop.CYCLE_S, hems.control.runner.POLL_S
    try:
        yield
    finally:
        hems.control.loop.CYCLE_S, hems.control.runner.POLL_S = before


def live_through(seed: int, pace_s: float = QUICK_PACE_S) -> Outcome:
    """One day of house number `seed`; `pace_s`: how often control looks between events, a limit in force."""
    return run(_live_through(seed, pace_s))


def live_twice_if_slow(seed: int) -> Outcome:
    """The day at the quick pace; when that took longer than the reaction time, the same day at the real pace,
    which tells whether the quick one was the reason.
    """
    outcome = live_through(seed)
    if outcome.longest_s <= REACTION_S or outcome.over_told_w > OVER_TOLD_W:
        return outcome
    return replace(live_through(seed, REAL_PACE_S), lived_twice=True)


async def _live_through(seed: int, pace_s: float) -> Outcome:
    chance = random.Random(seed)
    clock = DayClock()
    start_s = clock.monotonic()
    house = random_house(seed, clock, duration_s=DAY_S, mishaps=4, imperfect=True, sleep=asyncio.sleep)
    strategy = chance.choice(list(Strategy))
    outcome = Outcome(seed)
    day = _Day(seed, house, clock, strategy, outcome, start_s, _schedule(chance, start_s))
    house.watch = day.judge_flow
    with _pace():
        try:
            await _pass_time(day, pace_s)
        finally:
            await day.kill_gateway()
    return outcome


async def _pass_time(day: _Day, limited_pace_s: float) -> None:
    day.start_gateway()
    busy_s = [(at_s, at_s + BUSY_S) for at_s in (day.start_s, *(at_s for at_s, _, _ in day.moments))]
    faults_s = [s for fault in day.house.faults for s in (fault.at_s, fault.until_s)]
    busy_s += [(at_s, at_s + BUSY_AFTER_FAULT_S) for at_s in faults_s]
    while (now := day.clock.monotonic()) < day.start_s + DAY_S:
        day.house.advance()
        while day.moments and day.moments[0][0] <= now:
            _, what, value_w = day.moments.pop(0)
            await day.happen(what, value_w)
        busy = any(at_s <= now < until_s for at_s, until_s in busy_s)
        day.pace_s = REAL_PACE_S if busy else day.calm_pace_s(limited_pace_s)
        hems.control.loop.CYCLE_S = hems.control.runner.POLL_S = day.pace_s
        coming_s = min((at_s - now for at_s, _ in busy_s if at_s > now), default=day.pace_s)
        await asyncio.sleep(min(day.pace_s, coming_s))
