"""Devices by MQTT: limits leave at once, replies are looked at, silence is never taken as obedience."""

import pytest

from hems.devices import DeviceUnreachable, Direction, Kind, NotConnected, Readback, Setpoint, WriteRefused
from tests.unit.adapters_mqtt.bench import Bench

SET, HELD = "pump/max_power_w/set", "pump/max_power_w"
LOCK = "openWB/simpleAPI/set/chargepoint/3/chargepoint_lock"
CURRENT = "openWB/simpleAPI/set/chargepoint/3/chargecurrent"
OPENWB = "openWB/simpleAPI/chargepoint/3"


def _limit(power_w: float | None) -> Setpoint:
    return Setpoint(Direction.CONSUMPTION, power_w)


async def test_a_generic_device_is_what_its_settings_say() -> None:
    bench = Bench()
    device = bench.device(
        kind="heat_pump", params={"topic": "pump", "max_power_w": 4000, "min_power_w": 1000}
    )
    capabilities = device.capabilities
    assert (capabilities.kind, capabilities.nameplate_w) == (Kind.HEAT_PUMP, 4000.0)
    assert capabilities.consumption is not None
    assert capabilities.consumption.at_most(900.0) == 0.0
    assert capabilities.consumption.at_most(1500.7) == 1500.0
    assert capabilities.consumption_fallback is not None
    assert capabilities.consumption_fallback.power_w == 0.0
    assert capabilities.refresh_s == 20.0


async def test_a_sample_carries_the_time_of_its_message() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.arrive("pump/power_w", "1234")
    bench.broker.arrive("pump/energy_consumed_wh", "99", retained=True)
    bench.broker.arrive("pump/state", "heating")
    bench.broker.arrive(HELD, "4200")
    await device.connect()
    bench.clock.advance(2.0)
    sample = await device.read()
    assert (sample.at_s, sample.power_w, sample.state) == (1000.0, 1234.0, "heating")
    assert sample.energy_consumed_wh == 99.0
    assert sample.ceilings_w == {Direction.CONSUMPTION: 4200.0}


async def test_a_limit_that_the_device_repeats_is_confirmed() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.answer = lambda topic, payload: bench.broker.arrive(HELD, payload)
    assert await device.write(_limit(4200.9)) == Readback(4200.0, 4200.0, confirmed=True)
    assert bench.broker.sent == [(SET, "4200")]


async def test_0_w_is_a_limit_and_release_is_the_largest_power() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.answer = lambda topic, payload: bench.broker.arrive(HELD, payload)
    assert (await device.write(_limit(0.0))).held_w == 0.0
    assert (await device.write(_limit(None))).written_w is None
    assert bench.broker.sent == [(SET, "0"), (SET, "11000")]


async def test_a_device_that_answers_with_another_value_refuses() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.answer = lambda topic, payload: bench.broker.arrive(HELD, "8000")
    with pytest.raises(WriteRefused, match=r"4200 was sent to pump/max_power_w/set, but it shows 8000"):
        await device.write(_limit(4200.0))


async def test_a_device_that_does_not_answer_is_not_confirmed() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.arrive(HELD, "4200")
    bench.clock.advance(1.0)
    assert await device.write(_limit(4200.0)) == Readback(4200.0, None, confirmed=False)
    assert bench.clock.monotonic() == pytest.approx(1004.0, abs=0.3), "three seconds were waited for a reply"


async def test_a_retained_reply_proves_nothing() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.answer = lambda topic, payload: bench.broker.arrive(HELD, payload, retained=True)
    assert not (await device.write(_limit(4200.0))).confirmed


async def test_without_a_broker_a_limit_is_not_written() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.trouble = "it does not answer"
    with pytest.raises(DeviceUnreachable, match="it does not answer"):
        await device.write(_limit(4200.0))


async def test_a_direction_without_control_is_refused() -> None:
    device = Bench().device(params={"topic": "pump"})
    with pytest.raises(WriteRefused, match="no control"):
        await device.write(Setpoint(Direction.PRODUCTION, 0.0))


# openWB


async def test_openwb_is_read_by_its_simple_api() -> None:
    bench = Bench()
    device = bench.device(profile="openwb", params={"chargepoint": 3})
    for topic, payload in {
        "power": "7200.0", "imported": "1234567", "plug_state": "True", "evse_current": "16",
        "currents/1": "10.4", "currents/2": "10.5", "currents/3": "10.3",
        "voltages/1": "231.0", "voltages/2": "230.0", "voltages/3": "229.0",
    }.items():  # fmt: skip
        bench.broker.arrive(f"{OPENWB}/{topic}", payload)
    await device.connect()
    sample = await device.read()
    assert (sample.power_w, sample.state, sample.demand_w) == (7200.0, "car connected", None)
    assert sample.currents_a == (10.4, 10.5, 10.3)
    assert device.capabilities.kind is Kind.WALLBOX
    assert device.capabilities.consumption_fallback is None, "it has no watchdog"
    bench.broker.arrive(f"{OPENWB}/plug_state", "False")
    assert (await device.read()).demand_w == 0.0


