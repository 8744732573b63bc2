"""Every entity's document against the rules of Home Assistant, and the contract of ids."""

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from hems.devices import Direction, Kind
from hems.northbound.home_assistant.documents import device_messages, documents, single_messages
from hems.northbound.home_assistant.entities import appliance_entities, gateway_entities
from hems.northbound.home_assistant.rules import faults_of_all, faults_of_device, faults_of_single
from hems.northbound.home_assistant.site import Appliance, Site
from hems.northbound.home_assistant.words import Language
from hems.northbound.mqtt.payloads import (
    device_measurement,
    device_state,
    gateway_measurement,
    gateway_state,
)
from tests.unit.hems_mqtt.house import DEVICES, MOST_W, SITE, TOPICS, a_moment

BOTH = (Direction.CONSUMPTION, Direction.PRODUCTION)
SITES = [
    SITE,
    replace(SITE, appliances=(), has_meter=False, own_limit_most_w=None),
    replace(SITE, directions=(Direction.PRODUCTION,)),
    replace(SITE, appliances=tuple(Appliance(f"d_{kind}", kind, BOTH) for kind in Kind)),
]


def _device_form(site: Site, language: Language) -> dict[str, str]:
    return {
        topic: payload
        for document in documents(site, language)
        for topic, payload in device_messages(document, "homeassistant").items()
    }


def _single_form(site: Site, language: Language) -> dict[str, str]:
    return {
        topic: payload
        for document in documents(site, language)
        for topic, payload in single_messages(document, "homeassistant").items()
    }


@pytest.mark.parametrize(("site", "language"), list(product(SITES, Language)))
def test_every_document_keeps_every_rule_in_both_forms(site: Site, language: Language) -> None:
    device_form, single_form = _device_form(site, language), _single_form(site, language)
    assert [faults_of_device(*each) for each in device_form.items()] == [[]] * len(device_form)
    assert [faults_of_single(*each) for each in single_form.items()] == [[]] * len(single_form)
    assert faults_of_all(device_form) == faults_of_all(single_form) == []
    assert len(device_form) == 1 + len(site.appliances)


def test_in_the_single_form_a_missing_time_is_a_word_because_older_releases_warn_about_null() -> None:
    until = "sensor/hems_g1/consumption_until/config"
    component = json.loads(_single_form(SITE, Language.EN)[f"homeassistant/{until}"])
    assert "device_class" not in component
    assert component["value_template"] == "{{ value_json.consumption_until or 'unknown' }}"


def test_the_gateway_comes_first_and_its_devices_hang_below_it() -> None:
    devices = [json.loads(payload)["device"] for payload in _device_form(SITE, Language.EN).values()]
    assert [device.get("via_device") for device in devices] == [None, "hems_g1", "hems_g1", "hems_g1"]
    assert devices[0]["identifiers"] == ["hems_g1"]


def test_ids_do_not_depend_on_the_language_and_names_do() -> None:
    english = [document.components for document in documents(SITE, Language.EN)]
    german = [document.components for document in documents(SITE, Language.DE)]
    assert english != german
    for one, other in zip(english, german, strict=True):
        assert _without_names(one) == _without_names(other)


def _without_names(components: Any) -> Any:
    return {
        key: {member: value for member, value in component.items() if member != "name"}
        for key, component in components.items()
    }


def test_a_dash_in_a_name_makes_no_illegal_entity_id() -> None:
    roof = documents(SITE, Language.EN)[2].components["production_power"]
    assert roof["default_entity_id"] == "sensor.hems_roof_1_production_power"
    assert roof["unique_id"] == "hems_g1_roof-1_production_power"


def test_measured_values_need_the_device_and_decisions_only_the_gateway() -> None:
    wallbox = documents(SITE, Language.EN)[1].components
    gateway, own = {"topic": TOPICS.status}, {"topic": TOPICS.device("wallbox").status}
    assert wallbox["power"]["availability"] == [gateway, own]
    assert wallbox["energy"]["availability"] == [gateway, own]
    for key in ("connected", "consumption_setpoint", "consumption_setpoint_reason"):
        assert wallbox[key]["availability"] == [gateway]
    assert all(component["availability_mode"] == "all" for component in wallbox.values())


def test_the_number_is_only_there_with_commands() -> None:
    assert documents(SITE, Language.EN)[0].components["own_limit"]["max"] == MOST_W
    without = replace(SITE, own_limit_most_w=None)
    assert "own_limit" not in documents(without, Language.EN)[0].components


def test_a_key_has_one_platform_for_all_kinds_of_devices() -> None:
    appliances = [Appliance("d", kind, BOTH) for kind in Kind]
    for entities in [gateway_entities(SITE), *map(appliance_entities, appliances)]:
        keys = [entity.key for entity in entities]
        assert len(keys) == len(set(keys))
    platforms = {(entity.key, entity.platform) for each in appliances for entity in appliance_entities(each)}
    assert len(platforms) == len({key for key, _ in platforms})


