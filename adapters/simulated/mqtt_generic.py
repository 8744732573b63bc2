"""The house's meter, heat pump and battery at a broker, publishing plain numbers each second.

Their topics are those of the profiles generic-meter and generic-device, for bridges that people write.
"""

from abc import abstractmethod
from collections.abc import Callable

from adapters.simulated.battery import Battery
from adapters.simulated.faults import Fault
from adapters.simulated.heat_pump import HeatPump
from adapters.simulated.house import House
from adapters.simulated.mqtt_device import CommandTaken, MqttDevice, Payloads, numbers, plain
from adapters.simulated.unit import Settable

OnCommand = Callable[[CommandTaken], None]


class BrokerMeter(MqttDevice):
    """The grid meter; import is positive."""

    def __init__(self, name: str, topic: str, house: House, on_command: OnCommand) -> None:
        super().__init__(name, on_command)
        self._topic = topic
        self._house = house

    @property
    def commands(self) -> tuple[str, ...]:
        return ()

    def shown(self, now: float) -> Payloads:  # noqa: ARG002 - the house has its own time
        house = self._house
        volts = house.wallbox.voltage_v
        values = {
            "power_w": house.shown.power_w,
            "energy_consumed_wh": house.imported_wh,
            "energy_fed_in_wh": house.exported_wh,
        }
        for line, phase_w in enumerate(house.shown.phases_w, start=1):
            values |= {f"current_l{line}_a": phase_w / volts, f"voltage_l{line}_v": volts}
        return numbers(self._topic, values)

    def _forget(self, now: float) -> None:
        """Its counters survive."""


class GenericDevice(MqttDevice):
    """A device that takes a limit in watts and answers with what it holds.

    After `watchdog_s` without a command it holds `failsafe_power_w`. `clip_w`: the floor of `Fault.CLIP`.
    """

    def __init__(self, name: str, topic: str, max_power_w: float, on_command: OnCommand) -> None:
        super().__init__(name, on_command)
        self._topic = topic
        self._max_power_w = max_power_w
        self._held_w = max_power_w
        self._told_at_s: float | None = None
        self._alone = False
        self.watchdog_s = 60.0
        self.failsafe_power_w = 0.0
        self.clip_w = 3_000.0

    @abstractmethod
    def _follow(self, ceiling_w: float) -> None:
        """Give the model its ceiling."""

    @abstractmethod
    def _values(self) -> dict[str, float]:
        """Power and counters."""

    @abstractmethod
    def _state(self) -> str:
        """What it does, in a word or two."""

    @property
    def commands(self) -> tuple[str, ...]:
        return (f"{self._topic}/max_power_w/set",)

    def shown(self, now: float) -> Payloads:  # noqa: ARG002 - the models have their own time
        values = {**self._values(), "max_power_w": self._held_w}
        return {**numbers(self._topic, values), f"{self._topic}/state": self._state()}

    def _heard(self, now: float) -> None:
        self._told_at_s = now

    def _obey(self, topic: str, payload: str) -> str:  # noqa: ARG002 - there is only one topic
        power_w = _power_in(payload)
        if power_w is None:
            return ""
        floor_w = self.clip_w if Fault.CLIP in self.faults else 0.0
        self._held_w = min(max(power_w, floor_w), self._max_power_w)
        return f"at most {plain(self._held_w)} W"

    def live(self, now: float) -> None:
        """Its watchdog counts from the last command, or from the first beat."""
        if self._told_at_s is None:
            self._told_at_s = now
        self._alone = now >= self._told_at_s + self.watchdog_s
        if self._alone:
            self._held_w = self.failsafe_power_w
        if Fault.NO_EFFECT not in self.faults:
            self._follow(self._held_w)

    @property
    def own_doing(self) -> str:
        if self._alone:
            return f"watchdog ran out: holds {plain(self.failsafe_power_w)} W"
        return "follows its commands"

    def _forget(self, now: float) -> None:
        self._told_at_s = now
        self._held_w = self._max_power_w
        self._follow(self._held_w)

    @property
    def settable(self) -> Settable:
        return {
            "watchdog_s": (self, "watchdog_s", float),
            "failsafe_power_w": (self, "failsafe_power_w", float),
            "clip_w": (self, "clip_w", float),
        }


class BrokerHeatPump(GenericDevice):
    """The heat pump; a ceiling below its least power stops it."""

    def __init__(self, name: str, topic: str, heat_pump: HeatPump, on_command: OnCommand) -> None:
        super().__init__(name, topic, heat_pump.nameplate_w, on_command)
        self._heat_pump = heat_pump

    def _follow(self, ceiling_w: float) -> None:
        self._heat_pump.ceiling_w = ceiling_w

    def _values(self) -> dict[str, float]:
        return {"power_w": self._heat_pump.power_w, "energy_consumed_wh": self._heat_pump.energy_wh}

    def _state(self) -> str:
        return "heating" if self._heat_pump.running else "standing by"

    def _forget(self, now: float) -> None:
        self._heat_pump.power_cycle()
        super()._forget(now)

    @property
    def settable(self) -> Settable:
        heat_pump = self._heat_pump
        return {
            **super().settable,
            "store_wh": (heat_pump, "store_wh", float),
            "heat_loss_w": (heat_pump, "heat_loss_w", float),
            "least_rest_s": (heat_pump, "least_rest_s", float),
        }


class BrokerBattery(GenericDevice):
    """The battery; the limit bounds charging only."""

    def __init__(self, name: str, topic: str, battery: Battery, on_command: OnCommand) -> None:
        super().__init__(name, topic, battery.max_power_w, on_command)
        self._battery = battery

    def _follow(self, ceiling_w: float) -> None:
        self._battery.ceiling_w = ceiling_w

    def _values(self) -> dict[str, float]:
        battery = self._battery
        return {
            "power_w": battery.power_w,
            "energy_consumed_wh": battery.charged_wh,
            "energy_produced_wh": battery.discharged_wh,
        }

    def _state(self) -> str:
        if self._battery.power_w == 0.0:
            return "idle"
        return "charging" if self._battery.power_w > 0.0 else "discharging"

    @property
    def settable(self) -> Settable:
        return {
            **super().settable,
            "battery_energy_wh": (self._battery, "energy_wh", float),
            "grid_charge_w": (self._battery, "grid_charge_w", float),
        }


def _power_in(payload: str) -> float | None:
    """The watts of a command; None for what is no amount of power."""
    try:
        power_w = float(payload)
    except ValueError:
        return None
    return power_w if 0.0 <= power_w < float("inf") else None
