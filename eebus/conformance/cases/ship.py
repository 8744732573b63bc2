"""The 33 SHIP cases (SHIP reference 16)."""

from typing import Final

from eebus.conformance.device import RefusedInTls
from eebus.conformance.registry import BOTH_SIDES, CLIENT_SIDE, case
from eebus.conformance.sheet import written
from eebus.conformance.stage import Stage, version_of
from eebus.conformance.tester.ship import (
    ACCESS,
    ACCESS_REQUEST,
    ANSWER_S,
    PENDING,
    PIN_NONE,
    PROLONG,
    READY,
    ShipPeer,
    handshake_message,
    read_frame,
)
from eebus.conformance.tester.spine import (
    DISCOVERY_READ,
    USE_CASE_READ,
    SpinePeer,
    plain_device,
)
from eebus.conformance.verdict import CaseFailed, check, precondition
from eebus.ship.frames import CMI, encode
from eebus.ship.messages import (
    AccessMethods,
    AccessMethodsRequest,
    ConnectionClose,
    ConnectionHello,
    ConnectionPinState,
    MessageProtocolHandshake,
    MessageProtocolHandshakeError,
)

_GRACE_S: Final = 2.0
_WRONG_TYPE: Final = b"\x01\x00"
_WRONG_HEAD: Final = b"\x00\x01"
_PADDED_REQUEST: Final = b'\x01 \t{\r\n "accessMethodsRequest"\t:\r\n [ \t\r\n]\n }\r\n\t '


# -- discovery, double connections, roles --------------------------------------------------------------


@case("TC_SHIP_MDNS_001", needs_sockets=True)
async def mdns_001(stage: Stage) -> None:
    record = await stage.dut.announced()
    for key, value in record.items():
        key.decode("utf-8")
        (value or b"").decode("utf-8")
    values = {key.decode().lower(): value or b"" for key, value in record.items()}
    check(values.get("txtvers") == b"1", "txtvers is not 1")
    check(0 < len(values.get("id", b"")) <= 63, "id is missing or longer than 63 bytes")
    path = values.get("path", b"")
    check(path.startswith(b"/") and len(path) <= 32, "path without slash, or longer than 32 bytes")
    ski = values.get("ski", b"").decode()
    check(len(ski) == 40 and set(ski.lower()) <= set("0123456789abcdef"), "ski is not 40 hex digits")
    check(values.get("register") in (b"true", b"false"), "register is neither true nor false")
    categories = values.get("cat", b"").decode().split(",")
    check(all(number.isdigit() for number in categories), "cat is no list of numbers")
    for name in ("brand", "model", "type"):
        check(len(values.get(name, b"")) <= 32, f"{name} is longer than 32 bytes")


@case("TC_SHIP_CONN_001", needs_sockets=True)
async def conn_001(stage: Stage) -> None:
    await stage.dut.trust("small")
    first = ShipPeer(await stage.dut.accept("small"), dut_is_server=False)
    second = ShipPeer(await stage.dut.dial("small"), dut_is_server=True)
    await second.cmi()
    hello = await second.expect(ConnectionHello)
    check(hello.phase in ("ready", "pending"), "the second connection did not go on")
    until = stage.dut.now() + 30.0
    while not first.link.closed and stage.dut.now() < until:
        await first.next(until - stage.dut.now())
    check(first.link.closed, "the first connection is still open after 30 s")
    await second.send(READY)
    await second.send(handshake_message("announceMax", stage.tester_version))
    await second.expect(MessageProtocolHandshake)


@case("TC_SHIP_ROLE_001")
async def role_001(stage: Stage) -> None:
    peer = await stage.open()
    await peer.expect_silence(7.0)
    await peer.cmi()
    await peer.expect(ConnectionHello)


@case("TC_SHIP_ROLE_002", sets=CLIENT_SIDE)
async def role_002(stage: Stage) -> None:
    peer = await stage.open()
    await peer.expect_exactly(CMI)
    await peer.expect_silence(7.0)
    await peer.send(CMI)
    await peer.expect(ConnectionHello)


@case("TC_SHIP_ROLE_003")
async def role_003(stage: Stage) -> None:
    await stage.dut.trust("B")
    outgoing = ShipPeer(await stage.dut.accept("B", within_s=300.0), dut_is_server=False)
    incoming = ShipPeer(await stage.dut.dial("A"), dut_is_server=True)
    for peer in (outgoing, incoming):
        await peer.cmi()
        await peer.expect_ready()
    outgoing.check_open("while the other connection runs")
    incoming.check_open("while the other connection runs")


