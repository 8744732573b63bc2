"""Documents of former runs: tombstones, removed devices, and the move from one form to the other."""

import json
from dataclasses import replace

from hems.devices import Direction, Kind
from hems.northbound.home_assistant.documents import device_messages, documents, single_messages
from hems.northbound.home_assistant.housekeeping import Chores, Found, chores, own_document
from hems.northbound.home_assistant.site import Appliance, Site
from hems.northbound.home_assistant.words import Language
from tests.unit.hems_mqtt.house import SITE, TOPICS

PREFIX = "homeassistant"
WALLBOX_TOPIC = "homeassistant/device/hems_g1_wallbox/config"


def _lying(site: Site, *, single: bool = False) -> list[Found]:
    """What a gateway of this shape has left at the broker."""
    found = []
    for document in documents(site, Language.EN):
        messages = single_messages(document, PREFIX) if single else device_messages(document, PREFIX)
        found += [own_document(topic, payload, PREFIX, TOPICS) for topic, payload in messages.items()]
    assert None not in found
    return [each for each in found if each is not None]


def _chores(site: Site, found: list[Found], *, single: bool = False) -> Chores:
    return chores(documents(site, Language.EN), found, PREFIX, single=single)


def test_the_same_house_again_asks_for_nothing() -> None:
    due = _chores(SITE, _lying(SITE))
    assert (due.migrate, due.obsolete, due.gone) == ((), (), {})
    assert due.wanted == _chores(SITE, []).wanted


def test_a_component_that_vanishes_becomes_a_tombstone_and_stays_one() -> None:
    less = replace(SITE, own_limit_most_w=None)
    due = _chores(less, _lying(SITE))
    topic = "homeassistant/device/hems_g1/config"
    assert json.loads(due.wanted[topic])["components"]["own_limit"] == {"platform": "number"}
    again = own_document(topic, due.wanted[topic], PREFIX, TOPICS)
    assert again is not None
    assert json.loads(_chores(less, [again]).wanted[topic])["components"]["own_limit"] == {
        "platform": "number"
    }
    back = json.loads(_chores(SITE, [again]).wanted[topic])
    assert back["components"]["own_limit"]["unique_id"] == "hems_g1_own_limit"


def test_a_device_of_another_kind_under_the_same_name_leaves_no_component_behind() -> None:
    other = replace(SITE, appliances=(Appliance("wallbox", Kind.BATTERY, (Direction.CONSUMPTION,)),))
    components = json.loads(_chores(other, _lying(SITE)).wanted[WALLBOX_TOPIC])["components"]
    assert components["power"] == {"platform": "sensor"}
    assert components["battery_power"]["device_class"] == "power"


def test_a_removed_or_renamed_device_is_cleared() -> None:
    renamed = replace(SITE, appliances=(Appliance("garage", Kind.WALLBOX, (Direction.CONSUMPTION,)),))
    due = _chores(renamed, _lying(SITE))
    gone = {f"homeassistant/device/hems_g1_{name}/config" for name in ("wallbox", "roof-1", "battery")}
    assert set(due.obsolete) == set(due.gone) == gone
    assert json.loads(due.gone[WALLBOX_TOPIC])["device"]["identifiers"] == ["hems_g1_wallbox"]


def test_the_move_from_single_to_device_keeps_the_entities() -> None:
    due = _chores(SITE, _lying(SITE, single=True))
    assert "homeassistant/sensor/hems_g1_wallbox/power/config" in due.migrate
    assert set(due.migrate) == set(due.obsolete)
    assert due.gone == {}
    assert set(due.wanted) == set(_chores(SITE, []).wanted)


def test_the_move_back_from_device_to_single_keeps_them_too() -> None:
    due = _chores(SITE, _lying(SITE), single=True)
    assert WALLBOX_TOPIC in due.migrate
    assert set(due.migrate) == set(due.obsolete)
    assert due.gone == {}


def test_in_the_single_form_components_that_vanish_are_cleared_one_by_one() -> None:
    less = replace(SITE, own_limit_most_w=None)
    due = _chores(less, _lying(SITE, single=True), single=True)
    assert due.obsolete == ("homeassistant/number/hems_g1/own_limit/config",)
    assert due.migrate == ()


def test_a_component_that_vanished_before_the_move_is_not_kept() -> None:
    less = replace(SITE, own_limit_most_w=None)
    due = _chores(less, _lying(SITE, single=True))
    topic = "homeassistant/number/hems_g1/own_limit/config"
    assert topic not in due.migrate
    assert topic in due.gone


def test_documents_of_others_are_never_touched() -> None:
    topic, payload = next(iter(_chores(SITE, []).wanted.items()))
    document = json.loads(payload)
    assert own_document(topic, payload, PREFIX, TOPICS) is not None
    foreign = json.dumps(document | {"origin": {"name": "zigbee2mqtt"}})
    assert own_document(topic, foreign, PREFIX, TOPICS) is None
    assert own_document("homeassistant/device/hems_g2/config", payload, PREFIX, TOPICS) is None
    assert own_document("homeassistant/device/hems_g1/config", "not JSON", PREFIX, TOPICS) is None
    assert own_document("homeassistant/device/hems_g1/config", "[]", PREFIX, TOPICS) is None
    assert own_document("other/device/hems_g1/config/x/y", payload, PREFIX, TOPICS) is None


def test_a_gateway_whose_id_begins_like_ours_keeps_its_documents() -> None:
    other = replace(SITE, topics=replace(TOPICS, gateway="g1_cellar"))
    for document in documents(other, Language.EN):
        for topic, payload in device_messages(document, PREFIX).items():
            assert own_document(topic, payload, PREFIX, TOPICS) is None