async def test_openwb_publishes_changes_only_so_any_of_its_messages_is_a_sign_of_life() -> None:
    bench = Bench()
    device = bench.device(profile="openwb", params={"chargepoint": 3})
    bench.broker.arrive(f"{OPENWB}/power", "0.0", retained=True)
    bench.broker.arrive("openWB/system/time", "1.0")
    bench.clock.advance(40.0)
    bench.broker.arrive("openWB/system/time", "2.0")
    sample = await device.read()
    assert (sample.power_w, sample.at_s) == (0.0, 1040.0)
    bench.clock.advance(46.0)
    with pytest.raises(DeviceUnreachable, match="no message for 46 s"):
        await device.read()


async def test_a_silent_device_was_sent_nothing_that_could_feed_its_watchdog() -> None:
    bench = Bench()
    device = bench.device(params={"topic": "pump"})
    bench.broker.arrive("pump/power_w", "500")
    await device.connect()
    bench.clock.advance(16.0)
    with pytest.raises(NotConnected, match="it should publish on pump/power_w"):
        await device.read()
    with pytest.raises(NotConnected):
        await device.connect()
    assert bench.broker.sent == []


async def test_openwb_gets_whole_amperes_rounded_down() -> None:
    bench = Bench()
    device = bench.device(profile="openwb", params={"chargepoint": 3})
    for phase in (1, 2, 3):
        bench.broker.arrive(f"{OPENWB}/voltages/{phase}", "230")
    await device.read()
    bench.broker.answer = lambda topic, payload: bench.broker.arrive(f"{OPENWB}/evse_current", payload)
    written = await device.write(_limit(5500.0))
    assert bench.broker.sent == [(CURRENT, "7")]
    assert written == Readback(4830.0, 4830.0, confirmed=True)


async def test_a_voltage_that_trembles_does_not_make_the_limit_tremble() -> None:
    """The highest voltage of the last minutes counts, for what is offered and for what is written alike."""
    bench = Bench()
    device = bench.device(profile="openwb", params={"chargepoint": 3})

    async def read(volts: float) -> None:
        bench.broker.arrive("openWB/system/time", "1.0")
        for phase in (1, 2, 3):
            bench.broker.arrive(f"{OPENWB}/voltages/{phase}", str(volts))
        await device.read()

    def least_w() -> float:
        assert device.capabilities.consumption is not None
        return device.capabilities.consumption.ranges[1].low_w

    for volts in (229.0, 232.0, 230.0, 228.0):
        await read(volts)
    assert least_w() == 6.0 * 3 * 232.0
    bench.broker.answer = lambda topic, payload: bench.broker.arrive(f"{OPENWB}/evse_current", payload)
    assert (await device.write(_limit(6.0 * 3 * 232.0))).held_w == 4176.0
    for _ in range(3):
        bench.clock.advance(150.0)
        await read(228.0)
    assert least_w() == 6.0 * 3 * 228.0


async def test_openwb_that_already_charges_with_less_has_nothing_to_say_and_is_confirmed() -> None:
    bench = Bench()
    device = bench.device(profile="openwb", params={"chargepoint": 3})
    bench.broker.arrive(f"{OPENWB}/evse_current", "6")
    bench.clock.advance(60.0)
    assert (await device.write(_limit(8000.0))).confirmed


async def test_openwb_is_paused_by_its_lock_and_goes_on_with_the_current_first() -> None:
    bench = Bench()
    device = bench.device(profile="openwb", params={"chargepoint": 3})
    bench.broker.arrive(f"{OPENWB}/evse_current", "0")
    await device.write(_limit(0.0))
    assert bench.broker.sent == [(LOCK, "true")]
    await device.write(_limit(6000.0))
    assert bench.broker.sent[1:] == [(CURRENT, "7"), (LOCK, "false")]


async def test_a_lock_of_somebody_else_is_never_lifted() -> None:
    bench = Bench()
    device = bench.device(profile="openwb", params={"chargepoint": 3})
    bench.broker.arrive(f"{OPENWB}/evse_current", "0")
    await device.write(_limit(None))
    assert bench.broker.sent == [(CURRENT, "16")]
