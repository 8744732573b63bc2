"""From the configuration to the settings of the EEBUS stack."""

import errno
import socket

import pytest

from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.usecases.events import StoredFailsafe
from eebus.usecases.house import SubMeter
from eebus.usecases.limit_rules import OPTIONAL_RULES
from hems.config import Configuration, EebusSettings, PeerSettings, SwitchSettings
from hems.eebus_side import controllable_system_settings, make_gateway, node_settings, reserve_port

SKI = Ski("aabb" * 10)


def with_switches(**switches: object) -> Configuration:
    return Configuration(eebus=EebusSettings(switches=SwitchSettings(**switches)))  # type: ignore[arg-type]


def test_all_optional_rules_are_on_by_default() -> None:
    assert controllable_system_settings(Configuration()).optional_rules == OPTIONAL_RULES


def test_each_optional_rule_is_a_switch() -> None:
    for switch, rule in (
        ("leave_init_without_contact", "906"),
        ("leave_failsafe_without_limit", "921"),
        ("leave_failsafe_after_duration", "922"),
    ):
        assert controllable_system_settings(
            with_switches(**{switch: False})
        ).optional_rules == OPTIONAL_RULES - {rule}
        assert rule in OPTIONAL_RULES


def test_each_use_case_is_a_switch() -> None:
    settings = controllable_system_settings(with_switches(production_limits=False))
    assert (settings.lpc, settings.lpp) == (True, False)


def test_feed_in_is_not_cut_by_default_while_the_box_is_silent() -> None:
    assert controllable_system_settings(Configuration()).failsafe_production_w is None


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (
            "192.0.2.1",
            "The gateway cannot listen at 192.0.2.1 (eebus.host): Cannot assign requested address.",
        ),
        ("no-such.invalid", "The gateway cannot listen at no-such.invalid (eebus.host): "),
    ],
)
def test_an_address_that_is_not_ours_is_named_with_its_setting(host: str, told: str) -> None:
    with pytest.raises(LocalError) as refused:
        reserve_port(Configuration(eebus=EebusSettings(host=host, port=0)))
    assert str(refused.value).startswith(told)
    assert str(refused.value).endswith("or leave eebus.host out to listen at all of them.")


def test_a_port_in_use_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port} is in use: .* set another port with eebus.port"):
            reserve_port(Configuration(eebus=EebusSettings(port=port)))


def test_a_reserved_port_answers_nobody_yet() -> None:
    with reserve_port(Configuration(eebus=EebusSettings(port=0))) as reserved, socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", reserved.getsockname()[1])) == errno.ECONNREFUSED


def test_our_heartbeat_depends_on_completed_control_cycles() -> None:
    watchdog_s = controllable_system_settings(Configuration()).control_watchdog_s
    assert watchdog_s is not None
    assert watchdog_s <= 60.0


def test_a_gateway_that_is_not_announced_looks_for_nobody_either() -> None:
    settings = node_settings(Configuration(eebus=EebusSettings(announce=False)), SKI)
    assert (settings.announce, settings.discover) == (False, False)


def test_peers_are_read_as_people_write_their_ski() -> None:
    """SHIP 14: Elli prints it in groups."""
    peer = PeerSettings(ski="AABB CCDD " * 4 + "AABB CCDD", host="box")
    settings = node_settings(Configuration(eebus=EebusSettings(peers=(peer,))), SKI)
    assert settings.peers[0].ski == "aabbccdd" * 5


def test_the_device_address_stays_the_same_for_life() -> None:
    address = make_gateway(Configuration(), SKI, StoredFailsafe()).device.address
    assert (
        address
        == make_gateway(Configuration(), SKI, StoredFailsafe()).device.address
        == ("d:_n:eebus-hems_Gateway-AABBAABBAABBAABB")
    )


def test_roles_beside_the_controllable_system_are_switched_on_by_the_configuration() -> None:
    meters = (SubMeter("garage"), SubMeter("roof", "Inverter"))
    plain = make_gateway(Configuration(), SKI, StoredFailsafe(), meters)
    assert (plain.downstream, dict(plain.sub_meters)) == (None, {})
    wished = Configuration(eebus=EebusSettings(report_devices=True, downstream=True))
    made = make_gateway(wished, SKI, StoredFailsafe(), meters)
    assert made.downstream is not None
    assert list(made.sub_meters) == ["garage", "roof"]