# -- certificates -------------------------------------------------------------------------------------


@case("TC_SHIP_SEC_001", sets=BOTH_SIDES, needs_sockets=True)
async def sec_001(stage: Stage) -> None:
    await stage.dut.trust("spoofed")
    await _expect_refusal_in_tls(stage)


@case("TC_SHIP_SEC_002", sets=BOTH_SIDES, needs_sockets=True)
async def sec_002(stage: Stage) -> None:
    await stage.dut.trust("genuine")
    genuine = await (stage.dut.dial("genuine") if stage.dut_is_server else stage.dut.accept("genuine"))
    await ShipPeer(genuine, dut_is_server=stage.dut_is_server).establish()
    await genuine.close()
    await _expect_refusal_in_tls(stage)


async def _expect_refusal_in_tls(stage: Stage) -> None:
    try:
        await (stage.dut.dial("spoofed") if stage.dut_is_server else stage.dut.accept("spoofed"))
    except RefusedInTls:
        return
    raise CaseFailed("the device took a certificate whose SKI is not that of its key")


# -- messages -----------------------------------------------------------------------------------------


@case("TC_SHIP_MSG_001", alternatives=BOTH_SIDES)
async def msg_001(stage: Stage) -> None:
    await _closed_or_ignored(await stage.established(), b"\x02")


@case("TC_SHIP_MSG_002", alternatives=BOTH_SIDES)
async def msg_002(stage: Stage) -> None:
    await _closed_or_ignored(await stage.established(), b"\xff\x00")


async def _closed_or_ignored(peer: ShipPeer, message: bytes) -> None:
    await peer.send(message)
    while (await peer.next(3.0)) is not None:
        pass
    if not peer.link.closed:
        check(await peer.answer_to_access_request() is not None, "ignored, but mute afterwards")


@case("TC_SHIP_MSG_003", alternatives=BOTH_SIDES)
async def msg_003(stage: Stage) -> None:
    peer = await stage.established()
    await peer.send(_PADDED_REQUEST)
    await _pass_over_until(peer, AccessMethods)


async def _pass_over_until(peer: ShipPeer, kind: type, within_s: float = ANSWER_S) -> None:
    """Messages of the data exchange come in any order. Raises CaseFailed when the wanted one does not."""
    message = await peer.next(within_s)
    while message is not None:
        if isinstance(read_frame(message), kind):
            return
        message = await peer.next(within_s)
    raise CaseFailed(f"no {kind.__name__} came")


# -- mode initialisation ------------------------------------------------------------------------------


@case("TC_SHIP_CMI_001", "TC_SHIP_CMI_005")
async def cmi_wrong_from_client(stage: Stage) -> None:
    peer = await stage.open()
    await peer.send(_WRONG_TYPE if stage.entry.id.endswith("001") else _WRONG_HEAD)
    await peer.expect_exactly(CMI)
    await peer.expect_close(10.0)


@case("TC_SHIP_CMI_002", "TC_SHIP_CMI_006", sets=CLIENT_SIDE)
async def cmi_wrong_from_server(stage: Stage) -> None:
    peer = await stage.open()
    await peer.expect_exactly(CMI)
    await peer.send(_WRONG_TYPE if stage.entry.id.endswith("002") else _WRONG_HEAD)
    await peer.expect_close(10.0)


@case("TC_SHIP_CMI_003")
async def cmi_003(stage: Stage) -> None:
    peer = await stage.open()
    await peer.expect_silence(7.0)
    await peer.expect_close(25.0)


@case("TC_SHIP_CMI_004", sets=CLIENT_SIDE)
async def cmi_004(stage: Stage) -> None:
    peer = await stage.open()
    await peer.expect_exactly(CMI)
    await peer.expect_silence(7.0)
    await peer.expect_close(25.0)


# -- hello --------------------------------------------------------------------------------------------


@case("TC_SHIP_HELLO_001")
async def hello_001(stage: Stage) -> None:
    peer = await stage.open()
    await peer.cmi()
    await peer.hello()
    await _enters_protocol_handshake(stage, peer)


async def _enters_protocol_handshake(stage: Stage, peer: ShipPeer) -> None:
    await peer.send(handshake_message("announceMax", stage.tester_version))
    answer = await peer.expect(MessageProtocolHandshake)
    check(answer.handshake_type == "select", "the device did not select")


