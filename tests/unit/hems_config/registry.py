"""A registry with two device types and one meter type, independent of the adapters that ship."""

from typing import Literal

from pydantic import Field

from adapters.context import Context
from adapters.registry import DeviceType, MeterType, Registry
from adapters.settings import AdapterSettings
from hems.devices import Device, Meter


class ModbusSettings(AdapterSettings):
    """Settings like those of a Modbus device."""

    type: Literal["modbus"]
    host: str = Field(description="Host of the device.")
    port: int = Field(default=502, ge=1, le=65_535, description="TCP port.")
    unit: int = Field(default=1, ge=0, le=255, description="Unit identifier.")


class SunspecSettings(AdapterSettings):
    """Settings like those of a SunSpec device."""

    type: Literal["sunspec"]
    host: str = Field(description="Host of the device.")


class MeterAdapterSettings(AdapterSettings):
    """Settings like those of a meter."""

    type: Literal["sunspec-meter"]
    host: str = Field(description="Host of the meter.")
    port: int = Field(default=502, ge=1, le=65_535, description="TCP port.")


def _no_device(name: str, settings: AdapterSettings, context: Context) -> Device:
    raise NotImplementedError("this registry only describes settings")


def _no_meter(name: str, settings: AdapterSettings, context: Context) -> Meter:
    raise NotImplementedError("this registry only describes settings")


TEST_REGISTRY = Registry(
    device_types=(
        DeviceType("modbus", ModbusSettings, _no_device),
        DeviceType("sunspec", SunspecSettings, _no_device),
    ),
    meter_types=(MeterType("sunspec-meter", MeterAdapterSettings, _no_meter),),
)
