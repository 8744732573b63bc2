"""The kinds of devices in the virtual house, each a model behind the device port."""

from dataclasses import replace

from adapters.modbus.conversion import Steps
from adapters.modbus.phases import Move, PhaseChange, wants_all_phases
from adapters.simulated.battery import Battery
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.inverter import Inverter
from adapters.simulated.virtual_device import Habits, VirtualDevice
from adapters.simulated.wallbox import LEAST_CURRENT_A, Wallbox
from hems.devices import Capabilities, Direction, FeasiblePowers, Kind, PowerRange, Readback


class VirtualWallbox(VirtualDevice):
    """A wallbox that is told amperes; the car behind it follows within seconds."""

    _STEP_A = 0.1

    def __init__(self, name: str, wallbox: Wallbox, habits: Habits) -> None:
        super().__init__(name, habits)
        self.wallbox = wallbox
        wallbox.watchdog_s = 0.0  # the fallback of the port's device takes its place

    @property
    def capabilities(self) -> Capabilities:
        return self._describe(
            Kind.WALLBOX,
            self.wallbox.hardware_max_a * self._volts(),
            self._steps().feasible(),
            reaction_s=self.wallbox.hardware_max_a / 4.0 + 1.0,
        )

    @property
    def power_w(self) -> float:
        return self.wallbox.power_w

    @property
    def wants_w(self) -> float:
        return self.wallbox.wants_w

    def _volts(self) -> float:
        return self.wallbox.voltage_v * self.wallbox.car.phases

    def _steps(self) -> Steps:
        return Steps(LEAST_CURRENT_A, self.wallbox.hardware_max_a, self._STEP_A, 0.0, self._volts())

    def _settle(self, power_w: float) -> float | None:
        value = self._steps().value_at_most(power_w)
        return None if value is None else self._steps().power_of(value)

    def _follow(self, ceiling_w: float | None) -> None:
        most_a = self.wallbox.hardware_max_a
        self.wallbox.max_current_a = most_a if ceiling_w is None else round(ceiling_w / self._volts(), 6)

    def _energies_wh(self) -> tuple[float | None, float | None]:
        return self.wallbox.energy_wh, None

    def _demand_w(self) -> float | None:
        return None if self.wallbox.car.connected else 0.0

    def _forget(self) -> None:
        self.wallbox.current_a = 0.0


class SwitchingWallbox(VirtualWallbox):
    """A wallbox with a three-phase car that is switched to one phase where the limit is too low for three."""

    REST_S, DWELL_S = 60.0, 600.0

    def __init__(self, name: str, wallbox: Wallbox, habits: Habits) -> None:
        super().__init__(name, wallbox, habits)
        self._change = PhaseChange(self.REST_S, self.DWELL_S)

    @property
    def capabilities(self) -> Capabilities:
        on_all, on_one = self._steps_on(self.wallbox.car.phases), self._steps_on(1)
        from_w = on_all.power_of(LEAST_CURRENT_A)
        most = on_one.value_at_most(from_w - 1.0)
        assert most is not None, "one phase takes less than all"
        below = PowerRange(
            on_one.power_of(LEAST_CURRENT_A), on_one.power_of(most), on_one.power_of(self._STEP_A)
        )
        pause, above = on_all.feasible().ranges
        described = super().capabilities
        return replace(
            described,
            nameplate_w=on_all.power_of(self.wallbox.hardware_max_a),
            consumption=FeasiblePowers((pause, below, above)),
            all_phases_from_w=from_w,
        )

    def _volts(self) -> float:
        return self.wallbox.voltage_v * self.wallbox.phases

    def _steps_on(self, phases: int) -> Steps:
        volts = self.wallbox.voltage_v * phases
        return Steps(LEAST_CURRENT_A, self.wallbox.hardware_max_a, self._STEP_A, 0.0, volts)

    def _take(self, power_w: float | None, now: float) -> Readback:
        """What it was told, as far as its phases carry it; or a pause, while they are to be switched."""
        phases, on_one = self.wallbox.car.phases, self._steps_on(1)
        on_all = self.wallbox.phases == phases
        least_w = [steps.power_of(LEAST_CURRENT_A) for steps in (on_one, self._steps_on(phases))]
        wants_all = wants_all_phases(power_w, on_all, *least_w)
        move = self._change.next_move(wants_all, on_all, now)
        if move is Move.SWITCH:
            self.wallbox.switch_phases(phases if wants_all else 1)
            self._change.note_change(now)
        if move is not Move.RUN:
            power_w = 0.0
        elif power_w is None and not on_all:
            power_w = on_one.power_of(self.wallbox.hardware_max_a)
        readback = super()._take(power_w, now)
        self._change.note_pause(self.held_w == 0.0, now)
        return readback