@case("TC_SHIP_HELLO_002")
async def hello_002(stage: Stage) -> None:
    rounds = int(stage.sheet.number("SHIP", "PAR_helloProlongationCount"))
    peer = await stage.open()
    await peer.cmi()
    await peer.expect_ready()
    await peer.expect_silence(45.0)
    for _ in range(rounds):
        await peer.send(PROLONG)
        await peer.expect_ready()
        await peer.expect_silence(60.0)
    await peer.send(READY)
    await _enters_protocol_handshake(stage, peer)


@case("TC_SHIP_HELLO_003")
async def hello_003(stage: Stage) -> None:
    peer = await stage.open()
    await peer.cmi()
    hello = await peer.expect_ready()
    waiting_ms = hello.waiting or 0
    check(58_000 <= waiting_ms <= 240_000, f"waiting is {hello.waiting} ms")
    until = stage.dut.now() + waiting_ms / 1000 + _GRACE_S
    aborted = await peer.expect(ConnectionHello, until - stage.dut.now())
    check(aborted.phase == "aborted", f"aborted was expected, {aborted.phase} came")
    await peer.expect_close(until - stage.dut.now())


@case("TC_SHIP_HELLO_004")
async def hello_004(stage: Stage) -> None:
    peer = await stage.open()
    await peer.cmi()
    await peer.expect_ready()
    await peer.send(PENDING)
    await peer.expect_silence(30.0)
    await peer.send(READY)
    await _enters_protocol_handshake(stage, peer)


# -- protocol handshake and PIN -----------------------------------------------------------------------


async def _after_hello(stage: Stage) -> ShipPeer:
    peer = await stage.open()
    await peer.cmi()
    await peer.hello()
    return peer


@case("TC_SHIP_PROT_001")
async def prot_001(stage: Stage) -> None:
    peer = await _after_hello(stage)
    await peer.send(handshake_message("announceMax", stage.tester_version))
    selected = await peer.expect(MessageProtocolHandshake)
    _check_selection(selected, stage.tester_version)
    await peer.send(encode(selected))
    await peer.expect(ConnectionPinState)


def _check_selection(message: MessageProtocolHandshake, highest: tuple[int, int]) -> None:
    check(message.handshake_type == "select", f"select was expected, {message.handshake_type} came")
    formats = message.formats.format if message.formats else None
    check(formats == ("JSON-UTF8",), "JSON-UTF8 was not selected")
    check(_version(message) <= highest, "the selected version is above the announced one")


def _version(message: MessageProtocolHandshake) -> tuple[int, int]:
    if message.version is None:
        raise CaseFailed("the version is missing")
    return message.version.major or 0, message.version.minor or 0


@case("TC_SHIP_PROT_002", sets=CLIENT_SIDE)
async def prot_002(stage: Stage) -> None:
    peer = await _after_hello(stage)
    announced = await peer.expect(MessageProtocolHandshake)
    own = version_of(written(stage.sheet.section("SHIP")["PAR_shipVersion"]))
    check(announced.handshake_type == "announceMax", "announceMax was expected")
    check(_version(announced) == own, f"version {own} was declared, {_version(announced)} came")
    formats = announced.formats.format if announced.formats else None
    check("JSON-UTF8" in (formats or ()), "JSON-UTF8 is not offered")
    common = min(own, stage.tester_version)
    await peer.send(handshake_message("select", common))
    confirmed = await peer.expect(MessageProtocolHandshake)
    _check_selection(confirmed, common)
    check(_version(confirmed) == common, "another version was confirmed than selected")
    await peer.expect(ConnectionPinState)


@case("TC_SHIP_PROT_003")
async def prot_003(stage: Stage) -> None:
    await _expect_protocol_error(await _after_hello(stage), 1, 12.0)


@case("TC_SHIP_PROT_004", sets=CLIENT_SIDE)
async def prot_004(stage: Stage) -> None:
    peer = await _after_hello(stage)
    await peer.expect(MessageProtocolHandshake)
    await _expect_protocol_error(peer, 1, 12.0)


@case("TC_SHIP_PROT_005")
async def prot_005(stage: Stage) -> None:
    peer = await _after_hello(stage)
    await peer.send(READY)
    await _expect_protocol_error(peer, 2, ANSWER_S)


@case("TC_SHIP_PROT_006", sets=CLIENT_SIDE)
async def prot_006(stage: Stage) -> None:
    peer = await _after_hello(stage)
    await peer.expect(MessageProtocolHandshake)
    await peer.send(READY)
    await _expect_protocol_error(peer, 2, ANSWER_S)


