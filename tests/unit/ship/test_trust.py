"""Whom we trust, and who asks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.ship.connection import Trust
from eebus.ship.identity import PeerCertificate
from eebus.ship.trust import PairingRequests, ShipIdCheck, TrustEntry, TrustList

NOW = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
OWN, BOX, OTHER_BOX, HEAT_PUMP = (Ski(digit * 40) for digit in "0123")


def entry(ski: Ski, role: PeerRole = PeerRole.CONTROL_BOX, key: str | None = "aa") -> TrustEntry:
    return TrustEntry(ski=ski, role=role, accepted_at=NOW, public_key_sha256=key)


def certificate(ski: Ski, key: str = "aa") -> PeerCertificate:
    return PeerCertificate(ski, key)


# --- the list ---


def test_unknown_peer_is_undecided_and_accepted_peer_trusted() -> None:
    empty = TrustList()
    assert empty.judge(certificate(BOX), OWN) is Trust.UNDECIDED
    trusted = empty.accept(entry(BOX), own_ski=OWN)
    assert trusted.judge(certificate(BOX), OWN) is Trust.TRUSTED
    assert len(empty) == 0, "the old list is untouched until the new one is stored"


def test_same_ski_with_another_key_is_refused() -> None:
    """SHIP 15: second preimage of SHA-1."""
    trusted = TrustList([entry(BOX, key="aa")])
    assert trusted.judge(certificate(BOX, key="bb"), OWN) is Trust.REFUSED


def test_key_is_learned_at_the_first_connection_and_never_replaced() -> None:
    trusted = TrustList([entry(BOX, key=None)])
    assert trusted.judge(certificate(BOX, key="bb"), OWN) is Trust.TRUSTED
    learned = trusted.learn(BOX, public_key_sha256="bb").learn(BOX, public_key_sha256="cc")
    assert learned.get(BOX) == entry(BOX, key="bb")


def test_we_never_connect_to_ourselves() -> None:
    assert TrustList([entry(OWN)]).judge(certificate(OWN), OWN) is Trust.REFUSED
    with pytest.raises(LocalError, match="own SKI"):
        TrustList().accept(entry(OWN), own_ski=OWN)


def test_one_control_box_at_a_time() -> None:
    trusted = TrustList([entry(BOX), entry(HEAT_PUMP, PeerRole.DEVICE)])
    with pytest.raises(LocalError, match="swap"):
        trusted.accept(entry(OTHER_BOX), own_ski=OWN)
    swapped = trusted.accept(entry(OTHER_BOX), own_ski=OWN, replace_box=True)
    assert swapped.control_box() == entry(OTHER_BOX)
    assert {item.ski for item in swapped} == {OTHER_BOX, HEAT_PUMP}


def test_devices_are_many_and_do_not_touch_the_box() -> None:
    trusted = TrustList([entry(BOX)])
    for ski in (OTHER_BOX, HEAT_PUMP):
        trusted = trusted.accept(entry(ski, PeerRole.DEVICE), own_ski=OWN, replace_box=True)
    assert trusted.control_box() == entry(BOX)
    assert len(trusted) == 3


def test_the_same_box_may_be_accepted_again_and_a_role_changed() -> None:
    trusted = TrustList([entry(BOX)]).accept(entry(BOX), own_ski=OWN)
    assert len(trusted) == 1
    changed = trusted.accept(entry(BOX, PeerRole.DEVICE), own_ski=OWN)
    assert changed.control_box() is None


def test_removed_peer_is_undecided_again() -> None:
    """SHIP 15: no silent trust after a removal."""
    trusted = TrustList([entry(BOX)]).remove(BOX)
    assert trusted.judge(certificate(BOX), OWN) is Trust.UNDECIDED
    with pytest.raises(LocalError):
        trusted.remove(BOX)


def test_changed_ship_id_is_reported_and_not_taken_over() -> None:
    """SHIP 14 (Vaillant) and 15."""
    trusted = TrustList([entry(BOX)])
    assert trusted.check_ship_id(BOX, "one") is ShipIdCheck.NEW
    trusted = trusted.learn(BOX, ship_id="one")
    assert trusted.check_ship_id(BOX, "one") is ShipIdCheck.KNOWN
    assert trusted.check_ship_id(BOX, "two") is ShipIdCheck.CHANGED
    assert trusted.learn(BOX, ship_id="two").check_ship_id(BOX, "one") is ShipIdCheck.KNOWN


def test_unknown_peers_have_nothing_to_learn() -> None:
    with pytest.raises(LocalError):
        TrustList().learn(BOX, ship_id="one")


# --- pairing requests ---


def ski(number: int) -> Ski:
    return Ski(f"{number:040x}")


def test_request_is_kept_after_the_connection_ended() -> None:
    requests = PairingRequests()
    requests.seen(certificate(BOX), "10.0.0.1", 1.0)
    requests.disconnected(BOX)
    again = requests.seen(certificate(BOX), "10.0.0.1", 5.0)
    assert (again.first_seen, again.last_seen, again.connected) == (1.0, 5.0, True)
    assert len(requests) == 1


def test_refused_peer_stays_refused_when_it_returns() -> None:
    requests = PairingRequests()
    requests.seen(certificate(BOX), "10.0.0.1", 1.0)
    requests.refuse(BOX)
    requests.seen(certificate(BOX), "10.0.0.1", 2.0)
    assert requests.is_refused(BOX)
    requests.remove(BOX)
    assert not requests.is_refused(BOX)
    with pytest.raises(LocalError):
        requests.refuse(BOX)


def test_flood_from_one_address_pushes_out_only_its_own() -> None:
    """SHIP 15: flood of unknown SKIs."""
    requests = PairingRequests(max_total=8, max_per_address=2)
    requests.seen(certificate(BOX), "10.0.0.1", 0.0)
    for number in range(100, 1100):
        requests.seen(certificate(ski(number)), "10.0.0.66", float(number))
    assert requests.get(BOX) is not None
    assert len(requests) == 3


def test_full_table_gives_up_the_stalest_without_a_connection() -> None:
    requests = PairingRequests(max_total=3, max_per_address=2)
    for number in range(1, 4):
        requests.seen(certificate(ski(number)), f"10.0.0.{number}", float(number))
    requests.disconnected(ski(2))
    requests.disconnected(ski(3))
    requests.seen(certificate(ski(4)), "10.0.0.4", 4.0)
    assert {request.ski for request in requests} == {ski(1), ski(3), ski(4)}


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9), st.booleans(), st.booleans()), max_size=80))
def test_table_stays_within_its_bounds_and_keeps_the_newest(
    steps: list[tuple[int, int, bool, bool]],
) -> None:
    requests = PairingRequests(max_total=6, max_per_address=2)
    for now, (number, address, leaves, refused) in enumerate(steps):
        requests.seen(certificate(ski(number)), f"10.0.0.{address}", float(now))
        assert requests.get(ski(number)) is not None
        if refused:
            requests.refuse(ski(number))
        if leaves:
            requests.disconnected(ski(number))
        assert len(requests) <= 6
