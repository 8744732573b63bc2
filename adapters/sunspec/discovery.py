"""Finding the models of a device: marker, chain, sub-devices."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from adapters.modbus.errors import ReadRefused
from hems.devices import DeviceError, DeviceUnreachable

Read = Callable[[int, int], Awaitable[tuple[int, ...]]]
"""Reads `count` holding registers from `address`."""

_MARKER = (0x5375, 0x6E53)
_HEADER = 2
_END = 0xFFFF
_COMMON = 1
_MAX_MODELS = 200
_LAST_ADDRESS = 0xFFFF

BASES = (40_000, 50_000, 0)
"""Where the marker may be. 0 comes last: many devices answer something there."""


@dataclass(frozen=True, slots=True)
class ModelLocation:
    """A model in the chain. `address` of its ID register; `subdevice` counts the common models before it."""

    model_id: int
    address: int
    length: int
    subdevice: int


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """The chain of a device."""

    base: int
    models: tuple[ModelLocation, ...]

    def find(self, model_ids: Iterable[int], subdevice: int) -> ModelLocation | None:
        """The first model of a sub-device whose id is wanted, in the order of the wish."""
        for model_id in model_ids:
            for model in self.models:
                if model.model_id == model_id and model.subdevice == subdevice:
                    return model
        return None


async def discover(read: Read) -> DeviceMap:
    """Find the chain. Raises DeviceUnreachable, or DeviceError when there is no SunSpec map."""
    for base in BASES:
        try:
            marker = await read(base, len(_MARKER))
        except ReadRefused:
            continue
        if marker == _MARKER:
            models = await _walk(read, base + len(_MARKER))
            if models:
                return DeviceMap(base, models)
    bases = ", ".join(str(base) for base in BASES)
    raise DeviceError(
        f"there is no SunSpec map at {bases}; switch SunSpec on in the device or check the unit"
    )


async def _walk(read: Read, address: int) -> tuple[ModelLocation, ...]:
    """Follow the headers. Several vendors have no end marker: an error behind the first model ends it too."""
    models: list[ModelLocation] = []
    subdevice = -1
    while len(models) < _MAX_MODELS and address + _HEADER <= _LAST_ADDRESS + 1:
        try:
            model_id, length = await read(address, _HEADER)
        except (ReadRefused, DeviceUnreachable):
            if models:
                break
            raise
        if model_id in (0, _END):
            break
        if not models and model_id != _COMMON:
            break
        subdevice += model_id == _COMMON
        models.append(ModelLocation(model_id, address, length, subdevice))
        address += _HEADER + length
    return tuple(models)
