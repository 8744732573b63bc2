"""What lies at the broker after anything that can happen, without a broker."""

import json
from dataclasses import replace

import pytest

from eebus.ids import Ski
from eebus.usecases.events import OrderReceived
from eebus.usecases.limitation import Direction as UseCaseDirection
from hems.control.status import LaneStatus
from hems.devices import Direction, Kind
from hems.limits.reason import Reason
from hems.northbound.home_assistant.site import Appliance
from hems.northbound.moment import Moment
from hems.northbound.mqtt.payloads import GONE
from hems.northbound.mqtt.refusals import SILENCE_S
from hems.northbound.mqtt.service import READ_BACK_S, REASON_INTERVAL_S, SETTLE_S, SIGN_OF_LIFE_S
from tests.unit.hems_mqtt.house import CONTROL, DEVICES, SITE, TOPICS, Bench, MemoryBroker, a_moment, lane

STATUS = "homeassistant/status"
GATEWAY_DOCUMENT = "homeassistant/device/hems_g1/config"
WALLBOX_DOCUMENT = "homeassistant/device/hems_g1_wallbox/config"


def test_documents_come_before_statuses_and_statuses_before_states() -> None:
    bench = Bench()
    bench.connect()
    topics = bench.broker.topics_sent()
    kinds = ["document" if t.endswith("/config") else t.rpartition("/")[2] for t in topics]
    assert topics[0] == GATEWAY_DOCUMENT
    assert kinds == ["document"] * 4 + ["status"] * 3 + ["state"] * 4 + ["measurement"] * 4


def test_nothing_is_published_before_the_broker_has_told_what_it_retains() -> None:
    bench = Bench()
    bench.broker.connect(TOPICS.status, echo=False)
    bench.service.turn()
    assert bench.broker.sent == []


def test_a_broker_that_hides_our_own_status_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.broker.connect(TOPICS.status, echo=False)
    bench.after(READ_BACK_S)
    assert bench.broker.topics_sent()[0] == GATEWAY_DOCUMENT
    assert [record.message for record in caplog.records if "access list" in record.message] != []
    caplog.clear()
    bench.after(1.0)
    assert caplog.records == []


def test_what_has_not_changed_is_not_published_again() -> None:
    bench = Bench()
    bench.connect()
    bench.broker.topics_sent()
    bench.after(2.0)
    assert bench.broker.topics_sent() == []


def test_an_acknowledged_message_now_and_then_shows_a_frozen_broker() -> None:
    bench = Bench()
    bench.connect()
    bench.broker.topics_sent()
    bench.after(SIGN_OF_LIFE_S)
    assert [(m.topic, m.qos) for m in bench.broker.sent] == [(TOPICS.measurement, 1)]


def test_a_reason_that_only_tells_new_figures_waits_and_everything_else_does_not() -> None:
    bench = Bench()
    bench.connect()
    bench.broker.topics_sent()
    state = TOPICS.device("wallbox").state
    bench.gateway.now = _with_wallbox(replace(_LANE, why=Reason("share", "4.14 kW: 7 s to go")))
    bench.after(REASON_INTERVAL_S - 2.0)
    assert state not in bench.broker.topics_sent()
    bench.gateway.now = _with_wallbox(replace(_LANE, setpoint_w=2000.0))
    bench.after(1.0)
    assert state in bench.broker.topics_sent()
    bench.gateway.now = _with_wallbox(replace(_LANE, setpoint_w=2000.0, why=Reason("share", "6 s to go")))
    bench.after(REASON_INTERVAL_S)
    assert "6 s to go" in bench.broker.retained[state]


_LANE = lane(Direction.CONSUMPTION)


def _with_wallbox(told: LaneStatus) -> Moment:
    return a_moment(control=replace(CONTROL, devices=(replace(DEVICES[0], lanes=(told,)), *DEVICES[1:])))


def test_noisy_values_wait_for_their_interval() -> None:
    bench = Bench(measurement_interval_s=5.0)
    bench.connect()
    bench.broker.topics_sent()
    bench.gateway.now = a_moment(control=replace(CONTROL, grid_power_w=1300.0))
    bench.after(4.0)
    assert bench.broker.topics_sent() == []
    bench.after(1.0)
    assert bench.broker.topics_sent() == [TOPICS.measurement]


def _order() -> OrderReceived:
    return OrderReceived(
        UseCaseDirection.CONSUMPTION, Ski("a" * 40), 1, 4200.0, True, None, True, "activated", "LPC-910", 1.0
    )