class VirtualHeatPump(VirtualDevice):
    """A heat pump that is told watts, or, where `stages_w` says so, one of a few powers by contact."""

    def __init__(
        self, name: str, heat_pump: HeatPump, habits: Habits, stages_w: tuple[float, ...] = ()
    ) -> None:
        super().__init__(name, habits)
        self.heat_pump = heat_pump
        self._stages_w = stages_w

    @property
    def capabilities(self) -> Capabilities:
        heat_pump = self.heat_pump
        ranges = [PowerRange(stage_w, stage_w) for stage_w in self._stages_w]
        ranges = ranges or [PowerRange(0.0, 0.0), PowerRange(heat_pump.least_w, heat_pump.nameplate_w, 100.0)]
        return self._describe(
            Kind.HEAT_PUMP, heat_pump.nameplate_w, FeasiblePowers(tuple(ranges)), reaction_s=1.0
        )

    @property
    def power_w(self) -> float:
        return self.heat_pump.power_w

    @property
    def wants_w(self) -> float:
        return self.heat_pump.wants_w

    def _follow(self, ceiling_w: float | None) -> None:
        self.heat_pump.ceiling_w = ceiling_w

    def _energies_wh(self) -> tuple[float | None, float | None]:
        return self.heat_pump.energy_wh, None

    def _forget(self) -> None:
        self.heat_pump.power_cycle()


class VirtualBattery(VirtualDevice):
    """A battery whose charging is limited; discharging stays free."""

    def __init__(self, name: str, battery: Battery, habits: Habits) -> None:
        super().__init__(name, habits)
        self.battery = battery

    @property
    def capabilities(self) -> Capabilities:
        most_w = self.battery.max_power_w
        powers = FeasiblePowers((PowerRange(-most_w, most_w),))
        return self._describe(Kind.BATTERY, most_w, powers, reaction_s=1.0)

    @property
    def power_w(self) -> float:
        return self.battery.power_w

    @property
    def wants_w(self) -> float:
        most_w = self.battery.max_power_w
        return min(most_w, max(-most_w, self.battery.wish_w))

    def _follow(self, ceiling_w: float | None) -> None:
        self.battery.ceiling_w = ceiling_w

    def _energies_wh(self) -> tuple[float | None, float | None]:
        return self.battery.charged_wh, self.battery.discharged_wh

    def _forget(self) -> None:
        """Its energy is still there."""


class VirtualInverter(VirtualDevice):
    """A PV inverter whose production is limited in steps of a share of its nameplate."""

    direction = Direction.PRODUCTION
    _STEPS = 1000

    def __init__(self, name: str, inverter: Inverter, habits: Habits) -> None:
        super().__init__(name, habits)
        self.inverter = inverter

    @property
    def capabilities(self) -> Capabilities:
        most_w = self.inverter.nameplate_w
        powers = FeasiblePowers((PowerRange(0.0, most_w, most_w / self._STEPS),))
        return self._describe(Kind.INVERTER, most_w, powers, reaction_s=3.0)

    @property
    def power_w(self) -> float:
        return -self.inverter.power_w

    @property
    def wants_w(self) -> float:
        return -min(self.inverter.sun_w, self.inverter.nameplate_w)

    def _follow(self, ceiling_w: float | None) -> None:
        self.inverter.limit_percent = (
            None if ceiling_w is None else 100.0 * ceiling_w / self.inverter.nameplate_w
        )

    def _energies_wh(self) -> tuple[float | None, float | None]:
        return None, self.inverter.energy_wh

    def _forget(self) -> None:
        self.inverter.power_w = 0.0
