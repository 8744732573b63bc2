"""What the gateway tells a device."""

from dataclasses import dataclass

from hems.devices.capabilities import Direction


@dataclass(frozen=True, slots=True)
class Setpoint:
    """An upper bound for one direction of a device, as a magnitude in watts.

    `power_w` None releases the device in that direction; 0.0 is a value and means "stop". `lasting`: nobody
    renews it, because the gateway stops; a device that can hold it by itself shall do so.
    """

    direction: Direction
    power_w: float | None
    lasting: bool = False