def test_an_order_is_published_at_once_with_all_that_follows() -> None:
    bench = Bench(measurement_interval_s=60.0)
    bench.connect()
    bench.broker.topics_sent()
    bench.gateway.now = a_moment(own_limit_w=1.0, control=replace(CONTROL, grid_power_w=0.0))
    bench.service.hear(_order())
    bench.service.turn()
    assert bench.broker.topics_sent() == [TOPICS.event, TOPICS.state, TOPICS.measurement]


def test_events_are_not_retained_and_carry_their_type() -> None:
    bench = Bench()
    bench.connect()
    bench.service.hear(_order())
    (event,) = [message for message in bench.broker.sent if message.topic == TOPICS.event]
    assert not event.retain
    assert json.loads(event.payload)["event_type"] == "limit"


def test_a_device_that_does_not_answer_is_offline() -> None:
    bench = Bench()
    away = replace(DEVICES[0], connected=False, trouble="no answer")
    bench.gateway.now = a_moment(control=replace(CONTROL, devices=(away, *DEVICES[1:])))
    bench.connect()
    assert bench.broker.retained[TOPICS.device("wallbox").status] == "offline"
    assert bench.broker.retained[TOPICS.device("battery").status] == "online"
    assert bench.broker.retained[TOPICS.status] == "online"


def test_a_broker_that_forgot_everything_gets_everything_again() -> None:
    bench = Bench()
    bench.connect()
    before = dict(bench.broker.retained)
    bench.broker.retained.clear()
    bench.connect()
    assert bench.broker.retained == before


def test_the_birth_of_home_assistant_makes_all_come_again_a_moment_later() -> None:
    bench = Bench()
    bench.connect()
    bench.broker.topics_sent()
    bench.broker.arrive(STATUS, "online")
    bench.service.turn()
    assert bench.broker.topics_sent() == []
    bench.after(1.0)
    topics = bench.broker.topics_sent()
    assert topics[0] == GATEWAY_DOCUMENT
    assert {TOPICS.state, TOPICS.device("wallbox").state, TOPICS.device("wallbox").status} <= set(topics)


def test_the_death_of_home_assistant_changes_nothing() -> None:
    bench = Bench()
    bench.connect()
    bench.broker.topics_sent()
    bench.broker.arrive(STATUS, "offline")
    bench.after(2.0)
    assert bench.broker.topics_sent() == []


def test_without_home_assistant_states_are_published_all_the_same() -> None:
    bench = Bench(home_assistant={"enabled": False})
    bench.connect()
    assert not [topic for topic in bench.broker.retained if topic.startswith("homeassistant/")]
    assert TOPICS.state in bench.broker.retained


def _renamed(broker: MemoryBroker) -> Bench:
    """The same house after a restart in which the wallbox was renamed."""
    bench = Bench(broker)
    garage = Appliance("garage", Kind.WALLBOX, (Direction.CONSUMPTION,))
    bench.gateway.shape = replace(SITE, appliances=(garage, *SITE.appliances[1:]))
    devices = (replace(DEVICES[0], name="garage"), *DEVICES[1:])
    bench.gateway.now = a_moment(control=replace(CONTROL, devices=devices))
    return bench


def test_a_renamed_device_leaves_nothing_behind_and_its_document_goes_first() -> None:
    first = Bench()
    first.connect()
    second = _renamed(_after_restart(first.broker))
    second.connect()
    second.after(1.0)
    left = {topic for topic in second.broker.retained if "wallbox" in topic}
    wallbox = TOPICS.device("wallbox")
    assert left == {wallbox.status, wallbox.state, wallbox.measurement}
    second.after(2 * SETTLE_S)
    assert [topic for topic in second.broker.retained if "wallbox" in topic] == [wallbox.status]
    assert "homeassistant/device/hems_g1_garage/config" in second.broker.retained


def _after_restart(broker: MemoryBroker) -> MemoryBroker:
    """The same broker as a new process of the gateway finds it."""
    fresh = MemoryBroker()
    fresh.retained = broker.retained
    return fresh


