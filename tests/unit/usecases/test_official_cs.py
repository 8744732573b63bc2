"""The official cases of LPC and LPP for the controllable system (use case reference 9), on a fake clock.

Each abstract case runs for both use cases, over every value and, as time costs nothing, every message that
the specification allows. The tester is a SPINE node of its own that sends only what the step says.
"""

from itertools import pairwise

import pytest

from eebus.spine.model.electrical_connection import ElectricalConnectionCharacteristicListData
from eebus.spine.values import to_float
from eebus.usecases.controllable_system import ControllableSystemSettings
from eebus.usecases.limit_rules import AUTONOMOUS, CONTROLLED, FAILSAFE, INIT, LIMITED
from eebus.usecases.limitation import LPC, PROFILES, Direction, Profile
from tests.unit.usecases.twin import House

ACK = 0
NACK = 7
WRONG_SIGN = -1000.0
DECLARED = ControllableSystemSettings(
    failsafe_consumption_w=4200.0,
    failsafe_production_w=3000.0,
    failsafe_duration_s=7200.0,
    max_failsafe_duration_s=43200.0,
)
"""The parameter sheet of the device under test."""
DURATION_TOO_SHORT = 6840.0
DURATION_VALID = 7260.0
DURATION_TOO_LONG = 1.05 * 43200.0


@pytest.fixture(params=PROFILES, ids=["LPC", "LPP"])
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


@pytest.fixture
def house(profile: Profile) -> House:
    return House(profile, settings=DECLARED)


def values(profile: Profile) -> dict[int, float]:
    """The official data sets as magnitudes (reference 8)."""
    maximum = DECLARED.maxima_w[profile.direction]
    delta = 0.05 * maximum
    return {1: 0.0, 2: delta, 3: 4321.0, 4: maximum - delta, 5: maximum + delta}


def preconfigured_failsafe(profile: Profile) -> float:
    return 4200.0 if profile is LPC else 3000.0


def failsafe_w(house: House) -> float | None:
    return to_float(house.published_failsafe())


def test_ATC_COM_PT_CSHeartbeat_001(house: House) -> None:
    house.bring_to(CONTROLLED).run_heartbeats()
    house.wire.wait(300)
    times = [at for at, _ in house.tester.notifies("deviceDiagnosisHeartbeatData")]
    assert len(times) >= 5
    assert max(b - a for a, b in pairwise(times)) <= 60


@pytest.mark.parametrize("value", [2, 3])
def test_ATC_COM_NT_CSConnection_001(house: House, profile: Profile, value: int) -> None:
    assert house.message(16, values(profile)[3]) == NACK
    assert house.state is INIT
    house.tester.heartbeat()
    house.wire.wait(59)
    assert house.message(16, values(profile)[value]) == ACK
    assert house.state is CONTROLLED


def test_ATC_COM_PT_CSConnection_002(house: House) -> None:
    house.tester.heartbeat()
    assert house.failsafe_limit(5001.0) == NACK
    assert house.message(16) == ACK
    assert house.state is CONTROLLED
    assert house.failsafe_limit(5001.0) == ACK
    assert failsafe_w(house) == 5001.0


@pytest.mark.parametrize("message", [14, 16])
def test_ATC_COM_PT_CSConnection_003(house: House, message: int) -> None:
    house.tester.heartbeat()
    assert house.message(message, WRONG_SIGN) == NACK
    assert house.state is CONTROLLED
    assert house.failsafe_limit(-1000.0) == NACK
    assert house.failsafe_limit(5001.0) == ACK
    assert failsafe_w(house) == 5001.0


def test_ATC_COM_PT_CSConnection_004(house: House) -> None:
    house.tester.heartbeat()
    assert house.failsafe_duration(DURATION_VALID) == NACK
    assert house.state is INIT
    assert house.message(16) == ACK
    assert house.state is CONTROLLED


