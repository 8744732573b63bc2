"""Grid meters by MQTT: only what is new and believable is a reading."""

import json

import pytest

from hems.devices import DeviceUnreachable
from tests.unit.adapters_mqtt.bench import Bench


async def test_plain_numbers_become_a_reading_with_the_time_of_their_message() -> None:
    bench = Bench()
    meter = bench.meter(params={"topic": "zaehler"})
    bench.broker.arrive("zaehler/energy_consumed_wh", "5000000", retained=True)
    bench.broker.arrive("zaehler/power_w", "-1530.5")
    bench.broker.arrive("zaehler/current_l1_a", "1")
    bench.broker.arrive("zaehler/current_l2_a", "2")
    await meter.connect()
    bench.clock.advance(3.0)
    sample = await meter.read()
    assert (sample.power_w, sample.at_s) == (-1530.5, 1000.0)
    assert sample.energy_consumed_wh == 5_000_000.0
    assert sample.energy_fed_in_wh is None
    assert sample.currents_a == (), "a list with a hole would shift the phases"
    bench.broker.arrive("zaehler/current_l3_a", "3")
    assert (await meter.read()).currents_a == (1.0, 2.0, 3.0)


async def test_a_meter_that_counts_export_positive_is_turned() -> None:
    bench = Bench()
    meter = bench.meter(params={"topic": "m", "sign": -1})
    bench.broker.arrive("m/power_w", "700")
    assert (await meter.read()).power_w == -700.0


async def test_a_retained_power_is_no_sign_of_life() -> None:
    bench = Bench()
    meter = bench.meter(params={"topic": "m"})
    bench.broker.arrive("m/power_w", "700", retained=True)
    with pytest.raises(DeviceUnreachable, match="no message that is not retained; it should publish on m/"):
        await meter.connect()
    with pytest.raises(DeviceUnreachable):
        await meter.read()


async def test_an_old_power_is_not_read_even_while_the_counter_goes_on() -> None:
    bench = Bench()
    meter = bench.meter(params={"topic": "m"})
    bench.broker.arrive("m/power_w", "700")
    bench.clock.advance(10.1)
    bench.broker.arrive("m/energy_consumed_wh", "1")
    with pytest.raises(DeviceUnreachable, match="no message for 10 s"):
        await meter.read()
    bench.broker.arrive("m/power_w", "701")
    assert (await meter.read()).power_w == 701.0


async def test_without_a_broker_nothing_is_fresh() -> None:
    bench = Bench()
    meter = bench.meter(params={"topic": "m"})
    bench.broker.arrive("m/power_w", "700")
    bench.broker.trouble = "nothing listens there"
    with pytest.raises(DeviceUnreachable, match="no MQTT broker: nothing listens there"):
        await meter.read()
    with pytest.raises(DeviceUnreachable):
        await meter.connect()


@pytest.mark.parametrize("payload", ["abc", "", "NaN", "inf", "1,5", "null", b"\xff", "1e9", "{}", "true"])
async def test_what_is_no_believable_number_is_no_reading(payload: str | bytes) -> None:
    bench = Bench()
    meter = bench.meter(params={"topic": "m"})
    bench.broker.arrive("m/power_w", "700")
    bench.broker.arrive("m/power_w", payload)
    with pytest.raises(DeviceUnreachable):
        await meter.read()


async def test_a_json_document_is_read_by_paths() -> None:
    bench = Bench()
    meter = bench.meter(profile="json-meter", params={"topic": "tele/m/SENSOR"})
    document = {"Time": "x", "SML": {"Power": 412, "Total_in": 5000.123, "Total_out": 2.5}}
    bench.broker.arrive("tele/m/SENSOR", json.dumps(document))
    sample = await meter.read()
    assert sample.power_w == 412.0
    assert sample.energy_consumed_wh == pytest.approx(5_000_123.0)
    assert sample.energy_fed_in_wh == 2500.0


@pytest.mark.parametrize(
    "payload", ["[1]", '{"SML": 5}', '{"SML": {"Power": "x"}}', '{"SML": {"Power": true}}', "{"]
)
async def test_a_document_without_the_member_is_no_reading(payload: str) -> None:
    bench = Bench()
    meter = bench.meter(profile="json-meter", params={"topic": "t"})
    bench.broker.arrive("t", payload)
    with pytest.raises(DeviceUnreachable):
        await meter.read()
