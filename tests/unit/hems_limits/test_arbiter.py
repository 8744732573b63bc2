"""Ceilings by source, and which of them binds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.limits.arbiter import Allowance, Arbiter, strictest
from hems.limits.ceilings import Basis, Ceiling, CeilingKind, FaultAction, FaultPolicy
from hems.limits.reason import Reason

WHY = Reason("test", "because")
KEEP = FaultPolicy()


def ceiling(
    source: str,
    value_w: float | None,
    *,
    kind: CeilingKind = CeilingKind.GRID_OPERATOR,
    since_s: float = 0.0,
    until_s: float | None = None,
    fresh_until_s: float | None = None,
    fault_policy: FaultPolicy = KEEP,
    devices: frozenset[str] | None = None,
) -> Ceiling:
    return Ceiling(
        source,
        value_w,
        Basis.CONTROLLABLE,
        kind,
        WHY,
        since_s,
        until_s=until_s,
        fresh_until_s=fresh_until_s,
        fault_policy=fault_policy,
        devices=devices,
    )


def values(arbiter: Arbiter, now: float = 1.0) -> dict[str, float | None]:
    return {c.source: c.value_w for c in arbiter.in_force(now)}


def test_trap_01_zero_watts_is_a_limit_and_none_is_not() -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("eebus/lpc", 0.0))
    arbiter.put(ceiling("relay", None))
    assert values(arbiter) == {"eebus/lpc": 0.0}
    assert [c.source for c in arbiter.ceilings(1.0)] == ["eebus/lpc", "relay"]


def test_a_release_by_one_source_does_not_release_another() -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("eebus/lpc", 4200.0))
    arbiter.put(ceiling("relay", 6000.0))
    arbiter.put(ceiling("relay", None))
    assert values(arbiter) == {"eebus/lpc": 4200.0}


@pytest.mark.parametrize("kind", [CeilingKind.USER, CeilingKind.STATUTORY, CeilingKind.PROTECTION])
def test_nobody_replaces_an_order_of_the_grid_operator(kind: CeilingKind) -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("eebus/lpc", 4200.0))
    with pytest.raises(ValueError, match="cannot replace"):
        arbiter.put(ceiling("eebus/lpc", None, kind=kind))
    assert values(arbiter) == {"eebus/lpc": 4200.0}


def test_failsafe_and_order_of_one_box_follow_each_other_under_one_name() -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("eebus/lpc", 4200.0, kind=CeilingKind.SELF_IMPOSED))
    arbiter.put(ceiling("eebus/lpc", 3000.0))
    assert values(arbiter) == {"eebus/lpc": 3000.0}


def test_a_ceiling_ends_exactly_at_its_end() -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("schedule", 4200.0, kind=CeilingKind.USER, until_s=10.0))
    assert values(arbiter, 9.999) == {"schedule": 4200.0}
    assert values(arbiter, 10.0) == {}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (FaultPolicy(FaultAction.KEEP), {"relay": 4200.0}),
        (FaultPolicy(FaultAction.VALUE, 0.0), {"relay": 0.0}),
        (FaultPolicy(FaultAction.RELEASE), {}),
    ],
)
def test_a_silent_source_is_replaced_by_its_fault_policy(
    policy: FaultPolicy, expected: dict[str, float]
) -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("relay", 4200.0, fresh_until_s=10.0, fault_policy=policy))
    assert values(arbiter, 9.0) == {"relay": 4200.0}
    assert values(arbiter, 10.0) == expected


def test_trap_18_what_a_fault_policy_imposes_is_not_an_order() -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("relay", 4200.0, fresh_until_s=10.0))
    (fault,) = arbiter.in_force(11.0)
    assert fault.kind is CeilingKind.SELF_IMPOSED
    assert "silent" in fault.reason.text


def test_a_withdrawn_source_is_forgotten() -> None:
    arbiter = Arbiter()
    arbiter.put(ceiling("drill", 0.0, kind=CeilingKind.USER))
    arbiter.withdraw("drill")
    arbiter.withdraw("never was")
    assert arbiter.ceilings(0.0) == ()


@pytest.mark.parametrize("value_w", [-1.0, float("nan")])
def test_a_ceiling_is_a_magnitude(value_w: float) -> None:
    with pytest.raises(ValueError, match="magnitude"):
        ceiling("eebus/lpc", value_w)


def test_equal_ceilings_are_named_by_kind_then_by_age() -> None:
    user = Allowance(ceiling("user", 1.0, kind=CeilingKind.USER), 4200.0, WHY)
    relay = Allowance(ceiling("relay", 1.0, since_s=5.0), 4200.0, WHY)
    box = Allowance(ceiling("eebus/lpc", 1.0, since_s=9.0), 4200.0, WHY)
    assert [a.ceiling.source for a in strictest([user, box, relay])] == ["relay"]


def test_each_set_of_devices_has_its_own_binding_ceiling() -> None:
    everybody = Allowance(ceiling("eebus/lpc", 1.0), 4200.0, WHY)
    one = Allowance(ceiling("direct", 1.0, devices=frozenset({"wallbox"})), 9000.0, WHY)
    assert [a.ceiling.source for a in strictest([one, everybody])] == ["eebus/lpc", "direct"]


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d"]), st.one_of(st.none(), st.floats(0.0, 1e5)), min_size=1
    ),
    st.sampled_from(["a", "b", "c", "d"]),
    st.one_of(st.none(), st.floats(0.0, 1e5)),
)
def test_the_smallest_value_in_force_binds_and_another_source_only_lowers_it(
    wanted: dict[str, float | None], other: str, other_w: float | None
) -> None:
    arbiter = Arbiter()
    for source, value_w in wanted.items():
        arbiter.put(ceiling(source, value_w))
    before = _binding(arbiter)
    assert before == min((v for v in wanted.values() if v is not None), default=None)
    arbiter.put(ceiling(f"user {other}", other_w, kind=CeilingKind.USER))
    after = _binding(arbiter)
    if before is not None:
        assert after is not None
        assert after <= before


def _binding(arbiter: Arbiter) -> float | None:
    allowances = [Allowance(c, c.value_w, WHY) for c in arbiter.in_force(0.0) if c.value_w is not None]
    return next((a.allowed_w for a in strictest(allowances)), None)
