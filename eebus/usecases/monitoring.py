"""The reporting side of MPC and MGCP: a monitored unit or a grid connection point (reference 6 and 7)."""

from collections.abc import Mapping
from dataclasses import dataclass

from eebus.errors import LocalError
from eebus.spine.device import READ, READ_PARTIAL, LocalDevice, LocalEntity, LocalFeature
from eebus.spine.handler import Handler
from eebus.spine.model.common import Role
from eebus.spine.model.measurement import MeasurementData
from eebus.spine.stack import Turn
from eebus.spine.values import format_date_time
from eebus.usecases.announcement import announce, support_of
from eebus.usecases.limit_data import KEY_DESCRIPTION_FUNCTION, KEY_FUNCTION
from eebus.usecases.limit_factor import factor_description, factor_value
from eebus.usecases.monitoring_data import (
    CONNECTION_FUNCTION,
    MEASUREMENT_CONSTRAINTS_FUNCTION,
    MEASUREMENT_DESCRIPTION_FUNCTION,
    MEASUREMENT_FUNCTION,
    MGCP,
    PARAMETER_FUNCTION,
    DataPoint,
    MonitoringProfile,
    Quantity,
    Reading,
    connection,
    constraints,
    descriptions,
    measurement,
    measurement_list,
    parameters,
)

_NOTIFY_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """What is reported and how. Raises LocalError for values that the use case does not know."""

    profile: MonitoringProfile = MGCP
    optional: frozenset[Quantity] = frozenset()
    """Values beside the mandatory ones that the meter delivers; PV_LIMIT_FACTOR is one of MGCP."""
    grows: bool = False
    """Offer further values of the use case as soon as they are measured for the first time."""
    phases: int = 3
    announce_connected_phases: bool = True
    """One stack shows no power and no current when the number of phases is announced."""
    partial_reads: bool = False
    """Let readers pick values by number or time. Some read oddly as soon as that is announced."""
    partial_notifies: bool = False
    """Tell only the values that changed. Complete lists are understood by every reader."""
    negative_production_counters: bool = True
    """Specified: counters of produced energy run from 0 downwards."""

    def __post_init__(self) -> None:
        if not 1 <= self.phases <= 3:
            raise LocalError("a connection has 1 to 3 phases")
        missing = {point.quantity for point in self.profile.points if point.phase_count > self.phases}
        foreign = self.optional - (self.profile.quantities - missing)
        if foreign:
            names = ", ".join(sorted(foreign))
            raise LocalError(f"{self.profile.short} with {self.phases} phases does not report: {names}")

    @property
    def points(self) -> tuple[DataPoint, ...]:
        """The values reported, in the order of their numbers."""
        wanted = self.profile.mandatory | self.optional
        return tuple(point for point in self.profile.points if point.quantity in wanted)

    @property
    def factor_scenario(self) -> int | None:
        """The scenario of the limitation factor when that is reported."""
        return self.profile.factor_scenario if Quantity.PV_LIMIT_FACTOR in self.optional else None


@dataclass(slots=True)
class _Point:
    """One value: what was measured last, what was told last and when."""

    number: int
    point: DataPoint
    latest: Reading | None = None
    told: Reading | None = None
    told_at: float = 0.0
    item: MeasurementData | None = None

    def due_at(self) -> float | None:
        """From when on the latest reading may be told; None when it is no news."""
        if self.latest is None or self.latest == self.told:
            return None
        if self.told is None or self.told.state is not self.latest.state:
            return self.told_at
        return self.told_at + self.point.interval_s


