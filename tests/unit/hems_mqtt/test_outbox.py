"""Nothing that matters is lost, and nothing grows without bound."""

from hypothesis import given
from hypothesis import strategies as st

from hems.northbound.mqtt.outbox import MOST_EVENTS, Outbox, Outgoing


def _drained(outbox: Outbox) -> list[str]:
    payloads = []
    while (message := outbox.first()) is not None:
        payloads.append(message.payload)
        outbox.done(message)
    return payloads


def test_a_newer_state_takes_the_place_of_an_older_one() -> None:
    outbox = Outbox()
    for topic, payload in (("a", "a1"), ("b", "b1"), ("a", "a2")):
        outbox.put(Outgoing(topic, payload))
    assert _drained(outbox) == ["a2", "b1"]


def test_every_event_is_kept_in_order() -> None:
    outbox = Outbox()
    for payload in ("1", "2", "2"):
        outbox.put(Outgoing("event", payload, retain=False))
    assert _drained(outbox) == ["1", "2", "2"]


def test_a_state_that_changes_while_it_is_published_is_published_again() -> None:
    outbox = Outbox()
    outbox.put(Outgoing("a", "old"))
    on_its_way = outbox.first()
    assert on_its_way is not None
    outbox.put(Outgoing("a", "new"))
    outbox.done(on_its_way)
    assert _drained(outbox) == ["new"]


def test_a_message_that_failed_is_the_first_again() -> None:
    outbox = Outbox()
    outbox.put(Outgoing("event", "1", retain=False))
    assert outbox.first() is outbox.first()


def test_a_new_connection_drops_states_and_keeps_events() -> None:
    outbox = Outbox()
    outbox.put(Outgoing("a", "state"))
    outbox.put(Outgoing("event", "order", retain=False))
    outbox.forget_states()
    assert _drained(outbox) == ["order"]


def test_of_too_many_events_the_oldest_give_way_and_are_counted() -> None:
    outbox = Outbox()
    for number in range(MOST_EVENTS + 3):
        outbox.put(Outgoing("event", str(number), retain=False))
    assert outbox.lost_events == 3
    assert _drained(outbox)[0] == "3"


def test_events_that_yield_give_way_to_others_and_never_the_other_way_round() -> None:
    outbox = Outbox()
    outbox.put(Outgoing("event", "order", retain=False))
    for number in range(MOST_EVENTS):
        outbox.put(Outgoing("event", f"refused {number}", retain=False, yields=True))
    for number in range(MOST_EVENTS - 1):
        outbox.put(Outgoing("event", f"order {number}", retain=False))
    outbox.put(Outgoing("event", "refused again", retain=False, yields=True))
    waiting = _drained(outbox)
    assert waiting == ["order", *(f"order {number}" for number in range(MOST_EVENTS - 1))]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=600))
def test_the_outbox_is_bounded_by_topics_and_events(messages: list[tuple[str, bool]]) -> None:
    outbox = Outbox()
    for number, (topic, retain) in enumerate(messages):
        outbox.put(Outgoing(topic, str(number), retain=retain))
        if number % 7 == 0 and (first := outbox.first()) is not None:
            outbox.done(first)
        assert len(outbox) <= 3 + MOST_EVENTS
    newest = {topic: str(number) for number, (topic, retain) in enumerate(messages) if retain}
    left = _drained(outbox)
    assert len(left) == len(set(left))
    assert len(outbox) == 0
    assert all(payload in newest.values() or not messages[int(payload)][1] for payload in left)