def test_ATC_COM_PT_CSConnection_005(house: House) -> None:
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.failsafe_duration(DURATION_TOO_LONG) == NACK
    assert house.published_key(1).duration == "PT12H"


def test_ATC_COM_PT_CSConnection_006(house: House, profile: Profile) -> None:
    house.tester.heartbeat()
    assert house.message(14, values(profile)[5]) == ACK
    assert house.state is LIMITED
    assert to_float(house.published_limit().value) == values(profile)[5] * profile.wire_sign


@pytest.mark.parametrize("value", [1, 2, 3, 4, 5])
def test_ATC_COM_PT_CSConnection_007(house: House, profile: Profile, value: int) -> None:
    house.tester.heartbeat()
    assert house.message(16, values(profile)[value]) == ACK
    assert house.state is CONTROLLED
    assert house.message(14, values(profile)[value]) == ACK
    assert house.state is LIMITED
    assert to_float(house.published_limit().value) == values(profile)[value] * profile.wire_sign
    assert house.status.effective_limit_w == values(profile)[value]


def test_ATC_COM_PT_CSConnection_008(house: House, profile: Profile) -> None:
    house.bring_to(CONTROLLED).run_heartbeats()
    for value_w in values(profile).values():
        assert house.failsafe_limit(value_w) == ACK
        assert failsafe_w(house) == value_w
    assert house.failsafe_duration(DURATION_TOO_SHORT) == NACK
    assert house.published_key(1).duration == "PT2H"
    assert house.failsafe_duration(DURATION_VALID) == ACK
    assert house.published_key(1).duration == "PT2H1M"
    assert house.failsafe_duration(DURATION_TOO_LONG) == NACK
    assert house.published_key(1).duration == "PT12H"


def test_ATC_COM_PT_CSConnection_009(house: House) -> None:
    house.bring_to(CONTROLLED)
    house.cut()
    house.wire.wait(90)
    house.power_on()
    assert house.state is INIT
    house.connect()
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.state is CONTROLLED


def test_ATC_COM_PT_CSInit_001(house: House, profile: Profile) -> None:
    assert house.state is INIT
    assert house.status.effective_limit_w == preconfigured_failsafe(profile)
    assert house.published_limit().is_limit_active is False


def test_ATC_COM_PT_CSInit_002(house: House, profile: Profile) -> None:
    house.tester.heartbeat()
    assert house.published_limit().is_limit_active is False
    assert failsafe_w(house) == preconfigured_failsafe(profile)
    assert house.published_key(1).duration == "PT2H"


def test_ATC_COM_PT_CSInit_003(house: House) -> None:
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.failsafe_limit(5001.0) == ACK
    house.tester.heartbeat()
    assert house.failsafe_duration(DURATION_VALID) == ACK
    house.tester.heartbeat()
    house.power_on()
    assert house.state is INIT
    assert house.status.effective_limit_w == 5001.0, "in force before any communication"
    house.connect()
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert failsafe_w(house) == 5001.0
    assert house.published_key(1).duration == "PT2H1M"


@pytest.mark.parametrize("message", [1, 6, 8, 14, 15, 16, 17])
def test_ATC_COM_NT_CSLimited_001(house: House, message: int) -> None:
    house.bring_to(LIMITED).run_heartbeats()
    assert house.published_limit().is_limit_active is True
    assert house.message(message, WRONG_SIGN) == NACK
    assert house.state is LIMITED
    assert house.published_limit().is_limit_active is True
    assert house.status.effective_limit_w == 5000.0


def test_ATC_COM_PT_CSLimited_002(house: House) -> None:
    house.tester.heartbeat()
    assert house.message(14) == ACK
    assert house.state is LIMITED
    house.tester.heartbeat()
    house.wire.wait(90)
    assert house.message(14, 3000.0) == ACK
    house.wire.wait(30)
    house.tester.heartbeat()
    house.wire.wait(5)
    assert house.state is LIMITED


