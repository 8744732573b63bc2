"""A house at a real broker: limits of the Steuerbox hold at its grid meter, whatever its devices do wrong.

All tests share one house, in whose time a minute takes a few seconds (`patient_time`). Each begins with
everybody well and as much power as the limit of 12 kW leaves.
"""

from collections.abc import Iterator

import pytest

from tests.integration.mqtt.broker_house import LOAD_W, BrokerHouse, broker_house, lived

ENOUGH_W, LESS_W = 12_000.0, 10_000.0
WELL = [6900.0, 4000.0, 1100.0]
"""What the limit of 12 kW leaves for wallbox (10 A), heat pump and battery, in their priority."""
LESS = [6900.0, 3100.0, 0.0]
"""The same for 10 kW."""
REACTION_S = 30.0
"""The longest time in which a limit must have become true."""
RECOVERY_S = 150.0
NOISE_W, NEAR_W = 1.0, 60.0
"""No official tolerance; and what is too little for another write."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerHouse]:
    """Started once: that takes longer than any of the tests."""
    with broker_house(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def home(house: BrokerHouse) -> BrokerHouse:
    """The house with everybody well, and the limit that leaves power for all three."""

    async def recovered() -> None:
        house.heal()
        await house.limit(ENOUGH_W)
        await house.until(lambda: _all_well(house), RECOVERY_S)

    house.runner.run(recovered())
    house.events.clear()
    return house


def _all_well(home: BrokerHouse) -> bool:
    states = {home.order(name)["state"] for name in ("wallbox", "heat_pump", "battery")}
    takes_all = home.drawn_w == pytest.approx(ENOUGH_W, abs=NEAR_W)
    return (
        takes_all and home.told() == pytest.approx(WELL, abs=NEAR_W) and states <= {"confirmed", "effective"}
    )


async def _becomes_true(home: BrokerHouse, limit_w: float) -> float:
    """Within the reaction time the devices draw no more, by the flow at the meter."""
    return await home.until(lambda: home.drawn_w <= limit_w + NOISE_W, REACTION_S)


@lived
async def test_a_limit_reaches_the_topics_and_is_true_at_the_meter_within_the_reaction_time(
    home: BrokerHouse,
) -> None:
    await home.limit(6000.0)
    await _becomes_true(home, 6000.0)
    await home.until(lambda: home.status["meter"]["power_w"] <= 6000.0 + LOAD_W + NOISE_W, 5.0)
    assert {unit: home.payloads(unit)[-1] for unit in ("mqtt-wallbox", "mqtt-heat-pump", "mqtt-battery")} == {
        "mqtt-wallbox": "8",
        "mqtt-heat-pump": "480",
        "mqtt-battery": "0",
    }


@lived
@pytest.mark.parametrize(
    ("fault", "shows_w", "wallbox_w", "says"),
    [
        ("ignore_writes", 4000.0, 5520.0, "it does not follow: it holds 4.00 kW instead of 3.10 kW"),
        ("clip", 3500.0, 6210.0, "it does not follow: it holds 3.50 kW instead of 3.10 kW"),
        ("stuck", 4000.0, 5520.0, "it does not follow: it holds 4.00 kW instead of 3.10 kW"),
    ],
    ids=["ignores", "clips", "shows old values"],
)
async def test_others_give_way_to_a_device_that_does_not_obey_and_the_warning_names_it(
    home: BrokerHouse, fault: str, shows_w: float, wallbox_w: float, says: str
) -> None:
    home.tell("mqtt-heat-pump", "set", clip_w=3500)
    home.tell("mqtt-heat-pump", "fault", fault=fault)
    await home.limit(LESS_W)
    await _becomes_true(home, LESS_W)
    await home.until(lambda: home.told()[0] == wallbox_w, REACTION_S)
    await home.stays(lambda: home.drawn_w <= LESS_W + NOISE_W, 10.0)
    heat_pump = home.order("heat_pump")
    assert (heat_pump["state"], heat_pump["standing"]) == ("disobeying", says)
    assert heat_pump["measured_w"] == pytest.approx(shows_w, abs=NEAR_W)
    assert home.warnings("heat_pump") == [
        "heat_pump does not keep to its set-point for consumption; others make up for it as far as they can"
    ]


@lived
async def test_a_device_that_answers_late_is_no_liar(home: BrokerHouse) -> None:
    home.tell("mqtt-heat-pump", "fault", fault="slow", seconds=7)
    await home.limit(LESS_W)
    await _becomes_true(home, LESS_W)
    await home.until(lambda: home.order("heat_pump")["state"] in ("confirmed", "effective"), REACTION_S)
    await home.stays(lambda: home.told() == LESS and home.device("heat_pump")["connected"], 15.0)


@lived
@pytest.mark.parametrize(
    ("unit", "away_s", "again"),
    [("mqtt-heat-pump", 5.0, "3100"), ("mqtt-wallbox", 20.0, "8")],
    ids=["heat pump", "wallbox"],
)
async def test_a_device_that_restarts_is_told_again(
    home: BrokerHouse, unit: str, away_s: float, again: str
) -> None:
    """Domain trap 23."""
    limit_w = 6000.0 if unit == "mqtt-wallbox" else LESS_W
    await home.limit(limit_w)
    await _becomes_true(home, limit_w)
    home.events.clear()
    home.tell(unit, "reboot", seconds=away_s)
    await home.until(lambda: again in home.payloads(unit), away_s + REACTION_S)
    await _becomes_true(home, limit_w)


@lived
async def test_a_silent_device_is_counted_with_what_it_holds_and_then_with_its_fallback(
    home: BrokerHouse,
) -> None:
    home.tell("mqtt-heat-pump", "fault", fault="mute")
    await home.until(lambda: home.order("heat_pump")["state"] == "unreachable", 25.0)
    assert "set aside for it, until its own watchdog has run out" in home.order("heat_pump")["standing"]
    assert home.told()[2] == pytest.approx(WELL[2], abs=NEAR_W), "nobody gets what it may still draw"
    await home.until(lambda: "its own fallback holds" in home.order("heat_pump")["standing"], 45.0)
    await home.until(lambda: home.told()[2] == 5000.0, 10.0)
    assert home.simulated.house.heat_pumps[0].power_w == 0.0
    assert home.drawn_w <= ENOUGH_W + NOISE_W


@lived
async def test_a_silent_device_without_a_fallback_is_counted_for_ever(home: BrokerHouse) -> None:
    home.tell("mqtt-wallbox", "fault", fault="unreachable")
    await home.until(lambda: home.order("wallbox")["state"] == "unreachable", 60.0)
    await home.limit(LESS_W)
    await _becomes_true(home, LESS_W)
    assert "6.90 kW are set aside for it, it may keep that for ever" in home.order("wallbox")["standing"]
    assert home.told()[1:] == LESS[1:]


@lived
async def test_a_late_and_a_silent_meter_earn_no_credit(home: BrokerHouse) -> None:
    home.sun(10_000.0)
    await home.until(lambda: home.credit_w > 0.0 and home.drawn_w > ENOUGH_W + NOISE_W, 120.0)
    home.tell("mqtt-meter", "fault", fault="slow", seconds=9)
    await home.until(lambda: _says_no_meter(home), 20.0)
    await _becomes_true(home, ENOUGH_W)
    await home.stays(lambda: home.credit_w == 0.0 and home.drawn_w <= ENOUGH_W + NOISE_W, 20.0)
    home.tell("mqtt-meter", "fault", fault="unreachable")
    await home.until(lambda: _says_no_meter(home), 20.0)
    await home.stays(lambda: _says_no_meter(home) and home.drawn_w <= ENOUGH_W + NOISE_W, 10.0)


def _says_no_meter(home: BrokerHouse) -> bool:
    return home.credit_w == 0.0 and all(
        "credit 0 (no meter reading of the last 5 s)" in home.order(name)["reason"]
        for name in ("wallbox", "heat_pump", "battery")
    )


@lived
async def test_others_give_way_to_a_device_that_takes_more_than_it_shows_to_hold(home: BrokerHouse) -> None:
    """The last one: what is learned of the device is remembered for minutes."""
    home.tell("mqtt-heat-pump", "fault", fault="no_effect")
    await home.limit(LESS_W)
    await _becomes_true(home, LESS_W)
    await home.stays(lambda: home.drawn_w <= LESS_W + NOISE_W, 10.0)
    assert home.told()[0] == 5520.0
    assert home.order("heat_pump")["state"] == "disobeying"
    assert "measured at 4.00 kW, above its set-point" in home.order("heat_pump")["standing"]
