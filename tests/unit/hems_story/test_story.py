"""Every event in one plain sentence, with its reason and rule."""

import logging

import pytest

from eebus.ids import PeerRole, Ski
from eebus.io.events import PairingRequested, PeerNotReached, TrustChanged
from eebus.spine.events import PeerDiscovered
from eebus.usecases.events import (
    EnergyGuardChanged,
    FailsafeChanged,
    FailsafeRefused,
    LimitKind,
    LimitStateChanged,
    OrderReceived,
)
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.story import log_event, sentence

BOX = Ski("aabbccdd" * 5)
C, P = Direction.CONSUMPTION, Direction.PRODUCTION


def order(**changes: object) -> OrderReceived:
    given = {
        "direction": C,
        "peer_ski": BOX,
        "msg_counter": 7,
        "value_w": 4200.0,
        "active": True,
        "duration_s": 900.0,
        "accepted": True,
        "reason": "",
        "rule": "LPC-910",
        "at": 1.0,
        **changes,
    }
    return OrderReceived(**given)  # type: ignore[arg-type]


def change(after: LimitState, limit_w: float | None, kind: LimitKind | None) -> LimitStateChanged:
    return LimitStateChanged(
        C, LimitState.LIMITED, after, "LPC-912", "silent for 120 s", limit_w, kind, None, 1.0
    )


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (order(), "Steuerbox AABB CCDD… limits consumption to 4.20 kW for 900 s: accepted"),
        (
            order(
                direction=None, value_w=None, active=False, accepted=False, reason="no limit 9", rule="003/1"
            ),
            "Steuerbox AABB CCDD… writes a limit that cannot be read: refused, no limit 9 (003/1)",
        ),
        (
            FailsafeChanged(C, 4200.0, None),
            "The factory reset sets the failsafe limit of consumption to 4.20 kW",
        ),
        (FailsafeChanged(None, 7200.0, None), "The factory reset sets the failsafe duration to 7200 s"),
        (
            order(value_w=0.0, duration_s=None),
            "Steuerbox AABB CCDD… limits consumption to 0 W without an end: accepted",
        ),
        (
            order(active=False, direction=P),
            "Steuerbox AABB CCDD… releases feed-in (stored value 4.20 kW): accepted",
        ),
        (
            order(accepted=False, value_w=-1000.0, reason="negative value", rule="LPC-902"),
            "Steuerbox AABB CCDD… limits consumption to -1.00 kW as written for 900 s: "
            "refused, negative value (LPC-902)",
        ),
        (
            order(direction=P, accepted=False, value_w=-3000.0, reason="wrong sign", rule="LPP-907/1"),
            "Steuerbox AABB CCDD… limits feed-in to +3.00 kW as written for 900 s: "
            "refused, wrong sign (LPP-907/1)",
        ),
        (
            order(accepted=False, duration_s=None, duration_readable=False, reason="'P1M' is not a duration"),
            "Steuerbox AABB CCDD… limits consumption to 4.20 kW for a time that cannot be read: "
            "refused, 'P1M' is not a duration (LPC-910)",
        ),
        (
            FailsafeRefused(BOX, -1.0, None, 3600.0, "too short"),
            "Steuerbox AABB CCDD… writes the failsafe values -1 W of consumption and a duration of 3600 s: "
            "refused, too short",
        ),
        (
            FailsafeRefused(BOX, None, None, None, "there is no key 9"),
            "Steuerbox AABB CCDD… writes failsafe values: refused, there is no key 9",
        ),
        (
            change(LimitState.FAILSAFE, 4200.0, LimitKind.SELF_IMPOSED),
            "Consumption is limited to 4.20 kW by the gateway itself, state failsafe: "
            "silent for 120 s (LPC-912)",
        ),
        (
            change(LimitState.UNLIMITED_CONTROLLED, None, None),
            "Consumption is not limited, state unlimited/controlled: silent for 120 s (LPC-912)",
        ),
        (
            FailsafeChanged(P, 3000.0, BOX),
            "Steuerbox AABB CCDD… sets the failsafe limit of feed-in to 3.00 kW",
        ),
        (FailsafeChanged(None, 7200.0, BOX), "Steuerbox AABB CCDD… sets the failsafe duration to 7200 s"),
        (EnergyGuardChanged(None, None), "No Steuerbox is in control any more"),
        (
            PairingRequested(BOX, "192.0.2.7"),
            "Peer AABB CCDD… at 192.0.2.7 asks to be trusted; see: hems pair list",
        ),
        (TrustChanged(BOX, PeerRole.CONTROL_BOX), "Peer AABB CCDD… is trusted as control-box"),
        (TrustChanged(BOX, None), "Peer AABB CCDD… is not trusted any more"),
        (
            PeerNotReached(BOX, "connection refused at 192.0.2.7:4712"),
            "Peer AABB CCDD… is not connected: connection refused at 192.0.2.7:4712",
        ),
        (PeerDiscovered(BOX), None),
    ],
)
def test_sentence(event: object, told: str | None) -> None:
    assert sentence(event) == told


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (order(), logging.INFO),
        (order(accepted=False), logging.WARNING),
        (change(LimitState.FAILSAFE, 4200.0, LimitKind.SELF_IMPOSED), logging.WARNING),
        (PeerNotReached(BOX, "connection refused at 192.0.2.7:4712"), logging.WARNING),
        (PeerDiscovered(BOX), logging.DEBUG),
    ],
)
def test_alarming_events_are_warnings(event: object, level: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "hems.story"):
        log_event(event)
    assert [record.levelno for record in caplog.records] == [level]


def test_the_figures_stand_beside_the_sentence(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hems.story"):
        log_event(order())
    assert caplog.records[0].__dict__["data"]["value_w"] == 4200.0