@pytest.mark.parametrize("message", [6, 14])
def test_ATC_COM_NT_CSUnlCntrl_001(house: House, message: int) -> None:
    house.bring_to(CONTROLLED).run_heartbeats()
    assert house.published_limit().is_limit_active is False
    assert house.message(message, WRONG_SIGN) == NACK
    assert house.state is CONTROLLED
    assert house.published_limit().is_limit_active is False


def characteristic_types(house: House) -> dict[str | None, float | None]:
    data = house.tester.read("ElectricalConnection", "electricalConnectionCharacteristicListData")
    assert isinstance(data, ElectricalConnectionCharacteristicListData)
    items = data.electrical_connection_characteristic_data or ()
    return {item.characteristic_type: to_float(item.value) for item in items}


def test_ATC_COM_PT_CSUnlCntrl_002(house: House, profile: Profile) -> None:
    """Trap use cases 13.9."""
    house.bring_to(CONTROLLED).run_heartbeats()
    found = characteristic_types(house)
    assert profile.device_maximum not in found
    assert found[profile.contractual_maximum] == DECLARED.maxima_w[profile.direction] >= 0


def test_ATC_COM_PT_CSUnlCntrl_003(profile: Profile) -> None:
    house = House(profile, settings=ControllableSystemSettings(energy_manager=False))
    found = characteristic_types(house.bring_to(CONTROLLED))
    assert profile.contractual_maximum not in found
    assert (found[profile.device_maximum] or -1) >= 0


def test_ATC_COM_PT_CSFS_001(house: House) -> None:
    house.bring_to(CONTROLLED).cut()
    house.wire.wait(130)
    house.connect()
    house.tester.heartbeat()
    house.wire.wait(90)
    assert house.message(16) == NACK
    assert house.state is FAILSAFE
    assert house.failsafe_limit(5001.0) == NACK
    assert house.failsafe_duration(DURATION_VALID) == NACK
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.state is CONTROLLED
    house.tester.heartbeat()
    assert house.failsafe_limit(5001.0) == ACK


def test_ATC_COM_PT_CSFS_002(house: House) -> None:
    house.bring_to(CONTROLLED).cut()
    house.wire.wait(130)
    assert house.state is FAILSAFE
    house.wire.wait(7200 - 11)
    assert house.state is FAILSAFE
    house.wire.wait(2)
    assert house.state is AUTONOMOUS


def test_ATC_COM_PT_CSFS_003(house: House) -> None:
    house.bring_to(LIMITED).cut()
    house.wire.wait(130)
    house.connect()
    assert house.published_limit().is_limit_active is False
    house.tester.heartbeat()
    assert house.failsafe_duration(DURATION_VALID) == NACK
    assert house.state is FAILSAFE


def test_ATC_COM_NT_CSUnlAuto_001(house: House) -> None:
    house.bring_to(AUTONOMOUS)
    house.tester.heartbeat()
    house.wire.wait(90)
    assert house.message(16) == NACK
    assert house.state is AUTONOMOUS
    assert house.failsafe_limit(5001.0) == NACK
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.state is CONTROLLED
    house.tester.heartbeat()
    assert house.failsafe_limit(5001.0) == ACK


def test_ATC_COM_PT_CSUnlAuto_002(profile: Profile) -> None:
    house = House(profile, settings=DECLARED, connect=False).bring_to(AUTONOMOUS)
    assert house.status.effective_limit_w is None
    house.connect()
    assert house.published_limit().is_limit_active is False


def test_ATC_COM_PT_CSTransition1_001(house: House) -> None:
    house.tester.heartbeat()
    assert house.message(14, WRONG_SIGN) == NACK
    assert house.state is CONTROLLED


@pytest.mark.parametrize("message", [16, 17])
def test_ATC_COM_PT_CSTransition1_002(house: House, message: int) -> None:
    house.tester.heartbeat()
    assert house.message(message) == ACK
    assert house.state is CONTROLLED


