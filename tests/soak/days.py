"""Random houses around an order, on the virtual clock, with everything that can go wrong going wrong.

One day: two hours of a random house (sun, clouds, appliances, cars, heat), with an order for consumption
and often one for feed-in, devices and meter that fail in scheduled ways, a gateway that is killed and starts
anew, and a clock that is set. Two promises are checked all the time:

* by decision: what the devices are told never adds up to more than is allowed;
* by the true flow: a limit is exceeded only within the declared reaction time, never for longer.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import hems.control.loop
import hems.control.runner
from adapters.simulated.random_house import random_house
from adapters.simulated.virtual import METER, VirtualHouse
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
QUIET_PACE_S, BUSY_PACE_S = 20.0, 1.0
"""Control looks each second around events, and less often in between, so that a day takes little time."""
BUSY_S, BUSY_AFTER_FAULT_S = 40.0, 12.0
REACTION_S = 30.0
"""Longest time for which the true flow may lie above a limit, counted at the busy pace (EEG: 30 s)."""
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

    @property
    def good(self) -> bool:
        """Whether both promises were kept."""
        return not self.complaint


@dataclass
class _Stretch:
    """How long something has lain above its limit."""

    since_s: float | None = None

    def lasts_s(self, above: bool, now: float) -> float:
        if not above:
            self.since_s = None
            return 0.0
        self.since_s = now if self.since_s is None else self.since_s
        return now - self.since_s


@dataclass
class _Day:
    seed: int
    house: VirtualHouse
    clock: DayClock
    strategy: Strategy
    outcome: Outcome
    start_s: float
    moments: list[tuple[float, str, float | None]]
    limits: dict[Basis, Ceiling] = field(default_factory=dict)
    unjudged_until_s: float = 0.0
    control: ControlLoop | None = None
    tasks: list["asyncio.Future[None]"] = field(default_factory=list)
    drawing: _Stretch = field(default_factory=_Stretch)
    feeding: _Stretch = field(default_factory=_Stretch)

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
            on_cycle=_nothing,
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

    def judge(self, now: float, pace_s: float) -> None:
        self.judge_decisions()
        self.house.advance()
        faulty = any(
            self.house.faulty(name, now, SETTLE_S)
            for name in [METER, *(device.name for device in self.house.devices)]
        )
        if self.control is None or faulty or now < self.unjudged_until_s:
            self.drawing, self.feeding = _Stretch(), _Stretch()
            return
        self.outcome.judged += 1
        truth = self.house.truth()
        drawn_w = sum(
            max(0.0, truth.draws_w[d.name])
            for d in self.house.devices
            if d.capabilities.kind is not Kind.INVERTER
        )
        made_w = sum(
            max(0.0, -truth.draws_w[d.name])
            for d in self.house.devices
            if d.capabilities.kind is Kind.INVERTER
        )
        effective_w = min(max(0.0, truth.grid_w), drawn_w)
        self._compare("draw", self.drawing, Basis.CONTROLLABLE, effective_w, now, pace_s)
        fed_w = min(max(0.0, -truth.grid_w), made_w)
        self._compare("feed-in", self.feeding, Basis.FEED_IN, fed_w, now, pace_s)

    def _compare(
        self, what: str, stretch: _Stretch, basis: Basis, flow_w: float, now: float, pace_s: float
    ) -> None:
        ceiling = self.limits.get(basis)
        limit_w = None if ceiling is None else ceiling.value_w
        above = limit_w is not None and flow_w > limit_w * (1.0 + TOLERANCE) + TOLERANCE_W
        lasted_s = stretch.lasts_s(above, now)
        if not above or limit_w is None:
            return
        self.outcome.longest_s = max(self.outcome.longest_s, lasted_s)
        self.outcome.worst_w = max(self.outcome.worst_w, flow_w - limit_w)
        if lasted_s > REACTION_S + 2.0 * pace_s:
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
                if over_w > 1.0:
                    self.complain(f"told {over_w:.0f} W too much ({side.direction})", self.clock.monotonic())

    def complain(self, text: str, now: float) -> None:
        if not self.outcome.complaint:
            self.outcome.complaint = f"at {now - self.start_s:.0f} s: {text}"


def _nothing() -> None: ...


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
def _pace() -> Iterator[list[float]]:
    """Lets the cycle and the readings go slower while nothing happens; the real ones are constants."""
    before = hems.control.loop.CYCLE_S, hems.control.runner.POLL_S
    pace = [BUSY_PACE_S]
    try:
        yield pace
    finally:
        hems.control.loop.CYCLE_S, hems.control.runner.POLL_S = before


def live_through(seed: int) -> Outcome:
    """One day of house number `seed`."""
    return run(_live_through(seed))


async def _live_through(seed: int) -> Outcome:
    chance = random.Random(seed)
    clock = DayClock()
    start_s = clock.monotonic()
    house = random_house(seed, clock, duration_s=DAY_S, mishaps=4, sleep=asyncio.sleep)
    strategy = chance.choice(list(Strategy))
    outcome = Outcome(seed)
    day = _Day(seed, house, clock, strategy, outcome, start_s, _schedule(chance, start_s))
    with _pace():
        try:
            await _pass_time(day)
        finally:
            await day.kill_gateway()
    return outcome


async def _pass_time(day: _Day) -> None:
    day.start_gateway()
    busy_s = [(at_s, at_s + BUSY_S) for at_s in (day.start_s, *(at_s for at_s, _, _ in day.moments))]
    faults_s = [s for fault in day.house.faults for s in (fault.at_s, fault.until_s)]
    busy_s += [(at_s, at_s + BUSY_AFTER_FAULT_S) for at_s in faults_s]
    while (now := day.clock.monotonic()) < day.start_s + DAY_S:
        while day.moments and day.moments[0][0] <= now:
            _, what, value_w = day.moments.pop(0)
            await day.happen(what, value_w)
        busy = any(at_s <= now < until_s for at_s, until_s in busy_s)
        pace_s = BUSY_PACE_S if busy else QUIET_PACE_S
        hems.control.loop.CYCLE_S = hems.control.runner.POLL_S = pace_s
        day.judge(now, pace_s)
        coming_s = min((at_s - now for at_s, _ in busy_s if at_s > now), default=pace_s)
        await asyncio.sleep(min(pace_s, coming_s))
