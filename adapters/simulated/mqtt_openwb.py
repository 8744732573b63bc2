"""The wallbox model behind the simple API of openWB 2.x.

Laid out from its documentation (openWB 2.1.9, "simpleAPI für MQTT"), not from our profile: changes only, kept
by the broker; whole amperes; obeyed at the next control interval.
"""

from collections.abc import Callable

from adapters.simulated.faults import Fault
from adapters.simulated.mqtt_device import CommandTaken, MqttDevice, Payloads, numbers
from adapters.simulated.unit import Settable
from adapters.simulated.wallbox import Wallbox
from adapters.simulated.wallbox_unit import settable_of

_CONTROL_INTERVAL_S = 10.0
_LEAST_A, _MOST_A = 6, 32
_TRUE = ("true", "1", "yes", "on")


class OpenWb(MqttDevice):
    """A charge point in the mode "instant charging"; it has no watchdog.

    `clip_a`: the floor of `Fault.CLIP`.
    """

    beat_s = _CONTROL_INTERVAL_S
    prompt = False
    retained = True
    only_changes = True

    def __init__(
        self, name: str, chargepoint: int, wallbox: Wallbox, on_command: Callable[[CommandTaken], None]
    ) -> None:
        super().__init__(name, on_command)
        self._wallbox = wallbox
        self._topic = f"openWB/simpleAPI/chargepoint/{chargepoint}"
        self._set_topic = f"openWB/simpleAPI/set/chargepoint/{chargepoint}"
        self._current_a = wallbox.hardware_max_a
        self._locked = False
        self.clip_a = 10.0
        wallbox.watchdog_s = 0.0

    @property
    def commands(self) -> tuple[str, ...]:
        return f"{self._set_topic}/chargecurrent", f"{self._set_topic}/chargepoint_lock"

    def shown(self, now: float) -> Payloads:
        wallbox = self._wallbox
        values = {
            "power": wallbox.power_w,
            "imported": wallbox.energy_wh,
            "evse_current": self._evse_current_a(),
        }
        for phase in range(3):
            values[f"currents/{phase + 1}"] = wallbox.current_a if phase < wallbox.car.phases else 0.0
            values[f"voltages/{phase + 1}"] = wallbox.voltage_v
        return {
            **numbers(self._topic, values),
            f"{self._topic}/plug_state": str(wallbox.car.connected),
            "openWB/system/time": f"{now:.2f}",
        }

    def _evse_current_a(self) -> float:
        """What is offered to the car now."""
        return 0.0 if self._locked or not self._wallbox.car.connected else self._current_a

    def _obey(self, topic: str, payload: str) -> str:
        if topic.endswith("/chargepoint_lock"):
            self._locked = payload.strip().lower() in _TRUE
            return "charge point locked" if self._locked else "charge point open"
        return self._set_current(payload.strip())

    def _set_current(self, text: str) -> str:
        if not text.isdecimal() or not _LEAST_A <= int(text) <= _MOST_A:
            return ""
        floor_a = self.clip_a if Fault.CLIP in self.faults else 0.0
        self._current_a = min(max(float(text), floor_a), self._wallbox.hardware_max_a)
        return f"charge current {self._current_a:g} A"

    def live(self, now: float) -> None:  # noqa: ARG002 - time means nothing to it
        if Fault.NO_EFFECT not in self.faults:
            self._wallbox.max_current_a, self._wallbox.locked = self._current_a, self._locked

    def _forget(self, now: float) -> None:  # noqa: ARG002 - time means nothing to it
        self._wallbox.power_cycle()
        self._wallbox.watchdog_s = 0.0
        self._current_a, self._locked = self._wallbox.hardware_max_a, False

    @property
    def settable(self) -> Settable:
        return {
            **settable_of(self._wallbox),
            "control_interval_s": (self, "beat_s", float),
            "clip_a": (self, "clip_a", float),
        }