async def _expect_protocol_error(peer: ShipPeer, number: int, within_s: float) -> None:
    error = await peer.expect(MessageProtocolHandshakeError, within_s)
    check(error.error == number, f"error {number} was expected, {error.error} came")
    await peer.expect_close(_GRACE_S)


@case("TC_SHIP_PIN_001", alternatives=BOTH_SIDES)
async def pin_001(stage: Stage) -> None:
    peer = await _after_hello(stage)
    await peer.protocol()
    state = await peer.expect(ConnectionPinState)
    check(state.pin_state == "none", f"the device's PIN state is {state.pin_state}")
    await peer.send(PIN_NONE)
    check(await peer.answer_to_access_request() is not None, "access methods are not answered")


# -- termination --------------------------------------------------------------------------------------


@case("TC_SHIP_TERM_001", alternatives=BOTH_SIDES)
async def term_001(stage: Stage) -> None:
    peer = await stage.established()
    while (await peer.next(1.0)) is not None:
        pass
    await stage.dut.distrust()
    announced = await peer.expect(ConnectionClose)
    check(announced.phase == "announce", f"announce was expected, {announced.phase} came")
    check(announced.max_time is not None and announced.reason is not None, "maxTime or reason is missing")
    await peer.expect_close((announced.max_time or 0) / 1000 + _GRACE_S)


# -- access methods beside data -----------------------------------------------------------------------


@case("TC_SHIP_AM_001", alternatives=BOTH_SIDES)
async def am_001(stage: Stage) -> None:
    methods = await (await stage.established()).answer_to_access_request()
    declared = written(stage.sheet.section("SHIP")["PAR_shipId"])
    declared = declared or ((await stage.dut.announced()).get(b"id") or b"").decode()
    precondition(bool(declared), "the SHIP ID is neither declared nor announced")
    if methods is None:
        raise CaseFailed("access methods are not answered")
    check(methods.id == declared, f"the SHIP ID is '{methods.id}', '{declared}' was declared")


async def _mute(stage: Stage) -> SpinePeer:
    """A link in data exchange with a tester that answers nothing by itself."""
    return SpinePeer(await stage.established(), stage.dut, plain_device(), automatic=False)


@case("TC_SHIP_AMDATA_001", alternatives=BOTH_SIDES)
async def amdata_001(stage: Stage) -> None:
    peer = await _mute(stage)
    await _expect_three_answers(peer)


async def _expect_three_answers(peer: SpinePeer) -> None:
    """Discovery, access methods and use cases, asked back to back."""
    discovery = await peer.read(DISCOVERY_READ)
    await peer.ship.send(ACCESS_REQUEST)
    use_cases = await peer.read(USE_CASE_READ)
    check(
        await peer.until(
            lambda: (
                peer.answer_to(discovery) is not None
                and peer.answer_to(use_cases) is not None
                and peer.controls_of(AccessMethods)
            ),
            10.0,
        ),
        "not all three requests were answered within 10 s",
    )


@case("TC_SHIP_AMDATA_002", alternatives=BOTH_SIDES)
async def amdata_002(stage: Stage) -> None:
    peer = await _mute(stage)
    asked = await peer.until(lambda: peer.controls_of(AccessMethodsRequest), 10.0)
    check(asked, "the device does not ask for access methods")
    await _expect_three_answers(peer)
    await peer.run(8.0)
    await peer.ship.send(ACCESS)
    await peer.run(1.0)
    peer.ship.check_open("after the late access methods")


@case("TC_SHIP_AMDATA_003", alternatives=BOTH_SIDES)
async def amdata_003(stage: Stage) -> None:
    peer = await _mute(stage)
    check(await peer.until(peer.discovery_request, 10.0), "the device does not read the discovery data")
    await peer.run(4.0)
    await peer.ship.send(ACCESS_REQUEST)
    check(await peer.until(lambda: peer.controls_of(AccessMethods), 4.0), "access methods are not answered")
    await peer.answer_discovery()
    await peer.run(2.0)
    peer.ship.check_open("after the late discovery reply")


@case("TC_SHIP_AMDATA_004", alternatives=BOTH_SIDES)
async def amdata_004(stage: Stage) -> None:
    ship = await stage.established()
    peer = SpinePeer(ship, stage.dut, plain_device())
    await peer.run(120.0)
    check(not peer.controls_of(AccessMethodsRequest), "the device asks for access methods")
    ship.check_open("within 120 s")
