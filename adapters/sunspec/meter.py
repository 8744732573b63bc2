"""A SunSpec meter at the grid connection point."""

import logging
from enum import StrEnum

from adapters.modbus.bus import Unit
from adapters.sunspec.connection import SunSpecConnection
from adapters.sunspec.model import Group
from adapters.sunspec.values import Counter
from eebus.clock import Clock
from hems.devices import DeviceError, MeterSample

_LOG = logging.getLogger(__name__)
_MODELS = (203, 204, 202, 201, 213, 214, 212, 211)
_PHASES = ("A", "B", "C")
_WATT_SECONDS_PER_WH = 3600.0
_PROOF_WH = 20.0


class Sign(StrEnum):
    """What positive power means to the meter; `auto` goes by the manufacturer."""

    AUTO = "auto"
    IMPORT_POSITIVE = "import_positive"
    EXPORT_POSITIVE = "export_positive"


class SignCheck:
    """Watches whether the counters grow on the side that the power points to."""

    def __init__(self) -> None:
        self._previous: MeterSample | None = None
        self._energy_wh = 0.0
        self._start: tuple[float, float] | None = None
        self.contradicts = False

    def add(self, sample: MeterSample) -> None:
        """Take a sample into account; `contradicts` tells whether the sign looks wrong by now."""
        counters = sample.energy_consumed_wh or 0.0, sample.energy_fed_in_wh or 0.0
        if self._previous is not None:
            seconds = sample.at_s - self._previous.at_s
            self._energy_wh += self._previous.power_w * seconds / _WATT_SECONDS_PER_WH
        self._previous = sample
        if self._start is None:
            self._start = counters
            return
        net_wh = (counters[0] - self._start[0]) - (counters[1] - self._start[1])
        if abs(net_wh) >= _PROOF_WH:
            self.contradicts = net_wh * self._energy_wh < 0.0 and abs(self._energy_wh) >= _PROOF_WH / 2.0
            self._start, self._energy_wh = counters, 0.0


class SunSpecMeter:
    """A :class:`hems.devices.Meter` for models 201 to 204 and 211 to 214."""

    def __init__(self, name: str, unit: Unit, clock: Clock, sign: Sign, subdevice: int = 0) -> None:
        self._name = name
        self._clock = clock
        self._sign = sign
        self._connection = SunSpecConnection(name, unit, subdevice)
        self._imported = Counter()
        self._exported = Counter()
        self._sign_check = SignCheck()

    @property
    def name(self) -> str:
        return self._name

    async def connect(self) -> None:
        self._connection.doubt_map()
        await self._connection.ensure_map()
        self._connection.locate(_MODELS)

    async def read(self) -> MeterSample:
        await self._connection.ensure_map()
        measured = await self._connection.read_model(self._connection.locate(_MODELS))
        power_w = measured.number("W")
        if power_w is None:
            raise DeviceError(f"{self._name}: the meter answers without a power value")
        factor = self._factor()
        sample = MeterSample(
            at_s=self._clock.monotonic(),
            power_w=_signed(power_w, factor),
            energy_consumed_wh=self._imported.update(measured.number("TotWhImp")),
            energy_fed_in_wh=self._exported.update(measured.number("TotWhExp")),
            powers_w=_phases(measured, "Wph", factor),
            currents_a=_phases(measured, "Aph", factor),
            voltages_v=_phases(measured, "PhVph", 1.0),
            frequency_hz=measured.number("Hz"),
        )
        self._check_sign(sample)
        return sample

    async def close(self) -> None:
        await self._connection.unit.close()

    def _factor(self) -> float:
        if self._sign is Sign.AUTO:
            return -1.0 if self._connection.quirks.meter_export_positive else 1.0
        return 1.0 if self._sign is Sign.IMPORT_POSITIVE else -1.0

    def _check_sign(self, sample: MeterSample) -> None:
        was_wrong = self._sign_check.contradicts
        self._sign_check.add(sample)
        if self._sign_check.contradicts and not was_wrong:
            _LOG.warning(
                "%s: power and counters point to opposite sides; check its setting `sign`", self._name
            )


def _phases(measured: Group, prefix: str, factor: float) -> tuple[float, ...]:
    numbers = [measured.number(f"{prefix}{phase}") for phase in _PHASES]
    return tuple(_signed(number, factor) for number in numbers if number is not None)


def _signed(number: float, factor: float) -> float:
    return number * factor + 0.0  # no negative zero
