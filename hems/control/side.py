"""One direction of the house: who takes part, the credit, the last plan, and how far an order has come."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hems.control.allocation import Strategy
from hems.control.budget import Budget, Situation, budget_of, budgets
from hems.control.execution import DeviceCore, LaneView
from hems.control.gauge import Gauge, Parties
from hems.control.offer import BatteryOffer, Storage
from hems.control.planning import Plan, Standing, plan
from hems.control.progress import Evidence, Progress, ProgressTracker
from hems.control.rules import HouseRules, Traits
from hems.control.status import BudgetStatus, LaneStatus, SideStatus
from hems.control.stopping import bound_at_stop
from hems.control.turns import Turns, has_gap
from hems.control.uptake import Uptake, least_running_w
from hems.control.why import explain
from hems.devices import Direction, Kind, MeterSample
from hems.limits.ceilings import Ceiling, strictest_feed_in
from hems.limits.reason import Reason
from hems.metering.measurements import Measurements, Quality


class Side:
    """One direction of the house. `cores`: all devices, in priority order."""

    def __init__(self, direction: Direction, cores: Mapping[str, DeviceCore], rules: HouseRules) -> None:
        self.direction = direction
        self.progress = ProgressTracker()
        self._all = cores
        self._rules = rules
        self._gauge = Gauge(direction, rules)
        self._turns = Turns()
        self._uptakes = {name: Uptake() for name in cores}
        self._promised_w: Mapping[str, float] = {}
        self._budgets: tuple[Budget, ...] = ()
        self._situation = Situation()
        self._meter: MeterSample | None = None
        self._offer = BatteryOffer()
        self._plan = _NOTHING

    @property
    def members(self) -> list[str]:
        """The devices that take part, in priority order: what a device can do may show only later."""
        return list(self._cores)

    @property
    def _cores(self) -> dict[str, DeviceCore]:
        return {name: core for name, core in self._all.items() if self._takes_part(core)}

    def _takes_part(self, core: DeviceCore) -> bool:
        """Feed-in: all that can be bounded in it, and every inverter. Draw: the controllable devices
        (§ 14a EnWG), also those that cannot be told anything, and all others that can be told to draw less,
        for the protection of the connection.
        """
        capabilities = core.capabilities
        if self.direction is Direction.PRODUCTION:
            return capabilities.production is not None or capabilities.kind is Kind.INVERTER
        if capabilities.consumption is not None:
            return True
        return capabilities.kind is not Kind.INVERTER and self._rules.of(core.name).controllable

    def _parties(self, views: Mapping[str, LaneView]) -> Parties:
        members = list(views)
        if self.direction is Direction.PRODUCTION:
            unmeasured_w = sum(view.charge_w for view in views.values() if view.measured_w is None)
            return Parties(members, members, members, unmeasured_w)
        return Parties(
            sharing=[name for name in members if _shares(self._rules.of(name))],
            members=members,
            producers=[name for name, core in self._all.items() if _feeds_in(core)],
            switching={
                name: from_w
                for name in members
                if (from_w := self._all[name].capabilities.all_phases_from_w) is not None
            },
        )

    def promise(self, promised_w: Mapping[str, float]) -> None:
        """What devices are to get before anything else is divided, by name."""
        self._promised_w = promised_w

    def measure(self, measurements: Measurements, in_force: Sequence[Ceiling], now: float) -> None:
        """Bring credit and learned uptake up to date."""
        self._meter = measurements.meter() if measurements.meter_quality(now) is Quality.GOOD else None
        cores, views = self._cores, self._views_by_name(now)
        frozen_until_s = max((core.frozen_until_s(self.direction) for core in cores.values()), default=0.0)
        parties = self._parties(views)
        self._gauge.measure(measurements, parties, in_force, frozen_until_s, now, self._offer.power_w)
        for name, view in views.items():
            self._uptakes[name].observe(view.told_w, view.measured_w, now)

        if self.direction is Direction.PRODUCTION and self._rules.offer_to_batteries:
            self._offer_to_batteries(in_force, now)

    def _offer_to_batteries(self, in_force: Sequence[Ceiling], now: float) -> None:
        limit_w, since_s = strictest_feed_in(in_force) or (None, 0.0)
        batteries = [core for core in self._all.values() if core.capabilities.kind is Kind.BATTERY]
        storage = Storage(
            room_w=sum(_room_w(core, now) for core in batteries),
            inverters_w=sum(core.capabilities.nameplate_w for core in self._cores.values()),
        )
        self._offer.update(limit_w, since_s, storage, self._meter, now)

    def decide(self, in_force: Sequence[Ceiling], now: float) -> list[str]:
        """Divide the budget and tell the cores; the names of devices with another set-point than before."""
        cores = self._cores
        self._situation = self._gauge.situation(self._parties(self._views_by_name(now)))
        self._situation = replace(self._situation, offer_w=self._offer.power_w)
        self._budgets = budgets(self.direction, in_force, self._situation)
        if not self._budgets and not any(core.told(self.direction) for core in cores.values()):
            self._plan = _NOTHING
            return []
        standings = [self._standing(core, now) for core in cores.values()]
        if self._rules.strategy is Strategy.PRIORITY:
            standings = self._taking_turns(standings)
        self._plan = plan(self._budgets, standings, self._rules.strategy)
        changed = []
        for name, told in self._plan.setpoints.items():
            self._turns.note(name, told.power_w != 0.0, now)
            if cores[name].tell(self.direction, told.power_w, told.reason, now):
                changed.append(name)
        return changed

    def _taking_turns(self, standings: Sequence[Standing]) -> list[Standing]:
        """The order of priority, in which devices of equal rank that can only run or pause swap places."""
        places: dict[int, list[int]] = {}
        for index, standing in enumerate(standings):
            if has_gap(standing.feasible):
                places.setdefault(self._rules.of(standing.name).rank, []).append(index)
        ordered = list(standings)
        for indices in places.values():
            by_turn = sorted(indices, key=lambda index: standings[index].turn)
            for place, index in zip(indices, by_turn, strict=True):
                ordered[place] = standings[index]
        return ordered

    def note_decision(self, in_force: Sequence[Ceiling], now: float) -> list[Progress]:
        """The steps that the last decision means for what is in force."""
        mine = [c for c in in_force if c.basis.direction is self.direction]
        return self.progress.decided(
            [(ceiling, budget_of(ceiling, self._situation)) for ceiling in mine], self._evidence(now), now
        )

    def leave(self, in_force: Sequence[Ceiling], now: float) -> dict[str, Ceiling]:
        """Free what may be freed when control stops; the devices that a ceiling binds beyond that."""
        cores = self._cores
        mine = [c for c in in_force if c.basis.direction is self.direction]
        nameplates_w = {name: core.capabilities.nameplate_w for name, core in cores.items()}
        bound = bound_at_stop(mine, self._situation, nameplates_w)
        for name, core in cores.items():
            told = core.view(self.direction, now).told
            if told and name in bound:
                core.leave(self.direction)
            elif told and core.capabilities.freed_at_stop:
                core.tell(self.direction, None, _STOPPING, now)
        return bound

    def observe(self, now: float) -> list[Progress]:
        """The steps that the newest readings show."""
        return self.progress.observe(self._evidence(now), now)

    def _evidence(self, now: float) -> Evidence:
        return Evidence(self._views(now), self._meter)

    def _views(self, now: float) -> list[LaneView]:
        return list(self._views_by_name(now).values())

    def _views_by_name(self, now: float) -> dict[str, LaneView]:
        return {name: core.view(self.direction, now) for name, core in self._cores.items()}

    def _standing(self, core: DeviceCore, now: float) -> Standing:
        feasible = core.capabilities.feasible(self.direction)
        useful_w = [] if feasible is None else [self._uptake_w(core, now)]
        if self.direction is Direction.CONSUMPTION:
            useful_w.append(core.demand_w(now))
        return Standing(
            core.view(self.direction, now),
            feasible,
            min((w for w in useful_w if w is not None), default=None),
            nameplate_w=core.capabilities.nameplate_w,
            need=self._rules.of(core.name).need,
            turn=self._turns.rank(core.name, now, idle=self._uptakes[core.name].idles(now)),
            promised_w=max(self._promised_w.get(core.name, 0.0), self._kept_running_w(core, now)),
        )

    def _kept_running_w(self, core: DeviceCore, now: float) -> float:
        """What a device that should not be paused yet needs least, as far as the limit allows."""
        feasible = core.capabilities.feasible(self.direction)
        running_s = self._turns.running_s(core.name, now)
        if feasible is None or running_s is None or running_s >= core.capabilities.min_run_s:
            return 0.0
        return least_running_w(feasible)

    def _uptake_w(self, core: DeviceCore, now: float) -> float | None:
        """Of an inverter as much as the sun lets it make, where another one could make the rest."""
        feasible = core.capabilities.feasible(self.direction)
        if feasible is None or (self.direction is Direction.PRODUCTION and len(self._cores) < 2):
            return None
        return self._uptakes[core.name].most_useful_w(core.capabilities, feasible, now)

    def lane_statuses(self, names: Iterable[str], now: float) -> Mapping[str, LaneStatus]:
        """Those of these devices that take part, as they stand; each reason tells of all the others."""
        views = self._views_by_name(now)
        return {name: self._lane_status(name, views) for name in names if name in views}

    def _lane_status(self, name: str, views: Mapping[str, LaneView]) -> LaneStatus:
        core, view = self._all[name], views[name]
        told = self._plan.setpoints.get(name)
        why = None
        if told is not None:
            others = [each for each in views.values() if each.name != name]
            covering = [b for b in self._budgets if b.part(name).covers]
            why = explain(
                told,
                core.capabilities,
                covering,
                others,
                {share.name: share.charge_w for share in self._plan.allocation.shares},
                self.direction,
                self._gauge.credit_reason,
            )
        return LaneStatus(
            direction=self.direction,
            bounded=view.told and view.told_w is not None,
            setpoint_w=view.told_w,
            charge_w=view.charge_w,
            measured_w=view.measured_w,
            obedience=view.obedience,
            standing=view.reason,
            why=why,
        )

    def status(self) -> SideStatus:
        """This direction as it stands."""
        return SideStatus(
            direction=self.direction,
            limited=bool(self._budgets),
            budgets=tuple(
                BudgetStatus(
                    b.source, b.allowed_w, None if b.devices is None else tuple(sorted(b.devices)), b.reason
                )
                for b in self._budgets
            ),
            credit_w=self._gauge.credit_w,
            credit_reason=self._gauge.credit_reason,
            overshoot_w=self._plan.allocation.overshoot_w,
        )


_NOTHING: Plan = plan((), ())
_STOPPING = Reason("stopping", "free: the gateway stops and nothing binds it beyond that")


def _shares(traits: Traits) -> bool:
    return traits.controllable and not traits.direct


def _room_w(core: DeviceCore, now: float) -> float:
    """What a battery could take beyond what it takes, by its type plate and what it was told."""
    view = core.view(Direction.CONSUMPTION, now)
    if core.sample is None or core.sample.power_w is None or view.measured_w is None:
        return 0.0
    most_w = core.capabilities.nameplate_w
    return (most_w if view.told_w is None else min(most_w, view.told_w)) - core.sample.power_w


def _feeds_in(core: DeviceCore) -> bool:
    return core.capabilities.production is not None or core.capabilities.kind in (Kind.INVERTER, Kind.BATTERY)
