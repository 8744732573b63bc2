"""The tester's side of a SHIP connection: official messages, and the handshake step by step."""

from typing import Final, TypeVar

from eebus.conformance.device import Link
from eebus.conformance.verdict import CaseFailed, check, precondition
from eebus.errors import DecodeError
from eebus.ship.frames import CMI, Data, Frame, Init, decode, encode
from eebus.ship.messages import (
    AccessMethods,
    AccessMethodsRequest,
    ConnectionHello,
    ConnectionPinState,
    Message,
    MessageProtocolHandshake,
    ProtocolFormats,
    ProtocolVersion,
)

T = TypeVar("T", bound=Message)

ANSWER_S: Final = 10.0
"""How long a quick answer may take on a real link."""
SHIP_ID: Final = "i:1_u:conformance-tester"

READY: Final = encode(ConnectionHello(phase="ready"))
PROLONG: Final = encode(ConnectionHello(phase="pending", prolongation_request=True))
PENDING: Final = encode(ConnectionHello(phase="pending", waiting=120_000))
PIN_NONE: Final = encode(ConnectionPinState(pin_state="none"))
ACCESS_REQUEST: Final = encode(AccessMethodsRequest())
ACCESS: Final = encode(AccessMethods(id=SHIP_ID))

_BOUND: Final = 10**7


def read_frame(message: bytes) -> Frame | None:
    """A message of the device; None when it cannot be read."""
    try:
        return decode(message, max_bytes=_BOUND, max_depth=1000, max_elements=_BOUND)
    except DecodeError:
        return None


def handshake_message(type_: str, version: tuple[int, int]) -> bytes:
    """A message of the protocol handshake that offers or selects JSON-UTF8."""
    return encode(
        MessageProtocolHandshake(
            handshake_type=type_,
            version=ProtocolVersion(major=version[0], minor=version[1]),
            formats=ProtocolFormats(format=("JSON-UTF8",)),
        )
    )


class ShipPeer:
    """One link with the handshake done as far as a case wants it."""

    def __init__(self, link: Link, *, dut_is_server: bool, version: tuple[int, int] = (1, 0)) -> None:
        self.link = link
        self.dut_is_server = dut_is_server
        self._version = version

    async def send(self, message: bytes) -> None:
        """Send one message."""
        await self.link.send(message)

    async def next(self, within_s: float = ANSWER_S) -> bytes | None:
        """The next message of the device, if any."""
        return await self.link.receive(within_s)

    async def expect(self, kind: type[T], within_s: float = ANSWER_S) -> T:
        """The next message must be of this kind. Raises CaseFailed."""
        message = await self.next(within_s)
        frame = read_frame(message) if message is not None else None
        if isinstance(frame, kind):
            return frame
        raise CaseFailed(
            f"{kind.__name__} was expected within {within_s:g} s, {_shown(message, self.link)} came"
        )

    async def expect_exactly(self, expected: bytes, within_s: float = ANSWER_S) -> None:
        """The next message must be these bytes. Raises CaseFailed."""
        message = await self.next(within_s)
        check(message == expected, f"{expected.hex(' ')} was expected, {_shown(message, self.link)} came")

    async def expect_silence(self, seconds: float) -> None:
        """Nothing may come and the link must stay open. Raises CaseFailed."""
        message = await self.next(seconds)
        check(message is None, f"silence was expected, {_shown(message, self.link)} came")
        self.check_open(f"after {seconds:g} s")

    async def expect_close(self, within_s: float) -> None:
        """The device must close without another message. Raises CaseFailed."""
        message = await self.next(within_s)
        check(message is None, f"a close was expected, {_shown(message, self.link)} came")
        check(self.link.closed, f"the link is still open after {within_s:g} s")

    def check_open(self, when: str) -> None:
        """Raises CaseFailed when the device has closed."""
        check(not self.link.closed, f"the device closed the link {when}")

    # The handshake

    async def cmi(self) -> None:
        """Mode initialisation."""
        if self.dut_is_server:
            await self.send(CMI)
            await self.expect_exactly(CMI)
        else:
            await self.expect_exactly(CMI)
            await self.send(CMI)

    async def hello(self) -> ConnectionHello:
        """Both ready. Returns the device's hello."""
        hello = await self.expect_ready()
        await self.send(READY)
        return hello

    async def expect_ready(self) -> ConnectionHello:
        """The hello of a device that trusts the tester."""
        hello = await self.expect(ConnectionHello)
        check(hello.phase == "ready", f"hello ready was expected, phase {hello.phase} came")
        return hello

    async def protocol(self) -> None:
        """Agree on version and format."""
        if self.dut_is_server:
            await self.send(handshake_message("announceMax", self._version))
            selected = await self.expect(MessageProtocolHandshake)
            await self.send(encode(selected))
        else:
            await self.expect(MessageProtocolHandshake)
            await self.send(handshake_message("select", (1, 0)))
            await self.expect(MessageProtocolHandshake)

    async def pin(self) -> None:
        """No PIN on both sides."""
        await self.expect(ConnectionPinState)
        await self.send(PIN_NONE)

    async def establish(self) -> "ShipPeer":
        """The whole handshake, up to data exchange."""
        await self.cmi()
        await self.hello()
        await self.protocol()
        await self.pin()
        precondition(not self.link.closed, "the device closed the link after the handshake")
        return self

    async def answer_to_access_request(self, within_s: float = ANSWER_S) -> AccessMethods | None:
        """Ask for access methods; what else comes meanwhile is passed over, requests are answered."""
        await self.send(ACCESS_REQUEST)
        for _ in range(50):
            message = await self.next(within_s)
            if message is None:
                return None
            frame = read_frame(message)
            if isinstance(frame, AccessMethods):
                return frame
            if isinstance(frame, AccessMethodsRequest):
                await self.send(ACCESS)
        return None


def _shown(message: bytes | None, link: Link) -> str:
    if message is None:
        return "a close" if link.closed else "nothing"
    frame = read_frame(message)
    if frame is None or isinstance(frame, Init):
        return message[:40].hex(" ")
    return "SPINE data" if isinstance(frame, Data) else type(frame).__name__