def test_home_assistant_that_was_away_hears_of_the_removal_at_its_birth() -> None:
    first = Bench()
    first.connect()
    second = _renamed(_after_restart(first.broker))
    second.connect()
    second.after(1.0)
    second.broker.sent.clear()
    second.broker.arrive(STATUS, "online")
    second.after(1.0)
    again = [m for m in second.broker.sent if m.topic == WALLBOX_DOCUMENT]
    assert [(bool(m.payload), m.retain) for m in again] == [(True, False)]
    second.after(SETTLE_S)
    cleared = [m for m in second.broker.sent if m.topic == WALLBOX_DOCUMENT]
    assert [(bool(m.payload), m.retain) for m in cleared] == [(True, False), (False, True)]
    second.broker.sent.clear()
    second.broker.arrive(STATUS, "online")
    second.after(1.0)
    assert WALLBOX_DOCUMENT not in second.broker.topics_sent()


def test_a_device_that_is_gone_says_so_before_its_states_are_emptied() -> None:
    """Where somebody still has its document, it must not look alive for ever."""
    first = Bench()
    first.connect()
    second = _renamed(_after_restart(first.broker))
    second.connect()
    wallbox = TOPICS.device("wallbox")
    assert second.broker.retained[wallbox.status] == "offline"
    last = json.loads(second.broker.retained[wallbox.state])
    assert (last["connected"], last["connection"]["trouble"]) == ("OFF", GONE)
    assert last["consumption_setpoint_w"] == 4140
    second.after(2 * SETTLE_S)
    assert second.broker.retained[wallbox.status] == "offline"
    assert wallbox.state not in second.broker.retained
    third = _renamed(_after_restart(second.broker))
    third.connect()
    assert wallbox.status not in third.broker.topics_sent(), "it has said so already"


@pytest.mark.parametrize("form", ["device", "single"])
def test_switched_off_home_assistant_loses_our_documents_and_nobody_elses(form: str) -> None:
    broker = MemoryBroker()
    broker.retained["homeassistant/device/zigbee/config"] = '{"origin":{"name":"z2m"}}'
    first = Bench(broker, home_assistant={"form": form})
    first.connect()
    second = Bench(_after_restart(broker), home_assistant={"enabled": False, "form": form})
    second.connect()
    left = [topic for topic in second.broker.retained if topic.startswith("homeassistant/")]
    assert left == ["homeassistant/device/zigbee/config"]
    second.broker.topics_sent()
    second.broker.arrive(STATUS, "online")
    second.after(2.0)
    assert not [topic for topic in second.broker.topics_sent() if topic.startswith("homeassistant/")]


def test_documents_of_other_clients_stay() -> None:
    broker = MemoryBroker()
    other = {
        "homeassistant/device/zigbee/config": '{"origin":{"name":"z2m"},"device":{"identifiers":["z"]}}',
        "homeassistant/sensor/hems_g1x/power/config": "{}",
    }
    broker.retained |= other
    bench = Bench(broker)
    bench.connect()
    bench.after(10.0)
    assert other.items() <= broker.retained.items()


def test_the_move_to_another_form_tells_home_assistant_first_and_clears_last() -> None:
    first = Bench(home_assistant={"form": "single"})
    first.connect()
    old = {topic for topic in first.broker.retained if topic.startswith("homeassistant/")}
    second = Bench(_after_restart(first.broker))
    second.connect()
    flagged = [m.topic for m in second.broker.sent if "migrate_discovery" in m.payload]
    assert set(flagged) == old
    assert GATEWAY_DOCUMENT not in second.broker.retained
    second.after(SETTLE_S)
    assert GATEWAY_DOCUMENT in second.broker.retained
    assert old <= second.broker.retained.keys()
    second.after(SETTLE_S)
    assert not old & second.broker.retained.keys()


def test_a_device_that_becomes_more_exact_is_announced_anew_with_a_tombstone() -> None:
    bench = Bench()
    bench.connect()
    less = replace(SITE.appliances[0], directions=())
    bench.gateway.shape = replace(SITE, appliances=(less, *SITE.appliances[1:]))
    bench.after(1.0)
    components = json.loads(bench.broker.retained[WALLBOX_DOCUMENT])["components"]
    assert components["consumption_setpoint"] == {"platform": "sensor"}


