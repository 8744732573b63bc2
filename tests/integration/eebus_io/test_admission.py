"""The bounds on incoming connections, without any network."""

import pytest

from eebus.io.admission import AdmissionDesk, AdmissionLimits, address_group, plain_address

_LIMITS = AdmissionLimits(
    total=6,
    reserved=2,
    per_address=3,
    address_burst=4,
    address_refill_per_s=1,
    strangers_burst=100,
    strangers_refill_per_s=100,
)


def test_strangers_never_take_the_places_of_trusted_peers() -> None:
    """SHIP 15: flood."""
    desk = AdmissionDesk(_LIMITS)
    refused = [desk.enter(f"10.0.0.{n}", 0, known=False) for n in range(10)]
    assert refused.count(None) == 4
    assert desk.enter("10.0.1.1", 0, known=True) is None
    assert desk.enter("10.0.1.2", 0, known=True) is None
    assert desk.enter("10.0.1.3", 0, known=True) == "too many connections"
    desk.leave("10.0.0.1")
    assert desk.enter("10.0.1.3", 0, known=True) is None


def test_one_address_is_bounded_in_number() -> None:
    desk = AdmissionDesk(_LIMITS)
    assert [desk.enter("10.0.0.1", 0, known=True) for _ in range(4)] == [
        None,
        None,
        None,
        "too many connections from this address",
    ]
    assert desk.open_connections == 3


def test_one_address_is_bounded_in_pace_and_recovers() -> None:
    desk = AdmissionDesk(_LIMITS)
    for _ in range(4):
        assert desk.enter("10.0.0.1", 0, known=True) is None
        desk.leave("10.0.0.1")
    assert desk.enter("10.0.0.1", 0.5, known=True) == "this address connects too often"
    assert desk.enter("10.0.0.1", 1.5, known=True) is None


def test_all_strangers_together_are_bounded_in_pace_but_not_the_known_ones() -> None:
    desk = AdmissionDesk(AdmissionLimits(total=100, reserved=10, strangers_burst=5, strangers_refill_per_s=1))
    refused = [desk.enter(f"10.0.0.{n}", 0, known=False) for n in range(8)]
    assert refused[5:] == ["strangers connect too often"] * 3
    assert desk.enter("10.0.1.1", 0, known=True) is None


def test_the_memory_for_addresses_is_bounded() -> None:
    desk = AdmissionDesk(AdmissionLimits(remembered_addresses=10, strangers_burst=2000))
    for n in range(1000):
        address = f"10.0.{n // 250}.{n % 250}"
        assert desk.enter(address, 0, known=False) is None
        desk.leave(address)
    assert len(desk._paces) == 10
    assert desk.open_connections == 0


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_what_counts_as_one_origin(address: str, group: str) -> None:
    assert address_group(address) == group


def test_an_IPv4_address_from_a_dual_stack_socket_is_shown_as_such() -> None:
    assert plain_address("::ffff:192.168.1.7") == "192.168.1.7"
    assert plain_address("fe80::1") == "fe80::1"
