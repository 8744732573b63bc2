"""The limit machines' states as ceilings."""

from dataclasses import replace

import pytest

from eebus.usecases.events import LimitKind, LimitStateChanged
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.limits.ceilings import Basis, CeilingKind
from hems.limits.sources.eebus import EebusSource, ceiling_of


def change(
    after: LimitState,
    limit_w: float | None,
    kind: LimitKind | None,
    *,
    direction: Direction = Direction.CONSUMPTION,
    until: float | None = None,
) -> LimitStateChanged:
    return LimitStateChanged(
        direction=direction,
        before=LimitState.UNLIMITED_CONTROLLED,
        after=after,
        rule="LPC-910",
        reason="the energy guard wrote a limit",
        effective_limit_w=limit_w,
        limit_kind=kind,
        until=until,
        at=100.0,
    )


def test_an_order_for_consumption_bounds_the_controllable_devices() -> None:
    ceiling = ceiling_of(change(LimitState.LIMITED, 4200.0, LimitKind.GRID_OPERATOR, until=400.0))
    assert (ceiling.source, ceiling.basis, ceiling.kind) == (
        "eebus/lpc",
        Basis.CONTROLLABLE,
        CeilingKind.GRID_OPERATOR,
    )
    assert (ceiling.value_w, ceiling.since_s, ceiling.until_s) == (4200.0, 100.0, 400.0)
    assert "4.20 kW" in ceiling.reason.text
    assert ceiling.reason.values["rule"] == "LPC-910"


def test_an_order_for_production_bounds_the_feed_in() -> None:
    event = change(LimitState.LIMITED, 3000.0, LimitKind.GRID_OPERATOR, direction=Direction.PRODUCTION)
    ceiling = ceiling_of(event)
    assert (ceiling.source, ceiling.basis, ceiling.value_w) == ("eebus/lpp", Basis.FEED_IN, 3000.0)


@pytest.mark.parametrize("state", [LimitState.INIT, LimitState.FAILSAFE])
def test_trap_18_init_and_failsafe_are_self_imposed_and_have_no_end_of_their_own(state: LimitState) -> None:
    ceiling = ceiling_of(change(state, 4200.0, LimitKind.SELF_IMPOSED, until=400.0))
    assert ceiling.kind is CeilingKind.SELF_IMPOSED
    assert ceiling.until_s is None
    assert ceiling.at(10_000.0).value_w == 4200.0


@pytest.mark.parametrize("state", [LimitState.UNLIMITED_CONTROLLED, LimitState.UNLIMITED_AUTONOMOUS])
def test_without_a_limit_the_source_bounds_nothing(state: LimitState) -> None:
    ceiling = ceiling_of(change(state, None, None))
    assert ceiling.value_w is None
    assert "does not limit" in ceiling.reason.text


def test_trap_01_a_limit_of_zero_stays_a_limit() -> None:
    assert ceiling_of(change(LimitState.LIMITED, 0.0, LimitKind.GRID_OPERATOR)).value_w == 0.0


def test_a_limit_that_is_renewed_holds_since_it_was_written_first_and_as_long_as_it_was_written_last() -> (
    None
):
    source = EebusSource(Basis.FEED_IN)
    limit = change(LimitState.LIMITED, 4200.0, LimitKind.GRID_OPERATOR, until=400.0)
    source.take(limit)
    renewed = source.take(replace(limit, at=160.0, until=460.0))
    assert (renewed.since_s, renewed.until_s) == (100.0, 460.0)


@pytest.mark.parametrize(
    "between",
    [
        change(LimitState.LIMITED, 4000.0, LimitKind.GRID_OPERATOR),
        change(LimitState.UNLIMITED_CONTROLLED, None, None),
        change(LimitState.FAILSAFE, 4200.0, LimitKind.SELF_IMPOSED),
    ],
)
def test_after_anything_else_the_same_limit_is_a_new_one(between: LimitStateChanged) -> None:
    source = EebusSource(Basis.FEED_IN)
    limit = change(LimitState.LIMITED, 4200.0, LimitKind.GRID_OPERATOR)
    source.take(limit)
    assert source.take(replace(between, at=130.0)).since_s == 130.0
    assert source.take(replace(limit, at=160.0)).since_s == 160.0


def test_the_directions_are_kept_apart() -> None:
    source = EebusSource(Basis.INVERTER)
    limit = change(LimitState.LIMITED, 4200.0, LimitKind.GRID_OPERATOR)
    source.take(limit)
    other = source.take(replace(limit, direction=Direction.PRODUCTION, at=160.0))
    assert (other.since_s, other.basis) == (160.0, Basis.INVERTER)