def test_a_document_with_a_fault_is_told_and_not_published(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bad = Appliance("ö", Kind.WALLBOX, ())
    bench.gateway.shape = replace(SITE, appliances=(bad,))
    bench.connect()
    documents = [topic for topic in bench.broker.retained if topic.startswith("homeassistant/device/")]
    assert documents == [GATEWAY_DOCUMENT]
    assert "is not announced" in caplog.text


def test_an_own_limit_is_taken_and_shown_at_once() -> None:
    bench = Bench()
    bench.connect()
    bench.broker.arrive(TOPICS.own_limit_set, "6000")
    bench.service.turn()
    assert bench.gateway.own_limits == [6000.0]
    assert json.loads(bench.broker.retained[TOPICS.state])["own_limit_w"] == 6000
    kinds = [json.loads(m.payload)["event_type"] for m in bench.broker.sent if m.topic == TOPICS.event]
    assert kinds == ["own_limit"]


def test_a_refused_command_is_told_and_the_true_value_shown_again() -> None:
    bench = Bench()
    bench.connect()
    bench.broker.sent.clear()
    bench.broker.arrive(TOPICS.own_limit_set, "99999999")
    bench.service.turn()
    assert bench.gateway.own_limits == []
    assert bench.broker.topics_sent()[:2] == [TOPICS.event, TOPICS.state]


def _events(bench: Bench) -> list[str]:
    return [json.loads(m.payload)["event_type"] for m in bench.broker.sent if m.topic == TOPICS.event]


def test_a_flood_of_nonsense_is_told_once_a_minute_and_a_right_command_is_taken_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.connect()
    for number in range(3000):
        bench.broker.arrive(TOPICS.own_limit_set, f"nonsense {number}")
    bench.broker.arrive(TOPICS.own_limit_set, "-1")
    bench.broker.arrive(TOPICS.own_limit_set, "4000")
    assert bench.gateway.own_limits == [4000.0]
    assert _events(bench) == ["own_limit_refused", "own_limit_refused", "own_limit"]
    assert [record.getMessage() for record in caplog.records] == [
        "A command by MQTT: The own limit was refused: 'nonsense 0' is not a number of watts",
        "A command by MQTT: The own limit was refused: -1 W is not between 0 and 24150 W",
    ]
    bench.after(SILENCE_S)
    bench.broker.arrive(TOPICS.own_limit_set, "nonsense")
    assert _events(bench)[-1] == "own_limit_refused"


def test_the_true_value_is_shown_again_also_when_a_refusal_is_not_told() -> None:
    bench = Bench()
    bench.connect()
    for _ in range(2):
        bench.broker.sent.clear()
        bench.broker.arrive(TOPICS.own_limit_set, "nonsense")
        bench.after(1.0)
        assert TOPICS.state in bench.broker.topics_sent()


def test_events_speak_the_set_language() -> None:
    bench = Bench(home_assistant={"language": "de"})
    bench.connect()
    bench.service.hear(_order())
    (event,) = [message for message in bench.broker.sent if message.topic == TOPICS.event]
    assert json.loads(event.payload)["reason"] == "Der Netzbetreiber begrenzt den Bezug auf 4,20 kW"


def test_a_command_that_cannot_be_stored_is_refused_and_the_service_goes_on() -> None:
    bench = Bench()
    bench.connect()
    bench.gateway.disk_is_stuck = True
    bench.broker.arrive(TOPICS.own_limit_set, "6000")
    bench.service.turn()
    kinds = [json.loads(m.payload)["event_type"] for m in bench.broker.sent if m.topic == TOPICS.event]
    assert kinds == ["own_limit_refused"]


def test_a_retained_command_is_refused_and_cleared() -> None:
    broker = MemoryBroker()
    broker.retained[TOPICS.own_limit_set] = "1000"
    bench = Bench(broker)
    bench.connect()
    assert bench.gateway.own_limits == []
    assert TOPICS.own_limit_set not in broker.retained


def test_where_a_command_may_be_retained_unseen_the_broker_forgets_it() -> None:
    broker = MemoryBroker()
    broker.hides_retained = True
    bench = Bench(broker)
    bench.connect()
    bench.broker.arrive(TOPICS.own_limit_set, "6000")
    bench.broker.arrive(TOPICS.own_limit_set, "nonsense")
    cleared = [m for m in bench.broker.sent if m.topic == TOPICS.own_limit_set]
    assert [(m.payload, m.retain) for m in cleared] == [("", True)] * 2
    assert bench.gateway.own_limits == [6000.0]


def test_without_commands_nobody_listens_to_the_set_topic() -> None:
    bench = Bench(commands=False)
    bench.connect()
    bench.broker.arrive(TOPICS.own_limit_set, "1000")
    assert bench.gateway.own_limits == []
