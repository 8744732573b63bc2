"""What is published of a moment: signs, units, unknown values, plain words in two languages."""

from dataclasses import replace
from datetime import timedelta

import pytest

from eebus.usecases.limit_rules import LimitState
from hems.control.execution import Obedience
from hems.control.status import BudgetStatus
from hems.devices import Direction, Kind
from hems.limits.ceilings import Basis, CeilingKind
from hems.limits.reason import Reason
from hems.limits.sources.user import USER_SOURCE, user_ceiling
from hems.metering.measurements import Quality
from hems.northbound.home_assistant.entities import appliance_entities, gateway_entities
from hems.northbound.home_assistant.site import Appliance
from hems.northbound.home_assistant.words import (
    Language,
    following_word,
    name_of,
    source_word,
    state_word,
)
from hems.northbound.mqtt.payloads import (
    STARTING_S,
    device_measurement,
    device_state,
    gateway_measurement,
    gateway_state,
)
from hems.northbound.view import warnings_of
from tests.unit.hems_mqtt.house import (
    BY_BOX,
    CONTROL,
    DEVICES,
    ENERGIES_WH,
    FAILSAFE,
    FREE,
    MOST_W,
    NO_FEED_IN_LIMIT,
    NOW,
    SITE,
    a_moment,
    lane,
    side,
)

EN, DE = Language.EN, Language.DE


def test_a_limit_is_told_with_its_source_reason_state_and_end() -> None:
    state = gateway_state(a_moment(), EN, MOST_W)
    assert state["consumption_limit_w"] == 4200
    assert state["consumption_source"] == "grid operator"
    assert state["consumption_reason"] == "the grid operator limits consumption to 4.20 kW (LPC-910)"
    assert state["consumption_state"] == "limited by the grid operator"
    assert state["consumption_until"] == "2026-01-31T10:05:00+00:00"
    assert state["consumption_state_details"]["rule"] == "LPC-910"
    assert (state["limited"], state["failsafe"], state["problem"]) == ("ON", "OFF", "OFF")
    assert state["control_box_connected"] == "ON"
    assert state["own_limit_w"] == MOST_W


def test_no_limit_is_unknown_and_never_0() -> None:
    state = gateway_state(a_moment(), DE, MOST_W)
    assert state["production_limit_w"] is None
    assert state["production_source"] == "keine"
    assert state["production_reason"] == "the control box does not limit feed-in (LPP-901)"
    assert state["production_state"] == "unbegrenzt, Steuerbox führt"


def test_a_limit_of_0_w_is_0() -> None:
    control = replace(CONTROL, ceilings=(replace(BY_BOX, value_w=0.0),))
    assert gateway_state(a_moment(control=control), EN, MOST_W)["consumption_limit_w"] == 0


def test_failsafe_is_a_state_of_its_own() -> None:
    ceiling = replace(BY_BOX, kind=CeilingKind.SELF_IMPOSED)
    state = gateway_state(a_moment(FAILSAFE, control=replace(CONTROL, ceilings=(ceiling,))), DE, MOST_W)
    assert state["failsafe"] == "ON"
    assert state["consumption_state"] == "Notbetrieb, die Steuerbox schweigt"
    assert state["consumption_source"] == "Notbetriebswert"


def test_the_start_is_no_failsafe_and_one_direction_may_wait_longer_for_its_limit() -> None:
    ceiling = replace(BY_BOX, kind=CeilingKind.SELF_IMPOSED)
    starting = replace(FAILSAFE, state=LimitState.INIT)
    alone = gateway_state(a_moment(starting, control=replace(CONTROL, ceilings=(ceiling,))), EN, MOST_W)
    assert (alone["failsafe"], alone["limited"]) == ("OFF", "ON")
    moment = a_moment()
    system = replace(moment.system, production=starting)
    assert gateway_state(replace(moment, system=system), EN, MOST_W)["failsafe"] == "OFF"


def test_failsafe_is_a_problem() -> None:
    state = gateway_state(a_moment(FAILSAFE, warnings=("the disk is stuck",)), EN, MOST_W)
    assert state["problem"] == "ON"
    assert state["problems"]["reasons"] == ["failsafe, the Steuerbox is silent", "the disk is stuck"]


def _just_started(seconds: float, *more: str) -> dict[str, object]:
    """A gateway so young that has reached neither its wallbox nor its meter."""
    waiting = replace(DEVICES[0], connected=False, trouble="not connected yet")
    control = replace(CONTROL, devices=(waiting,), grid_quality=Quality.STALE, grid_trouble="")
    moment = a_moment(control=control, warnings=(*warnings_of(control), *more))
    return gateway_state(replace(moment, started_at=NOW - timedelta(seconds=seconds)), EN, MOST_W)


