"""One direction of the house: who takes part, the credit, the last plan, and how far an order has come."""

from collections.abc import Callable, Mapping, Sequence

from hems.control.budget import Budget, CreditReading, CreditTracker, budgets, reading_of
from hems.control.execution import DeviceCore, LaneView
from hems.control.planning import Plan, Standing, plan
from hems.control.progress import Progress, ProgressTracker
from hems.control.status import BudgetStatus, LaneStatus, SideStatus
from hems.devices import Direction, Kind
from hems.limits.ceilings import Ceiling
from hems.metering.measurements import Measurements


class Side:
    """One direction of the house. `cores`: all devices, in priority order."""

    def __init__(
        self, direction: Direction, cores: Mapping[str, DeviceCore], takes_part: Callable[[DeviceCore], bool]
    ) -> None:
        self.direction = direction
        self.progress = ProgressTracker(direction)
        self._cores = cores
        self._takes_part = takes_part
        self._credit = CreditTracker()
        self._budgets: tuple[Budget, ...] = ()
        self._plan: Plan = plan((), ())

    @property
    def members(self) -> list[str]:
        """The devices that take part, in priority order."""
        return [name for name, core in self._cores.items() if self._takes_part(core)]

    def measure(self, measurements: Measurements, now: float) -> None:
        """Bring the credit up to date."""
        members = self.members
        frozen_until_s = max((self._cores[n].frozen_until_s(self.direction) for n in members), default=0.0)
        self._credit.update(self._reading(measurements, members, now), frozen_until_s=frozen_until_s)

    def _reading(self, measurements: Measurements, members: list[str], now: float) -> CreditReading | None:
        paired = measurements.paired(self.direction, members, now)
        return None if paired is None else reading_of(self.direction, paired)

    def decide(self, in_force: Sequence[Ceiling], now: float) -> list[str]:
        """Divide the budget and tell the cores; the names of devices with another set-point than before."""
        self._budgets = budgets(self.direction, in_force, self._credit.credit_w)
        self._plan = plan(self._budgets, [self._standing(self._cores[name], now) for name in self.members])
        return [
            name
            for name, told in self._plan.setpoints.items()
            if self._cores[name].tell(self.direction, told.power_w, told.reason, now)
        ]

    def note_decision(self, in_force: Sequence[Ceiling], now: float) -> list[Progress]:
        """The steps that the last decision means for the order in force."""
        mine = {c.source: c for c in in_force if c.basis.direction is self.direction}
        binding = [mine.pop(b.source) for b in self._budgets if b.source in mine]
        allowed_w = self._budgets[0].allowed_w if self._budgets else None
        return self.progress.decided([*binding, *mine.values()], allowed_w, self._views(now), now)

    def observe(self, now: float) -> list[Progress]:
        """The steps that the newest readings show."""
        return self.progress.observe(self._views(now), now)

    def _views(self, now: float) -> list[LaneView]:
        return [self._cores[name].view(self.direction, now) for name in self.members]

    def _standing(self, core: DeviceCore, now: float) -> Standing:
        demand_w = core.demand_w(now) if self.direction is Direction.CONSUMPTION else None
        return Standing(core.view(self.direction, now), core.capabilities.feasible(self.direction), demand_w)

    def lane_status(self, name: str, now: float) -> LaneStatus:
        """One member as it stands."""
        view = self._cores[name].view(self.direction, now)
        told = self._plan.setpoints.get(name)
        return LaneStatus(
            direction=self.direction,
            bounded=view.told and view.told_w is not None,
            setpoint_w=view.told_w,
            charge_w=view.charge_w,
            measured_w=view.measured_w,
            obedience=view.obedience,
            standing=view.reason,
            why=None if told is None else told.reason,
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
            credit_w=self._credit.credit_w,
            credit_reason=self._credit.reason,
            overshoot_w=self._plan.allocation.overshoot_w,
        )


def consumption_side(cores: Mapping[str, DeviceCore], controllable: frozenset[str]) -> Side:
    """Draw: the controllable devices (§ 14a EnWG), also those that cannot be told anything."""

    def takes_part(core: DeviceCore) -> bool:
        draws = core.capabilities.consumption is not None or core.capabilities.kind is not Kind.INVERTER
        return draws and core.name in controllable

    return Side(Direction.CONSUMPTION, cores, takes_part)


def production_side(cores: Mapping[str, DeviceCore]) -> Side:
    """Feed-in: everything that can be bounded in production, and inverters that cannot."""

    def takes_part(core: DeviceCore) -> bool:
        return core.capabilities.production is not None or core.capabilities.kind is Kind.INVERTER

    return Side(Direction.PRODUCTION, cores, takes_part)
