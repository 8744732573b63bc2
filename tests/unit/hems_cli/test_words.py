"""Figures and states as people read them."""

from datetime import datetime
from typing import Any

import pytest

from hems.cli.status import lines
from hems.cli.words import flow, local_time, power, span


@pytest.mark.parametrize(
    ("power_w", "text"),
    [(None, "unknown"), (0.0, "0 W"), (999.4, "999 W"), (4200.0, "4.20 kW"), (-4200.0, "-4.20 kW")],
)
def test_power(power_w: float | None, text: str) -> None:
    assert power(power_w) == text


@pytest.mark.parametrize(
    ("power_w", "text"),
    [(None, "power unknown"), (0.2, "idle"), (4140.0, "drawing 4.14 kW"), (-500.0, "feeding in 500 W")],
)
def test_flow(power_w: float | None, text: str) -> None:
    assert flow(power_w) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (3600, "1 h"), (7140, "1 h 59 min")],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


def _status(**changes: Any) -> dict[str, Any]:
    return {
        "site": "Home",
        "version": "1.2.3",
        "started_at": "2026-01-31T10:00:00+00:00",
        "port": 4712,
        "control_box": {"ski": None, "connected": False, "heartbeat_age_s": None},
        "limits": [],
        "sources": [],
        "meter": None,
        "devices": [],
        "orders": [],
        "pairing_requests": 0,
        "warnings": [],
        **changes,
    }


def test_a_limit_is_told_with_its_source_end_state_and_reason() -> None:
    limit = {
        "direction": "consumption",
        "state": "limited",
        "rule": "LPC-910",
        "reason": "the Steuerbox activated a limit",
        "limit_w": 4200.0,
        "kind": "grid_operator",
        "remaining_s": 720.0,
        "next": None,
    }
    assert ("Consumption", "limited to 4.20 kW by the grid operator for another 12 min "
            "(limited: the Steuerbox activated a limit)") in lines(_status(limits=[limit]))  # fmt: skip


def test_a_device_is_told_with_power_setpoint_and_reason() -> None:
    device = {
        "name": "wallbox",
        "kind": "wallbox",
        "power_w": 4140.0,
        "age_s": 1.0,
        "orders": [
            {
                "direction": "consumption",
                "setpoint_w": 4140.0,
                "state": "effective",
                "reason": "all that is left",
            }
        ],
    }
    assert lines(_status(devices=[device]))[-2:] == [
        ("wallbox", "wallbox, drawing 4.14 kW, 1 s ago"),
        ("", "consumption: at most 4.14 kW, effective (all that is left)"),
    ]


def test_the_latest_orders_are_told_with_how_far_they_came() -> None:
    began_ms = round(datetime.fromisoformat("2026-01-31T10:00:00+00:00").timestamp() * 1000)

    def event(
        first: str, last: str, *, closed: bool, self_imposed: bool = False, renewed: int = 0
    ) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [
            {"unix_ms": began_ms + at_ms, "text": text, "renewals": None}
            for at_ms, text in ((0, first), (1000, last))
        ]
        if renewed:
            renewals = {"count": renewed, "last_unix_ms": began_ms + 60_000 * renewed}
            steps.append({"unix_ms": began_ms + 60_000, "text": f"{first}, as before", "renewals": renewals})
        return {
            "closed": closed,
            "self_imposed": self_imposed,
            "text": first,
            "changes": None,
            "steps": steps,
        }

    began = local_time("2026-01-31T10:00:00+00:00")
    orders = [
        event("the control box limits consumption to 4200 W", "measured at 4.14 kW", closed=False),
        event("power-up", "an order took its place", closed=True, self_imposed=True),
        event("3000 W", "measured", closed=False, renewed=59),
    ]
    assert lines(_status(orders=orders))[-3:] == [
        (
            "Latest orders",
            f"{began} the control box limits consumption to 4200 W; so far: measured at 4.14 kW",
        ),
        ("", f"{began} limited by itself: power-up; over: an order took its place"),
        (
            "",
            f"{began} 3000 W; so far: measured; renewed 59 times, last "
            f"{local_time('2026-01-31T10:59:00+00:00')}",
        ),
    ]


AT = "2026-01-31T10:00:00+00:00"
AT_MS = round(datetime.fromisoformat(AT).timestamp() * 1000)
LATER = local_time("2026-01-31T10:05:00+00:00")


def _changed_order(count: int, *later: str, closed: bool = False) -> str:
    texts = ["limits consumption to 7560 W for 900 s", "limits consumption to 0 W", *later]
    event = {
        "closed": closed,
        "self_imposed": False,
        "text": texts[1],
        "changes": {"count": count, "last_unix_ms": AT_MS + 300_000},
        "steps": [{"unix_ms": AT_MS, "text": text, "renewals": None} for text in texts],
    }
    return lines(_status(orders=[event]))[-1][1].removeprefix(f"{local_time(AT)} limits consumption to ")


def test_an_order_that_was_changed_is_told_as_it_stands() -> None:
    assert _changed_order(1, "measured at 0 W") == f"0 W, changed to that {LATER}; so far: measured at 0 W"
    assert _changed_order(3, "measured at 0 W") == (
        f"0 W, changed 3 times, to that {LATER}; so far: measured at 0 W"
    )
    assert _changed_order(1, "lifted", closed=True) == f"0 W, changed to that {LATER}; over: lifted"


def test_an_order_of_which_nothing_came_yet_is_not_told_twice() -> None:
    assert _changed_order(1) == f"0 W, changed to that {LATER}"


def test_open_requests_and_warnings_are_not_missed() -> None:
    told = lines(_status(pairing_requests=1, warnings=["wallbox does not answer"]))
    assert ("Pairing", "1 peer asking; see: hems pair list") in told
    assert ("Attention", "wallbox does not answer") in told