@pytest.mark.parametrize("value", [2, 3, 4])
def test_ATC_COM_PT_CSTransition2_001(house: House, profile: Profile, value: int) -> None:
    house.tester.heartbeat()
    assert house.message(15, values(profile)[value]) == ACK
    assert house.state is LIMITED
    assert house.published_limit().time_period is not None


def test_ATC_COM_PT_CSTransition3_001(house: House) -> None:
    house.wire.wait(130)
    assert house.state is AUTONOMOUS


def test_ATC_COM_PT_CSTransition3_002(house: House) -> None:
    house.tester.heartbeat()
    house.wire.wait(130)
    assert house.state is AUTONOMOUS


@pytest.mark.parametrize("value", [2, 3, 4])
def test_ATC_COM_PT_CSTransition4_001(house: House, profile: Profile, value: int) -> None:
    house.bring_to(CONTROLLED).run_heartbeats()
    assert house.message(15, values(profile)[value]) == ACK
    assert house.state is LIMITED
    assert house.published_limit().time_period is not None


def test_ATC_COM_PT_CSTransition5_001(house: House) -> None:
    house.bring_to(CONTROLLED).run_heartbeats()
    house.cut()
    house.wire.wait(119)
    assert house.state is CONTROLLED
    house.wire.wait(11)
    assert house.state is FAILSAFE


@pytest.mark.parametrize("message", [9, 15])
def test_ATC_COM_PT_CSTransition6_001(house: House, message: int) -> None:
    house.bring_to(LIMITED).run_heartbeats()
    assert house.message(message) == ACK
    house.wire.wait(59)
    assert house.state is LIMITED
    house.wire.wait(1)
    assert house.state is CONTROLLED
    assert house.published_limit().time_period is None
    assert house.published_limit().is_limit_active is False


@pytest.mark.parametrize("message", [7, 16, 17])
def test_ATC_COM_PT_CSTransition6_002(house: House, message: int) -> None:
    house.bring_to(LIMITED).run_heartbeats()
    assert house.message(message) == ACK
    assert house.state is CONTROLLED


@pytest.mark.parametrize("value", [2, 3, 4])
def test_ATC_COM_PT_CSTransition7_001(house: House, profile: Profile, value: int) -> None:
    house.bring_to(LIMITED).run_heartbeats()
    assert house.failsafe_limit(values(profile)[value]) == ACK
    house.cut()
    house.wire.wait(130)
    assert house.state is FAILSAFE
    assert house.status.effective_limit_w == values(profile)[value]


def lost_and_found(house: House) -> House:
    """Connection lost until failsafe, then back with one heartbeat."""
    house.bring_to(CONTROLLED).cut()
    house.wire.wait(130)
    assert house.state is FAILSAFE
    house.connect()
    house.tester.heartbeat()
    return house


@pytest.mark.parametrize("message", [6, 7, 8, 9, 14, 15, 16, 17])
def test_ATC_COM_PT_CSTransition8_001(house: House, message: int) -> None:
    assert lost_and_found(house).message(message, WRONG_SIGN) == NACK
    assert house.state is CONTROLLED


@pytest.mark.parametrize("value", [2, 3, 4])
def test_ATC_COM_PT_CSTransition8_002(house: House, profile: Profile, value: int) -> None:
    assert lost_and_found(house).message(16, values(profile)[value]) == ACK
    assert house.state is CONTROLLED


@pytest.mark.parametrize("value", [2, 3, 4])
def test_ATC_COM_PT_CSTransition9_001(house: House, profile: Profile, value: int) -> None:
    assert lost_and_found(house).message(14, values(profile)[value]) == ACK
    assert house.state is LIMITED
    assert house.published_limit().time_period is None