class MonitoringServer(Handler):
    """Reports measurements of one entity. Nothing is invented: what was never measured is left out."""

    def __init__(self, device: LocalDevice, entity: LocalEntity, settings: MonitoringSettings) -> None:
        points = settings.points
        self._device = device
        self._entity = entity
        self._settings = settings
        self._points = [_Point(number, point) for number, point in enumerate(points)]
        self._told_at: float | None = None
        self._measurement = entity.add_feature(
            "Measurement",
            Role.SERVER,
            {
                MEASUREMENT_DESCRIPTION_FUNCTION: READ,
                MEASUREMENT_CONSTRAINTS_FUNCTION: READ,
                MEASUREMENT_FUNCTION: READ_PARTIAL if settings.partial_reads else READ,
            },
        )
        self._connections = entity.add_feature(
            "ElectricalConnection", Role.SERVER, {CONNECTION_FUNCTION: READ, PARAMETER_FUNCTION: READ}
        )
        self._measurement.preset(descriptions(points))
        self._measurement.preset(constraints(points))
        self._measurement.preset(measurement_list(()))
        self._connections.preset(
            connection(settings.phases, announce_phases=settings.announce_connected_phases)
        )
        self._connections.preset(parameters(points, settings.phases))
        self._factor = None if settings.factor_scenario is None else _factor_feature(entity)
        announce(
            device, entity, settings.profile.server_actors[0], settings.profile.use_case, self._scenarios()
        )

    def publish(self, sample: Mapping[Quantity, Reading], turn: Turn) -> None:
        """Take new readings; they are told on change, power at most once a second, energy once a minute.

        What the sample does not name stays as it is; a disturbed sensor is a reading without value.
        """
        self._grow(sample, turn)
        for point in self._points:
            reading = sample.get(point.point.quantity)
            if reading is not None:
                point.latest = _rounded(reading, point.point.decimals)
        self._tell(turn)
        self._tell_factor(sample.get(Quantity.PV_LIMIT_FACTOR), turn)

    def _grow(self, sample: Mapping[Quantity, Reading], turn: Turn) -> None:
        """Offer what the meter turns out to measure; numbers that were given before stay as they are."""
        offered = {point.point.quantity for point in self._points}
        new = [
            point
            for point in self._settings.profile.points
            if point.quantity not in offered
            and point.phase_count <= self._settings.phases
            and (reading := sample.get(point.quantity)) is not None
            and reading.value is not None
        ]
        if not (self._settings.grows and new):
            return
        self._points += [_Point(number, point) for number, point in enumerate(new, len(self._points))]
        points = [point.point for point in self._points]
        turn.set_data(self._measurement, MEASUREMENT_DESCRIPTION_FUNCTION, descriptions(points))
        turn.set_data(self._measurement, MEASUREMENT_CONSTRAINTS_FUNCTION, constraints(points))
        turn.set_data(self._connections, PARAMETER_FUNCTION, parameters(points, self._settings.phases))
        profile = self._settings.profile
        support = support_of(profile.use_case, self._scenarios())
        self._device.replace_use_case(self._entity, profile.server_actors[0], support)
        turn.announce_use_cases()

    def _scenarios(self) -> set[int]:
        factor = set() if self._settings.factor_scenario is None else {self._settings.factor_scenario}
        return {point.point.scenario for point in self._points} | factor

    def next_deadline(self) -> float | None:
        due = [at for point in self._points if (at := point.due_at()) is not None]
        if not due:
            return None
        return max(min(due), self._free_at())

    def on_deadline(self, turn: Turn) -> None:
        self._tell(turn)

    def _tell_factor(self, factor: Reading | None, turn: Turn) -> None:
        """It changes a few times in the life of a house, so every change is told at once."""
        if self._factor is not None and factor is not None and factor.value is not None:
            turn.set_data(self._factor, KEY_FUNCTION, factor_value(factor.value))

    def _free_at(self) -> float:
        return 0.0 if self._told_at is None else self._told_at + _NOTIFY_INTERVAL_S

    def _tell(self, turn: Turn) -> None:
        if turn.now < self._free_at():
            return
        due = [point for point in self._points if (at := point.due_at()) is not None and turn.now >= at]
        if not due:
            return
        timestamp = format_date_time(turn.utc_now)
        negative = self._settings.negative_production_counters
        for point in due:
            if point.latest is not None:
                point.item = measurement(
                    point.number, point.point, point.latest, timestamp, negative_production=negative
                )
            point.told, point.told_at = point.latest, turn.now
        self._told_at = turn.now
        items = [point.item for point in self._points if point.item is not None]
        turn.set_data(
            self._measurement,
            MEASUREMENT_FUNCTION,
            measurement_list(items),
            partial=self._settings.partial_notifies,
        )


def _factor_feature(entity: LocalEntity) -> LocalFeature:
    feature = entity.add_feature(
        "DeviceConfiguration", Role.SERVER, {KEY_DESCRIPTION_FUNCTION: READ, KEY_FUNCTION: READ}
    )
    feature.preset(factor_description())
    return feature


def _rounded(reading: Reading, decimals: int) -> Reading:
    if reading.value is None:
        return reading
    return Reading(round(reading.value, decimals), reading.state, reading.source)
