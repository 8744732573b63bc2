"""The ports: what the gateway needs of a device or a meter, and nothing else.

Power is signed everywhere in the gateway: drawing from the house is positive, feeding into it is negative.
"""

from hems.devices.capabilities import Capabilities, Direction, Fallback, Kind
from hems.devices.contacts import Contacts, ContactState
from hems.devices.errors import DeviceError, DeviceUnreachable, NotConnected, WriteRefused, WrongDevice
from hems.devices.ports import Device, DeviceSample, Meter, MeterSample, Readback
from hems.devices.power import FeasiblePowers, PowerRange
from hems.devices.setpoint import Setpoint

__all__ = [
    "Capabilities",
    "ContactState",
    "Contacts",
    "Device",
    "DeviceError",
    "DeviceSample",
    "DeviceUnreachable",
    "Direction",
    "Fallback",
    "FeasiblePowers",
    "Kind",
    "Meter",
    "MeterSample",
    "NotConnected",
    "PowerRange",
    "Readback",
    "Setpoint",
    "WriteRefused",
    "WrongDevice",
]