def test_ATC_COM_PT_CSTransition10_001(house: House) -> None:
    house.bring_to(CONTROLLED).run_heartbeats()
    assert house.failsafe_duration(DURATION_VALID) == ACK
    house.cut()
    house.wire.wait(130)
    assert house.state is FAILSAFE
    house.wire.wait(DURATION_VALID - 20)
    assert house.state is FAILSAFE
    house.wire.wait(130)
    assert house.state is AUTONOMOUS


def test_ATC_COM_PT_CSTransition10_002(house: House) -> None:
    lost_and_found(house)
    house.wire.wait(60)
    house.tester.heartbeat()
    house.wire.wait(70)
    assert house.state is AUTONOMOUS


@pytest.mark.parametrize("message", [6, 7, 8, 9, 14, 15, 16, 17])
def test_ATC_COM_PT_CSTransition11_001(house: House, message: int) -> None:
    house.bring_to(AUTONOMOUS).tester.heartbeat()
    assert house.message(message, WRONG_SIGN) == NACK
    assert house.state is CONTROLLED


@pytest.mark.parametrize("message", [7, 16])
def test_ATC_COM_PT_CSTransition11_002(house: House, message: int) -> None:
    house.bring_to(AUTONOMOUS).tester.heartbeat()
    assert house.message(message) == ACK
    assert house.state is CONTROLLED


@pytest.mark.parametrize("value", [2, 3, 4])
def test_ATC_COM_PT_CSTransition12_001(house: House, profile: Profile, value: int) -> None:
    house.bring_to(AUTONOMOUS).tester.heartbeat()
    assert house.message(14, values(profile)[value]) == ACK
    assert house.state is LIMITED


def _self_protection(_direction: Direction, _value_w: float) -> str | None:
    return "self-protection of the heat pump"


def _refusing(profile: Profile, *, energy_manager: bool) -> House:
    settings = ControllableSystemSettings(energy_manager=energy_manager)
    return House(profile, settings=settings, permitted_refusal=_self_protection)


@pytest.mark.parametrize("value", [2, 3])
def test_ATC_INS1_PT_CSTransition1_001(profile: Profile, value: int) -> None:
    house = _refusing(profile, energy_manager=True)
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.message(14, values(profile)[value]) == NACK
    assert house.tester.answer_text() == "self-protection of the heat pump"
    assert house.state is CONTROLLED


@pytest.mark.parametrize("value", [2, 3])
def test_ATC_INS2_PT_CSTransition1_001(profile: Profile, value: int) -> None:
    house = _refusing(profile, energy_manager=False)
    house.tester.heartbeat()
    assert house.message(16) == ACK
    assert house.message(14, values(profile)[value]) == NACK
    assert house.state is CONTROLLED


# The tables of use case reference 3.5, on the wire


@pytest.mark.parametrize("message", range(1, 18))
@pytest.mark.parametrize("limited", [False, True])
def test_table_11_every_message_on_the_wire(house: House, message: int, limited: bool) -> None:
    house.bring_to(LIMITED if limited else CONTROLLED)
    assert house.message(message) == ACK
    activated = {2, 6, 10, 11, 14, 15}
    deactivated = {3, 7, 12, 13, 16, 17}
    expect = message in activated or (limited and message not in deactivated)
    assert house.state is (LIMITED if expect else CONTROLLED)
    published = house.published_limit()
    assert published.is_limit_active is expect
    named = {1, 6, 7, 8, 9, 14, 15, 16, 17}
    value_w = (4321.0 if message in named else 5000.0) * house.profile.wire_sign
    assert to_float(published.value) == value_w
    assert (published.time_period is not None) is (message in {5, 9, 11, 13, 15, 17})


@pytest.mark.parametrize("message", range(1, 18))
def test_table_11_every_message_in_init(house: House, message: int) -> None:
    house.tester.heartbeat()
    assert house.message(message) == ACK
    assert house.state is (LIMITED if message in {2, 6, 10, 11, 14, 15} else CONTROLLED)
