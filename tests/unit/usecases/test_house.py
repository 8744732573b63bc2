"""The composed gateway: every role on an entity of its own, sub-meters, the side towards devices."""

import pytest

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.spine.handler import Peer
from eebus.usecases.controllable_system import ControllableSystemSettings
from eebus.usecases.energy_guard import EnergyGuardSettings, Limit
from eebus.usecases.events import OrderReceived, StoredFailsafe
from eebus.usecases.house import (
    ALL_GRID_VALUES,
    Gateway,
    SubMeter,
    build_control_box,
    build_gateway,
    build_stack,
)
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring import MonitoringSettings
from eebus.usecases.monitoring_data import Quantity, Reading
from tests.unit.usecases.twin import Wire

HOUSE, BOX, HEAT_PUMP = Ski("1" * 40), Ski("2" * 40), Ski("3" * 40)
WALLBOX = SubMeter("Garage", optional=frozenset({Quantity.ENERGY_CONSUMED, Quantity.CURRENT_A}))
ROOF = SubMeter("Roof", "Inverter", optional=frozenset({Quantity.ENERGY_PRODUCED}))


def gateway(
    name: str = "House", *, sub_meters: tuple[SubMeter, ...] = (), downstream: bool = False
) -> Gateway:
    return build_gateway(
        f"d:_n:Test_{name}-1",
        settings=ControllableSystemSettings(),
        failsafe=StoredFailsafe(),
        grid=MonitoringSettings(optional=ALL_GRID_VALUES),
        sub_meters=sub_meters,
        downstream=EnergyGuardSettings() if downstream else None,
    )


def roles(made: Gateway) -> dict[tuple[int, ...], set[str]]:
    found: dict[tuple[int, ...], set[str]] = {}
    for use_case in made.device.use_cases:
        found.setdefault(use_case.entity, set()).add(use_case.actor)
    return found


def test_the_plain_gateway_is_controllable_system_and_grid_connection_point_only() -> None:
    assert roles(gateway()) == {(1,): {"ControllableSystem"}, (2,): {"GridConnectionPoint"}}


def test_MPC_TS_012_roles_never_share_an_entity_and_the_energy_manager_is_no_monitored_unit() -> None:
    made = gateway(sub_meters=(WALLBOX, ROOF), downstream=True)
    assert roles(made) == {
        (1,): {"ControllableSystem"},
        (2,): {"GridConnectionPoint"},
        (3,): {"EnergyGuard", "MonitoringAppliance"},
        (4,): {"MonitoredUnit"},
        (5,): {"MonitoredUnit"},
    }
    kinds = {path: entity.entity_type for path, entity in made.device.entities.items()}
    assert kinds == {
        (0,): "DeviceInformation",
        (1,): "CEM",
        (2,): "GridConnectionPointOfPremises",
        (3,): "CEM",
        (4,): "SubMeterElectricity",
        (5,): "Inverter",
    }


def test_MPC_TS_012_an_energy_manager_cannot_be_made_a_sub_meter() -> None:
    with pytest.raises(LocalError, match="no monitored unit"):
        SubMeter("House", "CEM")


def test_the_name_of_an_appliance_cannot_break_the_messages_of_others() -> None:
    made = gateway(sub_meters=(SubMeter("Wallbox [{left},{right}]"),))
    assert made.device.entities[3,].description == "Wallbox ((left),(right))"


def test_a_box_reads_the_power_of_each_appliance_and_of_the_grid_connection_point() -> None:
    wire, made = Wire(), gateway(sub_meters=(WALLBOX, ROOF))
    box = build_control_box("d:_n:Test_Box-1", settings=EnergyGuardSettings())
    for ski, composed in ((HOUSE, made), (BOX, box)):
        wire.add(ski, build_stack(composed, wire.clock.utc_now))
        wire.run(ski, composed.start)
    wire.connect(Peer(HOUSE, PeerRole.DEVICE), Peer(BOX, PeerRole.CONTROL_BOX))
    wire.run(HOUSE, lambda turn: made.sub_meters["Garage"].publish({Quantity.POWER: Reading(4140.0)}, turn))
    wire.run(HOUSE, lambda turn: made.sub_meters["Roof"].publish({Quantity.POWER: Reading(-3000.0)}, turn))
    wire.run(HOUSE, lambda turn: made.grid_connection_point.publish({Quantity.POWER: Reading(1500.0)}, turn))
    assert box.unit_reader.entities(HOUSE) == ((3,), (4,))
    assert box.unit_reader.values(HOUSE, (3,)) == {Quantity.POWER: 4140.0}
    assert box.unit_reader.values(HOUSE, (4,)) == {Quantity.POWER: -3000.0}
    assert box.grid_reader.values(HOUSE) == {Quantity.POWER: 1500.0}


def test_the_gateway_limits_and_reads_a_device_behind_it() -> None:
    wire, made = Wire(), gateway(downstream=True)
    device = gateway("Pump", sub_meters=(SubMeter("Compressor", "Compressor"),))
    for ski, composed in ((HOUSE, made), (HEAT_PUMP, device)):
        wire.add(ski, build_stack(composed, wire.clock.utc_now))
        wire.run(ski, composed.start)
    wire.connect(Peer(HOUSE, PeerRole.CONTROL_BOX), Peer(HEAT_PUMP, PeerRole.DEVICE))
    assert made.downstream is not None
    guard, units = made.downstream.energy_guard, made.downstream.units
    wire.run(HOUSE, lambda turn: guard.write_limit(Direction.CONSUMPTION, Limit(True, 1500.0), turn))
    wire.wait(60)
    wire.run(
        HEAT_PUMP, lambda turn: device.sub_meters["Compressor"].publish({Quantity.POWER: Reading(1400)}, turn)
    )
    status = device.controllable_system.status(wire.now).consumption
    assert status is not None
    assert status.effective_limit_w == 1500.0
    assert units.values(HEAT_PUMP) == {Quantity.POWER: 1400.0}
    orders = wire.nodes[HEAT_PUMP].events(OrderReceived)
    assert orders[-1].accepted  # type: ignore[attr-defined]


def test_the_own_energy_guard_does_not_answer_for_the_controllable_system() -> None:
    """A box that looks for its partner's heartbeat finds it on `[1]`, ours for devices is on `[3]`."""
    made = gateway(downstream=True)
    servers = {
        path: [
            f.address.feature
            for f in entity.features.values()
            if (f.feature_type, f.role) == ("DeviceDiagnosis", "server")
        ]
        for path, entity in made.device.entities.items()
    }
    assert {path for path, found in servers.items() if found} == {(1,), (3,)}
