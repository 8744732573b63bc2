"""MGCP and MPC: our grid connection point against a reader, the official GCP cases, flags and signs."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.spine.device import LocalDevice
from eebus.spine.handler import Peer
from eebus.spine.model.common import ScaledNumber
from eebus.spine.model.device import (
    DeviceConfigurationKeyValueData,
    DeviceConfigurationKeyValueDescriptionData,
    DeviceConfigurationKeyValueDescriptionListData,
    DeviceConfigurationKeyValueListData,
    KeyValue,
)
from eebus.spine.model.electrical_connection import (
    ElectricalConnectionDescriptionListData,
    ElectricalConnectionParameterDescriptionData,
    ElectricalConnectionParameterDescriptionListData,
)
from eebus.spine.model.measurement import (
    MeasurementConstraintsListData,
    MeasurementData,
    MeasurementDescriptionData,
    MeasurementDescriptionListData,
    MeasurementListData,
)
from eebus.spine.stack import SpineStack, Turn
from eebus.spine.values import to_float, to_scaled
from eebus.usecases.house import ALL_GRID_VALUES
from eebus.usecases.limit_factor import factor_value, read_factor
from eebus.usecases.monitoring import MonitoringServer, MonitoringSettings
from eebus.usecases.monitoring_data import (
    MGCP,
    MONITORING_PROFILES,
    MPC,
    MonitoringProfile,
    Quantity,
    Reading,
    ValueState,
    read_measurements,
)
from eebus.usecases.monitoring_reader import MeasurementReceived, MonitoringReader
from tests.unit.usecases.twin import Wire

METER, READER = Ski("1" * 40), Ski("2" * 40)
MEASUREMENTS = "measurementListData"


class Bench:
    """A reporting node and a reading node."""

    def __init__(
        self, settings: MonitoringSettings | None = None, *, poll_interval_s: float | None = None
    ) -> None:
        settings = settings or MonitoringSettings(optional=ALL_GRID_VALUES)
        self.wire = Wire()
        meter = LocalDevice("d:_n:Test_Meter-1", "SubMeter")
        self.server = MonitoringServer(meter, meter.add_entity("GridConnectionPointOfPremises"), settings)
        reading = LocalDevice("d:_n:Test_Reader-1", "EnergyManagementSystem")
        self.reader = MonitoringReader(
            reading, reading.add_entity("CEM"), settings.profile, poll_interval_s=poll_interval_s
        )
        for ski, device, handler in ((METER, meter, self.server), (READER, reading, self.reader)):
            stack = SpineStack(device, utc_now=self.wire.clock.utc_now)
            stack.add_handler(handler)
            self.wire.add(ski, stack)
        self.connect()

    def connect(self) -> None:
        self.wire.connect(Peer(METER, PeerRole.DEVICE), Peer(READER, PeerRole.CONTROL_BOX))

    def publish(self, **readings: float | Reading) -> None:
        sample: Mapping[Quantity, Reading] = {
            Quantity(name): value if isinstance(value, Reading) else Reading(value)
            for name, value in readings.items()
        }
        self.wire.run(METER, lambda turn: self.server.publish(sample, turn))

    def value(self, quantity: Quantity) -> float | None:
        return self.reader.values(METER).get(quantity)

    def published(self) -> dict[int | None, MeasurementData]:
        feature = self.wire.nodes[METER].stack.device.entities[1,].find_feature("Measurement", "server")
        assert feature is not None
        data = feature.data(MEASUREMENTS)
        assert isinstance(data, MeasurementListData)
        return {item.measurement_id: item for item in data.measurement_data or ()}

    def notifies(self) -> int:
        sent = [entry for entry in self.wire.nodes[METER].log if isinstance(entry, bytes)]
        return sum(
            b'"cmdClassifier":"notify"' in entry and b'"measurementListData"' in entry for entry in sent
        )


# -------------------------------------------------------------------------------------------- official cases


def test_ATC_MGCP_COM_PT_GCPPolling_001() -> None:
    bench = Bench()
    bench.publish(power=100.0)
    remote = bench.wire.run(READER, lambda turn: turn.remote(METER))
    assert remote is not None
    [feature] = remote.find_features("Measurement", "server")
    client = bench.wire.nodes[READER].stack.device.entities[1,].find_feature("Measurement", "client")
    assert client is not None
    for _ in range(5):
        bench.wire.wait(10)
        before = len(bench.wire.nodes[METER].log)
        bench.wire.run(READER, lambda turn: turn.read(METER, client, feature.address, MEASUREMENTS))
        assert len(bench.wire.nodes[METER].log) == before + 1


def test_ATC_MGCP_COM_PT_GCPNotification_001() -> None:
    bench = Bench()
    for power_w in (100.0, -200.0, 300.0, -400.0, 500.0):
        bench.wire.wait(60)
        bench.publish(power=power_w)
        assert bench.value(Quantity.POWER) == power_w


@pytest.mark.parametrize("power_w", [2500.0, -1530.0])
def test_ATC_MGCP_SCE2_PT_GCPTotalActivePower_001(power_w: float) -> None:
    bench = Bench()
    bench.publish(power=power_w)
    assert bench.value(Quantity.POWER) == power_w
    bench.wire.wait(10)
    bench.publish(power=power_w * 2)
    assert bench.value(Quantity.POWER) == power_w * 2
    assert to_float(bench.published()[0].value) == power_w * 2
    assert bench.published()[0].value_state == "normal"


def test_ATC_MGCP_SCE3_PT_GCPTotalFeedInEnergy_001_unchanged_while_consuming() -> None:
    bench = Bench()
    bench.publish(energy_produced=65432.0, energy_consumed=1000.0)
    bench.wire.wait(120)
    bench.publish(energy_produced=65432.0, energy_consumed=1250.0)
    assert bench.value(Quantity.ENERGY_PRODUCED) == 65432.0
    assert bench.value(Quantity.ENERGY_CONSUMED) == 1250.0


def test_ATC_MGCP_SCE3_PT_GCPTotalFeedInEnergy_002_runs_downwards_while_producing() -> None:
    bench = Bench()
    bench.publish(energy_produced=65432.0)
    assert to_float(bench.published()[1].value) == -65432.0
    bench.wire.wait(120)
    bench.publish(energy_produced=65682.0)
    assert to_float(bench.published()[1].value) == -65682.0


def test_ATC_MGCP_SCE4_PT_GCPTotalConsumedEnergy_001_and_002() -> None:
    bench = Bench()
    bench.publish(energy_consumed=1000.0, energy_produced=0.0)
    bench.wire.wait(120)
    bench.publish(energy_consumed=1250.0)
    assert to_float(bench.published()[2].value) == 1250.0
    bench.wire.wait(120)
    bench.publish(energy_consumed=1250.0, energy_produced=90.0)
    assert to_float(bench.published()[2].value) == 1250.0


@pytest.mark.parametrize("phase", ["a", "b", "c"], ids=["001", "002", "003"])
@pytest.mark.parametrize("current_a", [6.25, -6.25])
def test_ATC_MGCP_SCE5_PT_GCPActiveACCurrent(phase: str, current_a: float) -> None:
    bench = Bench()
    bench.publish(**{f"current_{phase}": current_a})
    assert bench.value(Quantity(f"current_{phase}")) == current_a


@pytest.mark.parametrize(
    "phase", ["a", "b", "c", "ab", "bc", "ca"], ids=["001", "002", "003", "004", "005", "006"]
)
def test_ATC_MGCP_SCE6_PT_GCPACVoltage(phase: str) -> None:
    quantity = Quantity(f"voltage_{phase}")
    bench = Bench(MonitoringSettings(optional=ALL_GRID_VALUES | {quantity}))
    bench.publish(**{quantity.value: 230.4})
    assert bench.reader.values(METER) == {quantity: 230.4}


def test_ATC_MGCP_SCE7_PT_GCPFrequency_001() -> None:
    bench = Bench()
    bench.publish(frequency=49.98)
    assert bench.value(Quantity.FREQUENCY) == 49.98


EVERY_VALUE = [
    pytest.param(profile, point.quantity, id=f"{profile.short}-{point.quantity}")
    for profile in MONITORING_PROFILES
    for point in profile.points
]


@pytest.mark.parametrize("state", [ValueState.OUT_OF_RANGE, ValueState.ERROR])
@pytest.mark.parametrize("value", [9999.0, None])
@pytest.mark.parametrize(("profile", "quantity"), EVERY_VALUE)
def test_ATC_NT_MA_flagged_values_are_discarded(
    profile: MonitoringProfile, quantity: Quantity, state: ValueState, value: float | None
) -> None:
    bench = Bench(MonitoringSettings(profile, optional=frozenset({quantity}) - profile.mandatory))
    bench.publish(**{quantity.value: 400.0})
    bench.wire.wait(70)
    bench.publish(**{quantity.value: Reading(value, state)})
    assert bench.value(quantity) == 400.0
    bench.wire.wait(70)
    bench.publish(**{quantity.value: 500.0})
    assert bench.value(quantity) == 500.0


@pytest.mark.parametrize(("profile", "quantity"), EVERY_VALUE)
def test_ATC_PT_every_value_arrives_with_its_sign(profile: MonitoringProfile, quantity: Quantity) -> None:
    bench = Bench(MonitoringSettings(profile, optional=frozenset({quantity}) - profile.mandatory))
    signed = quantity.name.startswith(("POWER", "CURRENT"))
    for value in (12.0, -12.0 if signed else 13.0):
        bench.wire.wait(70)
        bench.publish(**{quantity.value: value})
        assert bench.reader.values(METER) == {quantity: value}


# --------------------------------------------------------------------------------------------- publishing


def test_what_was_never_measured_is_left_out_and_nothing_is_invented() -> None:
    bench = Bench()
    assert bench.published() == {}
    bench.publish(power=100.0)
    assert set(bench.published()) == {0}


def test_a_disturbed_sensor_reports_its_state_and_no_number() -> None:
    bench = Bench()
    bench.publish(power=100.0)
    bench.wire.wait(5)
    bench.publish(power=Reading(None, ValueState.ERROR))
    item = bench.published()[0]
    assert (item.value, item.value_state) == (None, "error")


def test_a_reader_knows_since_when_a_value_is_disturbed() -> None:
    bench = Bench()
    bench.publish(power=100.0)
    assert bench.reader.disturbed_since(METER) == {}
    bench.wire.wait(5)
    disturbed_at = bench.wire.now
    bench.publish(power=Reading(None, ValueState.ERROR))
    bench.wire.wait(20)
    bench.publish(power=Reading(None, ValueState.ERROR), voltage_a=230.0)
    assert bench.reader.disturbed_since(METER) == {Quantity.POWER: disturbed_at}
    bench.wire.wait(5)
    bench.publish(power=100.0)
    assert bench.reader.disturbed_since(METER) == {}
    bench.publish(power=Reading(None, ValueState.ERROR))
    bench.wire.cut(METER, READER)
    assert bench.reader.disturbed_since(METER) == {}


def test_power_is_told_once_a_second_at_most_and_the_last_value_is_never_lost() -> None:
    bench = Bench()
    bench.publish(power=1.0)
    told = bench.notifies()
    for power_w in range(2, 12):
        bench.wire.wait(0.05)
        bench.publish(power=float(power_w))
    assert bench.notifies() == told
    bench.wire.wait(1)
    assert bench.notifies() == told + 1
    assert bench.value(Quantity.POWER) == 11.0


def test_values_that_come_one_by_one_share_their_notifies() -> None:
    bench = Bench()
    bench.publish(power=1.0)
    told = bench.notifies()
    bench.wire.wait(0.4)
    bench.publish(current_a=1.0)
    bench.wire.wait(0.4)
    bench.publish(current_b=1.0)
    assert bench.notifies() == told
    bench.wire.wait(0.2)
    assert bench.notifies() == told + 1
    assert bench.value(Quantity.CURRENT_B) == 1.0


def test_no_notify_without_change() -> None:
    bench = Bench()
    bench.publish(power=100.0, energy_consumed=5.0)
    told = bench.notifies()
    for _ in range(100):
        bench.wire.wait(2)
        bench.publish(power=100.2, energy_consumed=5.0)
    assert bench.notifies() == told


def test_energy_is_told_once_a_minute_and_a_disturbance_at_once() -> None:
    bench = Bench()
    bench.publish(energy_consumed=5.0)
    told = bench.notifies()
    bench.wire.wait(30)
    bench.publish(energy_consumed=6.0)
    assert bench.notifies() == told
    bench.wire.wait(30)
    assert bench.value(Quantity.ENERGY_CONSUMED) == 6.0
    bench.wire.wait(2)
    bench.publish(energy_consumed=Reading(None, ValueState.ERROR))
    assert bench.published()[2].value_state == "error"


def test_the_sign_of_the_counter_is_a_switch() -> None:
    """Trap use cases 13.1."""
    bench = Bench(MonitoringSettings(negative_production_counters=False))
    bench.publish(energy_produced=65432.0)
    assert to_float(bench.published()[1].value) == 65432.0
    assert bench.value(Quantity.ENERGY_PRODUCED) == 65432.0


@pytest.mark.parametrize("announced", [True, False])
def test_the_number_of_phases_is_a_switch(announced: bool) -> None:
    bench = Bench(MonitoringSettings(announce_connected_phases=announced))
    entity = bench.wire.nodes[METER].stack.device.entities[1,]
    feature = entity.find_feature("ElectricalConnection", "server")
    assert feature is not None
    data = feature.data("electricalConnectionDescriptionListData")
    assert isinstance(data, ElectricalConnectionDescriptionListData)
    [item] = data.electrical_connection_description_data or ()
    assert item.ac_connected_phases == (3 if announced else None)
    assert item.positive_energy_direction == "consume"


def test_a_single_phase_connection_measures_phase_a() -> None:
    bench = Bench(MonitoringSettings(phases=1, optional=frozenset({Quantity.CURRENT_A})))
    entity = bench.wire.nodes[METER].stack.device.entities[1,]
    feature = entity.find_feature("ElectricalConnection", "server")
    assert feature is not None
    data = feature.data("electricalConnectionParameterDescriptionListData")
    assert isinstance(data, ElectricalConnectionParameterDescriptionListData)
    phases = [i.ac_measured_phases for i in data.electrical_connection_parameter_description_data or ()]
    assert phases == ["a", None, None, "a"]


@pytest.mark.parametrize(
    ("phases", "optional"),
    [(1, {Quantity.VOLTAGE_B}), (0, set()), (3, {Quantity.POWER_A})],
)
def test_impossible_settings_are_refused(phases: int, optional: set[Quantity]) -> None:
    with pytest.raises(LocalError):
        MonitoringSettings(phases=phases, optional=frozenset(optional))


def test_only_the_scenarios_with_values_are_announced() -> None:
    bench = Bench(MonitoringSettings())
    remote = bench.wire.run(READER, lambda turn: turn.remote(METER))
    assert remote is not None
    [use_case] = remote.use_cases(MGCP.use_case, "GridConnectionPoint")
    assert use_case.scenarios == {2, 3, 4}


def test_the_complete_description_set_is_the_one_of_the_reference() -> None:
    """Trap SPINE G17 and use cases 13.10."""
    bench = Bench()
    entity = bench.wire.nodes[METER].stack.device.entities[1,]
    feature = entity.find_feature("Measurement", "server")
    assert feature is not None
    data = feature.data("measurementDescriptionListData")
    assert isinstance(data, MeasurementDescriptionListData)
    scopes = [item.scope_type for item in data.measurement_description_data or ()]
    assert scopes == [
        "acPowerTotal",
        "gridFeedIn",
        "gridConsumption",
        *["acCurrent"] * 3,
        *["acVoltage"] * 3,
        "acFrequency",
    ]


# ------------------------------------------------------------------------------------------------ reading


def test_the_reader_starts_again_after_a_reconnect() -> None:
    bench = Bench()
    bench.publish(power=100.0)
    bench.wire.cut(METER, READER)
    assert bench.reader.values(METER) == {}
    bench.wire.wait(10)
    bench.publish(power=200.0)
    bench.connect()
    assert bench.value(Quantity.POWER) == 200.0
    bench.wire.wait(10)
    bench.publish(power=300.0)
    assert bench.value(Quantity.POWER) == 300.0


def test_changes_are_events_of_the_reader() -> None:
    bench = Bench()
    bench.publish(power=100.0)
    received = [
        event
        for event in bench.wire.nodes[READER].events(MeasurementReceived)
        if isinstance(event, MeasurementReceived)
    ]
    assert [(e.ski, e.entity, e.quantity, e.value) for e in received] == [
        (METER, (1,), Quantity.POWER, 100.0)
    ]


def _lists(
    phase: str | None = "abc",
    reference: str | None = "neutral",
    scope: str = "acPowerTotal",
    kind: str = "power",
) -> tuple[MeasurementDescriptionListData, ElectricalConnectionParameterDescriptionListData]:
    return (
        MeasurementDescriptionListData(
            measurement_description_data=(
                MeasurementDescriptionData(measurement_id=7, measurement_type=kind, scope_type=scope),
            )
        ),
        ElectricalConnectionParameterDescriptionListData(
            electrical_connection_parameter_description_data=(
                ElectricalConnectionParameterDescriptionData(
                    electrical_connection_id=1,
                    parameter_id=3,
                    measurement_id=7,
                    ac_measured_phases=phase,
                    ac_measured_in_reference_to=reference,
                ),
            )
        ),
    )


def _measured(
    value: ScaledNumber | None, state: str | None = None, kind: str | None = "value"
) -> MeasurementListData:
    return MeasurementListData(
        measurement_data=(MeasurementData(measurement_id=7, value_type=kind, value=value, value_state=state),)
    )


def test_a_value_without_description_is_not_interpreted() -> None:
    assert read_measurements(MPC, None, None, _measured(ScaledNumber(number=1, scale=0))) == {}
    described, parameters = _lists(phase=None, scope="acPower")
    assert read_measurements(MPC, described, None, _measured(ScaledNumber(number=1, scale=0))) == {}
    assert read_measurements(MPC, described, parameters, None) == {}


def test_numbers_of_real_devices_are_read() -> None:
    described, parameters = _lists()
    reading = read_measurements(MPC, described, parameters, _measured(ScaledNumber(number=123456, scale=-2)))
    assert reading == {Quantity.POWER: Reading(1234.56)}
    empty = read_measurements(MPC, described, parameters, _measured(ScaledNumber()))
    assert empty[Quantity.POWER].value is None
    odd = read_measurements(MPC, described, parameters, _measured(ScaledNumber(number=5), "fine"))
    assert odd[Quantity.POWER].state is ValueState.NORMAL
    average = _measured(ScaledNumber(number=5), kind="averageValue")
    assert read_measurements(MPC, described, parameters, average) == {}


def test_phase_values_are_told_apart_by_the_parameter_description() -> None:
    described, parameters = _lists(phase="b", scope="acPower")
    reading = read_measurements(MPC, described, parameters, _measured(ScaledNumber(number=-5, scale=0)))
    assert reading == {Quantity.POWER_B: Reading(-5.0)}


@pytest.mark.parametrize(
    ("phases", "reference", "quantity"),
    [
        ("a", "neutral", Quantity.VOLTAGE_A),
        ("c", None, Quantity.VOLTAGE_C),
        ("a", "b", Quantity.VOLTAGE_AB),
        ("b", "c", Quantity.VOLTAGE_BC),
        ("c", "a", Quantity.VOLTAGE_CA),
        ("a", "c", Quantity.VOLTAGE_CA),
        ("ac", None, Quantity.VOLTAGE_CA),
        ("ab", "neutral", Quantity.VOLTAGE_AB),
        ("abc", "neutral", None),
    ],
)
def test_MPC_TS_006_voltages_are_known_by_their_conductors_in_either_order(
    phases: str, reference: str | None, quantity: Quantity | None
) -> None:
    described, parameters = _lists(phases, reference, "acVoltage", kind="voltage")
    reading = read_measurements(MPC, described, parameters, _measured(ScaledNumber(number=401, scale=0)))
    assert set(reading) == ({quantity} if quantity else set())


# -------------------- MGCP scenario 1: the limitation factor

WITH_FACTOR = MonitoringSettings(optional=frozenset({Quantity.PV_LIMIT_FACTOR}))


def test_ATC_MGCP_SCE1_PT_GCPPowerLimitFactor_001() -> None:
    bench = Bench(WITH_FACTOR)
    bench.publish(pv_limit_factor=70.0)
    assert bench.value(Quantity.PV_LIMIT_FACTOR) == 70.0
    bench.publish(pv_limit_factor=62.5)
    assert bench.value(Quantity.PV_LIMIT_FACTOR) == 62.5
    [support] = [use_case.support for use_case in bench.wire.nodes[METER].stack.device.use_cases]
    assert support.scenario_support == (1, 2, 3, 4)


def test_ATC_MGCP_SCE1_PT_MAPowerLimitFactor_001_set_before_the_connection() -> None:
    bench = Bench(WITH_FACTOR)
    bench.wire.cut(METER, READER)
    bench.publish(pv_limit_factor=60.0)
    bench.connect()
    assert bench.value(Quantity.PV_LIMIT_FACTOR) == 60.0


def test_MGCP_011_without_the_factor_there_is_neither_scenario_nor_feature() -> None:
    bench = Bench()
    entity = bench.wire.nodes[METER].stack.device.entities[1,]
    assert entity.find_feature("DeviceConfiguration", "server") is None
    [support] = [use_case.support for use_case in bench.wire.nodes[METER].stack.device.use_cases]
    assert 1 not in (support.scenario_support or ())


def test_MGCP_011_monitored_units_have_no_limitation_factor() -> None:
    with pytest.raises(LocalError, match="pv_limit_factor"):
        MonitoringSettings(profile=MPC, optional=frozenset({Quantity.PV_LIMIT_FACTOR}))


def test_MGCP_011_the_factor_cannot_be_written() -> None:
    bench = Bench(WITH_FACTOR)
    feature = bench.wire.nodes[METER].stack.device.entities[1,].find_feature("DeviceConfiguration", "server")
    assert feature is not None
    assert not feature.is_writable


@pytest.mark.parametrize(
    ("unit", "number", "percent"),
    [("pct", 70.0, 70.0), (None, 0.7, 70.0), ("1", 1.0, 100.0), ("pct", 130.0, None), (None, -0.1, None)],
)
def test_MGCP_011_the_announced_unit_decides_what_a_factor_means(
    unit: str | None, number: float, percent: float | None
) -> None:
    description = DeviceConfigurationKeyValueDescriptionData(
        key_id=7, key_name="pvCurtailmentLimitFactor", value_type="scaledNumber", unit=unit
    )
    item = DeviceConfigurationKeyValueData(key_id=7, value=KeyValue(scaled_number=to_scaled(number)))
    other = DeviceConfigurationKeyValueData(key_id=3, value=KeyValue(scaled_number=to_scaled(1.0)))
    reading = read_factor(
        DeviceConfigurationKeyValueDescriptionListData(
            device_configuration_key_value_description_data=(description,)
        ),
        DeviceConfigurationKeyValueListData(device_configuration_key_value_data=(other, item)),
    )
    assert (reading.value if reading else None) == percent


def test_MGCP_011_a_factor_whose_key_is_not_described_is_not_interpreted() -> None:
    assert read_factor(None, factor_value(70.0)) is None


# -------------------- the reading side: old values, polling, entities


def test_MPC_TS_008_a_value_measured_earlier_does_not_replace_a_newer_one() -> None:
    bench = Bench()
    bench.publish(power=100.0)
    bench.wire.clock.advance(60)
    bench.publish(power=200.0)
    stale = bench.published()[0]
    item = replace(stale, timestamp="2000-01-01T00:00:00Z", value=ScaledNumber(number=999, scale=0))
    bench.wire.run(METER, lambda turn: _overwrite(bench, item, turn))
    assert bench.value(Quantity.POWER) == 200.0
    bench.wire.clock.advance(60)
    bench.publish(power=300.0)
    assert bench.value(Quantity.POWER) == 300.0


def _overwrite(bench: Bench, item: MeasurementData, turn: Turn) -> None:
    feature = bench.wire.nodes[METER].stack.device.entities[1,].find_feature("Measurement", "server")
    assert feature is not None
    turn.set_data(feature, MEASUREMENTS, MeasurementListData(measurement_data=(item,)))


def test_ATC_MGCP_COM_PT_MAPolling_001_values_are_read_at_the_declared_interval() -> None:
    bench = Bench(poll_interval_s=30.0)
    bench.wire.wait(1)
    before = _reads(bench)
    bench.wire.wait(150)
    assert _reads(bench) - before == 5 * 1


def test_a_reader_that_relies_on_notifies_does_not_poll() -> None:
    bench = Bench()
    bench.wire.wait(1)
    before = _reads(bench)
    bench.wire.wait(600)
    assert _reads(bench) == before


def test_polling_ends_with_the_connection() -> None:
    bench = Bench(poll_interval_s=30.0)
    bench.wire.cut(METER, READER)
    before = _reads(bench)
    bench.wire.wait(120)
    assert _reads(bench) == before
    bench.connect()
    bench.wire.wait(70)
    assert _reads(bench) > before


def _reads(bench: Bench) -> int:
    sent = [entry for entry in bench.wire.nodes[READER].log if isinstance(entry, bytes)]
    return sum(b'"cmdClassifier":"read"' in entry and b'"measurementListData"' in entry for entry in sent)


def test_MPC_TS_014_the_step_size_of_each_value_is_announced() -> None:
    bench = Bench()
    feature = bench.wire.nodes[METER].stack.device.entities[1,].find_feature("Measurement", "server")
    assert feature is not None
    data = feature.data("measurementConstraintsListData")
    assert isinstance(data, MeasurementConstraintsListData)
    steps = {c.measurement_id: to_float(c.value_step_size) for c in data.measurement_constraints_data or ()}
    assert steps[0] == 1.0
    assert set(steps) == set(range(len(steps)))
    assert 0.01 in steps.values()


def test_the_values_of_an_entity_that_was_removed_are_forgotten() -> None:
    bench = Bench()
    bench.publish(power=100.0)
    entity = bench.wire.nodes[METER].stack.device.entities[1,]
    bench.wire.run(METER, lambda turn: turn.remove_entity(entity))
    assert bench.reader.entities(METER) == ()
    assert bench.reader.values(METER) == {}


def test_partial_notifies_carry_changed_values_and_the_reader_knows_them_all() -> None:
    bench = Bench(MonitoringSettings(optional=ALL_GRID_VALUES, partial_notifies=True))
    bench.publish(power=100.0, current_a=1.0)
    bench.wire.wait(5)
    bench.publish(power=200.0)
    last = [entry for entry in bench.wire.nodes[METER].log if isinstance(entry, bytes)][-1]
    assert b'"partial":[]' in last
    assert last.count(b'"measurementId"') == 1
    assert bench.value(Quantity.POWER) == 200.0
    assert bench.value(Quantity.CURRENT_A) == 1.0


def test_partial_reads_are_announced_only_when_wished() -> None:
    for wished in (False, True):
        bench = Bench(MonitoringSettings(partial_reads=wished))
        feature = bench.wire.nodes[METER].stack.device.entities[1,].find_feature("Measurement", "server")
        assert feature is not None
        assert feature.functions[MEASUREMENTS].read_partial is wished


# -------------------- values that the meter turns out to measure


def test_the_offer_grows_with_what_the_meter_measures_and_old_numbers_stay() -> None:
    bench = Bench(MonitoringSettings(grows=True))
    bench.publish(power=100.0)
    assert bench.published().keys() == {0}
    bench.wire.wait(2)
    bench.publish(power=150.0, frequency=50.02, current_a=0.4, voltage_b=231.0)
    assert bench.value(Quantity.FREQUENCY) == 50.02
    assert bench.value(Quantity.CURRENT_A) == 0.4
    assert bench.value(Quantity.VOLTAGE_B) == 231.0
    assert bench.value(Quantity.POWER) == 150.0
    remote = bench.wire.run(READER, lambda turn: turn.remote(METER))
    assert remote is not None
    [use_case] = remote.use_cases("monitoringOfGridConnectionPoint")
    assert use_case.scenarios == {2, 3, 4, 5, 6, 7}
    assert to_float(bench.published()[0].value) == 150.0


def test_MPC_TS_006_the_offer_does_not_grow_beyond_the_connected_phases() -> None:
    bench = Bench(MonitoringSettings(profile=MPC, grows=True, phases=1))
    bench.publish(power=1.0, power_a=1.0, power_b=2.0)
    bench.wire.wait(2)
    assert bench.value(Quantity.POWER_A) == 1.0
    assert bench.value(Quantity.POWER_B) is None


def test_an_offer_that_may_not_grow_leaves_other_values_out() -> None:
    bench = Bench(MonitoringSettings())
    bench.publish(power=1.0, frequency=50.0)
    assert bench.value(Quantity.FREQUENCY) is None


def test_a_disturbed_sensor_is_no_reason_to_grow() -> None:
    bench = Bench(MonitoringSettings(grows=True))
    bench.publish(frequency=Reading(None, ValueState.ERROR))
    assert len(bench.published()) == 0


def test_a_partner_is_not_asked_for_lists_that_it_does_not_have() -> None:
    bench = Bench()
    bench.wire.cut(METER, READER)
    feature = bench.wire.nodes[METER].stack.device.entities[1,].find_feature("Measurement", "server")
    assert feature is not None
    del feature.functions["measurementConstraintsListData"]
    bench.wire.nodes[READER].log.clear()
    bench.connect()
    sent = [entry for entry in bench.wire.nodes[READER].log if isinstance(entry, bytes)]
    assert any(b'"measurementListData"' in entry for entry in sent)
    assert not any(b"measurementConstraintsListData" in entry for entry in sent)