@pytest.mark.parametrize("language", list(Language))
def test_every_template_finds_its_member_in_what_is_published(language: Language) -> None:
    moment = a_moment()
    published: dict[str, dict[str, Any]] = {
        TOPICS.state: gateway_state(moment, language, MOST_W),
        TOPICS.measurement: gateway_measurement(moment, None),
    }
    for device in DEVICES:
        topics = TOPICS.device(device.name)
        published[topics.state] = device_state(device, language)
        published[topics.measurement] = device_measurement(device, moment.energies_wh)
    for document in documents(SITE, language):
        for key, component in document.components.items():
            for name in ("value_template", "json_attributes_template"):
                if name in component:
                    member = component[name].removeprefix("{{ value_json.").split()[0]
                    assert member in published[component["state_topic"]], key


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"unknown": 1}, "the root has the keys"),
        ({"device": {"name": "x"}}, "no identifiers"),
        ({"device": {"identifiers": ["x"]}}, "the device has no name"),
        ({"device": {"identifiers": ["x"], "name": "x", "model_id": "y"}}, "unknown key 'model_id'"),
        ({"device": {"identifiers": ["x"], "name": "x", "model": None}}, "null in 'model'"),
        ({"device": {"identifiers": ["x"], "name": "x", "configuration_url": "ftp://x"}}, "bad con"),
        ({"origin": {"sw_version": "1"}}, "the origin has no name"),
        ({"origin": {"name": "x", "foo": 1}}, "unknown key 'foo' in origin"),
    ],
)  # fmt: skip
def test_the_self_check_refuses_a_root_that_loses_the_device(change: dict[str, Any], fault: str) -> None:
    topic, payload = next(iter(_device_form(SITE, Language.EN).items()))
    faults = faults_of_device(topic, json.dumps(json.loads(payload) | change))
    assert any(fault in each for each in faults), faults


@pytest.mark.parametrize(
    ("key", "change", "fault"),
    [
        ("consumption_limit", {"unit_of_measurement": "Wh"}, "unit Wh does not fit"),
        ("consumption_limit", {"unit_of_measurement": None}, "null in 'unit_of_measurement'"),
        ("consumption_limit", {"device_class": "leistung"}, "unknown device class"),
        ("consumption_limit", {"state_class": "total"}, "state class total does not fit"),
        ("consumption_limit", {"entity_category": "config"}, "category config is not for sensor"),
        ("consumption_limit", {"icon": "flash"}, "bad icon"),
        ("consumption_limit", {"suggested_display_precision": -1}, "negative display precision"),
        ("consumption_limit", {"unique_id": ...}, "'unique_id' is missing"),
        ("consumption_limit", {"state_topic": ...}, "'state_topic' is missing"),
        ("consumption_limit", {"platform": "thermometer"}, "unknown platform"),
        ("consumption_limit", {"value_template": "{{ states('x') }}"}, "is not one of ours"),
        ("consumption_limit", {"availability": [{"topic": "a", "mode": 1}]}, "unknown key 'mode'"),
        ("consumption_limit", {"availability_topik": "a"}, "unknown key 'availability_topik'"),
        ("consumption_limit", {"default_entity_id": "number.x"}, "is not of the platform"),
        ("consumption_limit", {"default_entity_id": "x"}, "is not of the platform"),
        ("grid_imported", {"state_class": "measurement"}, "state class measurement does not fit"),
        ("started", {"unit_of_measurement": "s"}, "unit s does not fit"),
        ("problem", {"device_class": "trouble"}, "unknown device class trouble"),
        ("order", {"event_types": []}, "event types are missing"),
        ("own_limit", {"command_topic": "a/+/set"}, "is no topic to publish to"),
        ("own_limit", {"max": -1}, "min is above max"),
        ("own_limit", {"retain": True}, "commands must not be retained"),
        ("own_limit", {"command_topic": ...}, "'command_topic' is missing"),
    ],
)
def test_the_self_check_refuses_a_component_that_home_assistant_would_refuse(
    key: str, change: dict[str, Any], fault: str
) -> None:
    topic, payload = next(iter(_device_form(SITE, Language.EN).items()))
    document = json.loads(payload)
    changed = document["components"][key] | change
    document["components"][key] = {name: value for name, value in changed.items() if value is not ...}
    faults = faults_of_device(topic, json.dumps(document))
    assert any(fault in each for each in faults), faults


def test_the_self_check_sees_illegal_topics_and_doubled_ids() -> None:
    topic, payload = next(iter(_device_form(SITE, Language.EN).items()))
    assert faults_of_device("homeassistant/device/a.b/config", payload)
    assert faults_of_single("homeassistant/sensor/a/b:c/config", "")
    assert faults_of_all({topic: payload, "homeassistant/device/other/config": payload})