def test_who_has_not_been_reached_in_the_first_seconds_is_no_problem_yet() -> None:
    assert (_just_started(1.0)["problem"], _just_started(1.0)["problems"]) == ("OFF", {"reasons": []})
    assert _just_started(STARTING_S)["problems"] == {
        "reasons": [
            "wallbox is not reachable: not connected yet",
            "no reading of the grid meter: it is silent",
        ]
    }


def test_other_troubles_are_problems_from_the_first_second_on() -> None:
    assert _just_started(1.0, "the disk is stuck")["problems"] == {"reasons": ["the disk is stuck"]}


def test_the_end_shown_is_that_of_the_limit_shown() -> None:
    own = user_ceiling(3000.0, "MQTT", 990.0)
    budget = BudgetStatus(USER_SOURCE, 3000.0, None, Reason("budget", ""))
    control = replace(CONTROL, ceilings=(BY_BOX, own), sides=(side(Direction.CONSUMPTION, budget),))
    assert gateway_state(a_moment(control=control), EN, MOST_W)["consumption_until"] is None


def test_an_own_limit_that_binds_is_named() -> None:
    own = user_ceiling(3000.0, "MQTT", 990.0)
    budget = BudgetStatus(USER_SOURCE, 3000.0, None, Reason("budget", ""))
    control = replace(CONTROL, ceilings=(BY_BOX, own), sides=(side(Direction.CONSUMPTION, budget),))
    state = gateway_state(a_moment(control=control, own_limit_w=3000.0), EN, MOST_W)
    assert (state["consumption_limit_w"], state["consumption_source"]) == (3000, "own limit")
    assert state["consumption_reason"] == "an own limit of 3.00 kW was set by MQTT"
    assert state["own_limit_w"] == 3000


def test_nothing_limits_at_all() -> None:
    control = replace(CONTROL, ceilings=(), sides=(side(Direction.CONSUMPTION),))
    state = gateway_state(a_moment(FREE, control=control), EN, MOST_W)
    assert (state["limited"], state["consumption_limit_w"], state["consumption_reason"]) == (
        "OFF",
        None,
        None,
    )


FUSE = replace(
    BY_BOX,
    source="protection/fuse",
    value_w=24_150.0,
    basis=Basis.CONNECTION,
    kind=CeilingKind.PROTECTION,
    reason=Reason("protection", "the house fuse carries 3 x 35 A"),
)


def test_a_fuse_is_no_limit() -> None:
    budget = BudgetStatus(FUSE.source, 20_000.0, None, Reason("left", ""))
    control = replace(CONTROL, ceilings=(FUSE,), sides=(side(Direction.CONSUMPTION, budget),))
    moment = a_moment(FREE, control=control)
    state = gateway_state(moment, EN, MOST_W)
    assert (state["limited"], state["consumption_limit_w"], state["consumption_source"]) == (
        "OFF",
        None,
        "none",
    )
    assert gateway_measurement(moment, None)["consumption_allowed_w"] is None


def test_a_statutory_cap_is_a_feed_in_limit_but_nothing_is_limited_by_an_order() -> None:
    cap = replace(NO_FEED_IN_LIMIT, source="cap", value_w=6000.0, kind=CeilingKind.STATUTORY)
    budget = BudgetStatus("cap", 6000.0, None, Reason("cap", ""))
    control = replace(CONTROL, ceilings=(cap,), sides=(side(Direction.PRODUCTION, budget),))
    state = gateway_state(a_moment(FREE, control=control), DE, MOST_W)
    assert (state["production_limit_w"], state["production_source"], state["limited"]) == (
        6000,
        "Gesetz",
        "OFF",
    )


def test_a_limit_of_the_whole_house_is_shown_rather_than_that_of_one_device() -> None:
    one = replace(BY_BOX, source="relay", value_w=1500.0, devices=frozenset({"wallbox"}))
    budgets = [BudgetStatus(c.source, c.value_w or 0.0, None, Reason("b", "")) for c in (one, BY_BOX)]
    control = replace(CONTROL, ceilings=(one, BY_BOX), sides=(side(Direction.CONSUMPTION, *budgets),))
    assert gateway_state(a_moment(control=control), EN, MOST_W)["consumption_limit_w"] == 4200
    alone = replace(control, sides=(side(Direction.CONSUMPTION, budgets[0]),))
    assert gateway_state(a_moment(control=alone), EN, MOST_W)["consumption_limit_w"] == 1500


