"""The house: its people, wallboxes, heat pumps, inverters and batteries, and the meter at the connection."""

from collections import deque
from dataclasses import dataclass, field

from adapters.simulated.battery import Battery
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.inverter import Inverter
from adapters.simulated.surroundings import Household, Sky
from adapters.simulated.wallbox import Wallbox

_LONGEST_STEP_S = 0.5
_HOUR_S = 3600.0
PHASES = 3


@dataclass(slots=True)
class Flow:
    """Power at the grid connection, import positive: the sum and its three phases."""

    power_w: float = 0.0
    phases_w: tuple[float, ...] = (0.0,) * PHASES


@dataclass(slots=True)
class House:
    """All models in one balance. Grid power is positive for import; the counters grow from zero.

    Batteries charge from surplus and cover the house, as they do by themselves. `household` and `sky`, where
    they are given, decide `load_w` and the light on the panels; `at_s` is their time of day. The meter shows
    what flowed `meter_lag_s` ago. `plug_in_solar` makes what the light gives: nobody can tell it anything.
    """

    load_w: float = 500.0
    household: Household | None = None
    sky: Sky | None = None
    at_s: float = 0.0
    wallboxes: list[Wallbox] = field(default_factory=lambda: [Wallbox()])
    heat_pumps: list[HeatPump] = field(default_factory=list)
    inverters: list[Inverter] = field(default_factory=lambda: [Inverter()])
    batteries: list[Battery] = field(default_factory=lambda: [Battery()])
    plug_in_solar: Inverter | None = None
    battery_installed: bool = True
    meter_lag_s: float = 0.0
    grid_w: float = 0.0
    imported_wh: float = 0.0
    exported_wh: float = 0.0
    _flows: deque[tuple[float, Flow]] = field(default_factory=lambda: deque([(0.0, Flow())]))

    @property
    def wallbox(self) -> Wallbox:
        """The first one."""
        return self.wallboxes[0]

    @property
    def inverter(self) -> Inverter:
        """The first one."""
        return self.inverters[0]

    @property
    def battery(self) -> Battery:
        """The first one."""
        return self.batteries[0]

    @property
    def shown(self) -> Flow:
        """What the meter shows now."""
        return self._flows[0][1]

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass, in steps short enough for ramps and timers."""
        left_s = dt_s
        while left_s > 0.0:
            step_s = min(left_s, _LONGEST_STEP_S)
            self._step(step_s)
            left_s -= step_s

    def _step(self, dt_s: float) -> None:
        self.at_s += dt_s
        self._look_around()
        for wallbox in self.wallboxes:
            wallbox.step(dt_s)
        for heat_pump in self.heat_pumps:
            heat_pump.step(dt_s)
        for inverter in self.inverters:
            inverter.step(dt_s)
        without_batteries_w = (
            self.load_w
            - self._step_plug_in_solar(dt_s)
            + sum(wallbox.power_w for wallbox in self.wallboxes)
            + sum(heat_pump.power_w for heat_pump in self.heat_pumps)
            - sum(inverter.power_w for inverter in self.inverters)
        )
        self.grid_w = without_batteries_w + self._step_batteries(without_batteries_w, dt_s)
        energy_wh = self.grid_w * dt_s / _HOUR_S
        self.imported_wh += max(0.0, energy_wh)
        self.exported_wh += max(0.0, -energy_wh)
        self._note_flow()

    def _look_around(self) -> None:
        if self.household is not None:
            self.load_w = self.household.power_w(self.at_s)
        if self.sky is not None:
            total_w = sum(inverter.nameplate_w for inverter in self.inverters)
            for inverter in self._lit():
                inverter.sun_w = self.sky.power_w(self.at_s) * inverter.nameplate_w / total_w

    def _lit(self) -> list[Inverter]:
        return self.inverters if self.plug_in_solar is None else [*self.inverters, self.plug_in_solar]

    def _step_plug_in_solar(self, dt_s: float) -> float:
        if self.plug_in_solar is None:
            return 0.0
        self.plug_in_solar.step(dt_s)
        return self.plug_in_solar.power_w

    def _step_batteries(self, without_w: float, dt_s: float) -> float:
        if not self.battery_installed:
            return 0.0
        for battery in self.batteries:
            battery.wish_w = max(battery.grid_charge_w, -without_w / len(self.batteries))
            battery.step(dt_s)
        return sum(battery.power_w for battery in self.batteries)

    def _note_flow(self) -> None:
        flows = self._flows
        flows.append((self.at_s, Flow(self.grid_w, self._phases_w())))
        while len(flows) > 1 and flows[1][0] <= self.at_s - self.meter_lag_s:
            flows.popleft()

    def _phases_w(self) -> tuple[float, ...]:
        """Everything spreads evenly, except cars on fewer phases."""
        phases_w = [0.0] * PHASES
        for wallbox in self.wallboxes:
            for line in range(wallbox.phases):
                phases_w[(wallbox.line + line) % PHASES] += wallbox.power_w / wallbox.phases
        even_w = (self.grid_w - sum(phases_w)) / PHASES
        return tuple(even_w + phase_w for phase_w in phases_w)