def test_problems_are_listed() -> None:
    state = gateway_state(a_moment(warnings=("the wallbox\nis not reachable",)), EN, MOST_W)
    assert (state["problem"], state["problems"]) == ("ON", {"reasons": ["the wallbox is not reachable"]})


def test_signs_and_sums_are_those_of_the_energy_dashboard() -> None:
    measured = gateway_measurement(a_moment(), 5_000_000.0)
    assert measured["grid_power_w"] == 1200
    assert measured["house_power_w"] == 1200 + 3000 + 500
    assert (measured["grid_imported_kwh"], measured["grid_exported_kwh"]) == (5000.0, 2000.0)
    assert measured["house_energy_kwh"] == 5000.0
    wallbox, roof, battery = (device_measurement(device, ENERGIES_WH) for device in DEVICES)
    assert wallbox == {"power_w": 4000, "energy_kwh": 1234.568}
    assert roof == {"production_power_w": 3000, "production_energy_kwh": 3000.0}
    assert battery == {"battery_power_w": 500, "charged_energy_kwh": 600.0, "discharged_energy_kwh": 500.0}


def test_what_was_never_counted_is_unknown_and_not_0() -> None:
    measured = gateway_measurement(a_moment(energies_wh={}), None)
    assert (measured["grid_imported_kwh"], measured["house_energy_kwh"]) == (None, None)
    assert device_measurement(DEVICES[0], {})["energy_kwh"] is None


def test_a_silent_meter_is_unknown() -> None:
    measured = gateway_measurement(a_moment(control=replace(CONTROL, grid_quality=Quality.STALE)), None)
    assert (measured["grid_power_w"], measured["house_power_w"]) == (None, None)
    assert measured["grid_imported_kwh"] == 5000.0


def test_a_silent_inverter_makes_the_house_unknown() -> None:
    roof = replace(DEVICES[1], sample_age_s=31.0)
    control = replace(CONTROL, devices=(DEVICES[0], roof, DEVICES[2]))
    assert gateway_measurement(a_moment(control=control), None)["house_power_w"] is None
    assert device_measurement(roof, ENERGIES_WH)["production_power_w"] is None


def test_the_heartbeat_moves_in_steps() -> None:
    assert gateway_measurement(a_moment(), None)["heartbeat_age_s"] == 20
    assert gateway_measurement(a_moment(heartbeat_age_s=None), None)["heartbeat_age_s"] is None


def test_a_device_tells_its_setpoint_reason_and_effect() -> None:
    assert device_state(DEVICES[0], EN) == {
        "connected": "ON",
        "connection": {"trouble": ""},
        "device_state": "charging",
        "consumption_setpoint_w": 4140,
        "consumption_setpoint_reason": "4.14 kW: all that is left of the budget",
        "consumption_following": "measured at or below",
    }


def test_a_free_device_has_no_setpoint_and_a_stopped_one_has_0() -> None:
    assert device_state(DEVICES[1], EN)["production_setpoint_w"] is None
    assert device_state(DEVICES[2], EN)["consumption_setpoint_w"] == 0


def test_an_unreachable_device_keeps_its_setpoint_and_tells_why() -> None:
    away = replace(
        DEVICES[0],
        connected=False,
        trouble="no answer",
        lanes=(replace(lane(Direction.CONSUMPTION), obedience=Obedience.UNREACHABLE, why=None),),
    )
    state = device_state(away, DE)
    assert (state["connected"], state["connection"]) == ("OFF", {"trouble": "no answer"})
    assert state["consumption_setpoint_w"] == 4140
    assert state["consumption_setpoint_reason"] == "measured at 4.00 kW"
    assert state["consumption_following"] == "nicht erreichbar"
    assert device_measurement(away, ENERGIES_WH)["power_w"] is None


def test_a_long_reason_fits_into_a_state() -> None:
    long = replace(lane(Direction.CONSUMPTION), why=Reason("long", "x" * 400))
    state = device_state(replace(DEVICES[0], lanes=(long,)), EN)
    assert len(state["consumption_setpoint_reason"]) == 250


@pytest.mark.parametrize("language", list(Language))
def test_every_word_exists_in_both_languages(language: Language) -> None:
    assert all(state_word(state, language) for state in LimitState)
    assert all(source_word(kind, language) for kind in CeilingKind)
    assert all(following_word(obedience, language) for obedience in Obedience)
    both = (Direction.CONSUMPTION, Direction.PRODUCTION)
    entities = [*gateway_entities(SITE)]
    for kind in Kind:
        entities += appliance_entities(Appliance("x", kind, both))
    assert all(name_of(entity.key, language) for entity in entities)
