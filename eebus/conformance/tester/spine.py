"""The tester's SPINE node: sends any datagram, keeps all that comes, and answers what it is asked.

It has no session logic of its own: no subscriptions, reads or heartbeats unless a case says so. What it shows
of itself is an ordinary tree of ours, of which a case may change any part.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.tester.ship import ACCESS, ANSWER_S, ShipPeer, read_frame
from eebus.conformance.verdict import CaseFailed, check
from eebus.errors import DecodeError
from eebus.jsonform import Record
from eebus.ship.frames import Data, Frame, encode, encode_data
from eebus.ship.messages import AccessMethodsRequest, ConnectionClose
from eebus.spine.datagram import (
    SPECIFICATION_VERSION,
    Command,
    Datagram,
    Header,
    command_for,
    decode_datagram,
    encode_datagram,
)
from eebus.spine.device import LocalDevice, LocalFeature
from eebus.spine.model.common import Classifier, ErrorNumber, FeatureAddress, ResultData
from eebus.spine.model.node_management import (
    NodeManagementBindingData,
    NodeManagementBindingDeleteCall,
    NodeManagementBindingRequestCall,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionData,
    NodeManagementSubscriptionDeleteCall,
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
)
from eebus.spine.node_management import discovery_data, use_case_data

FUTURE_VERSION: Final = "1.999.999"
TESTER_ADDRESS: Final = "d:_n:Conformance_Tester-1"
DISCOVERY_READ: Final = command_for(NodeManagementDetailedDiscoveryData())
USE_CASE_READ: Final = command_for(NodeManagementUseCaseData())

_NODE_MANAGEMENT: Final = FeatureAddress(entity=(0,), feature=0)

WriteJudge = Callable[[LocalFeature, Command], int]
"""Takes a write of the device; returns the error number to answer."""


def plain_device(address: str = TESTER_ADDRESS) -> LocalDevice:
    """A tester that plays no actor."""
    device = LocalDevice(address, "Generic")
    device.add_entity("Generic")
    return device


@dataclass(frozen=True, slots=True)
class Incoming:
    """A datagram of the device."""

    at: float
    datagram: Datagram

    @property
    def header(self) -> Header:
        return self.datagram.header

    @property
    def data(self) -> Record | None:
        return self.datagram.command.data


@dataclass(frozen=True, slots=True)
class PeerRelation:
    """A subscription or binding that the device asked for."""

    client: FeatureAddress
    server: FeatureAddress


@dataclass(slots=True)
class _Repeated:
    """Something that the tester does in the background while a case waits."""

    interval_s: float
    due_at: float
    action: Callable[[], Awaitable[None]]


class SpinePeer:
    """The tester on one link in data exchange."""

    def __init__(
        self, ship: ShipPeer, dut: DeviceUnderTest, device: LocalDevice, *, automatic: bool = True
    ) -> None:
        self.ship = ship
        self.dut = dut
        self.device = device
        self.automatic = automatic
        """Answer requests. False: the case sends every answer itself."""
        self.answers_discovery = True
        self.version = SPECIFICATION_VERSION
        self.change_discovery: Callable[[NodeManagementDetailedDiscoveryData], Record] = lambda data: data
        self.change_reply: Callable[[Record], Record] = lambda data: data
        self.judge_write: WriteJudge = lambda _feature, _command: ErrorNumber.COMMAND_NOT_SUPPORTED
        self.received: list[Incoming] = []
        self.controls: list[Frame] = []
        self.subscriptions: list[PeerRelation] = []
        self.bindings: list[PeerRelation] = []
        self._counter = 0
        self._repeated: list[_Repeated] = []
        dut.serve_with(self.run)

    # Sending

    async def send(
        self,
        classifier: Classifier,
        command: Command,
        *,
        source: FeatureAddress | None = None,
        destination: FeatureAddress | None = None,
        reference: int | None = None,
        ack: bool | None = None,
        counter: int | None = None,
    ) -> int:
        """Send one datagram, by default between the NodeManagements. Returns its message counter."""
        if counter is None:
            self._counter += 1
            counter = self._counter
        header = Header(
            specification_version=self.version,
            address_source=source or self.own(_NODE_MANAGEMENT),
            address_destination=destination or _NODE_MANAGEMENT,
            msg_counter=counter,
            msg_counter_reference=reference,
            cmd_classifier=classifier.value,
            ack_request=ack,
        )
        await self.ship.send(encode_data(encode_datagram(Datagram(header, command))))
        return counter

    def own(self, address: FeatureAddress) -> FeatureAddress:
        """An address of the tester with its device part."""
        return FeatureAddress(device=self.device.address, entity=address.entity, feature=address.feature)

    async def read(
        self,
        command: Command,
        destination: FeatureAddress | None = None,
        *,
        source: FeatureAddress | None = None,
        counter: int | None = None,
        ack: bool | None = None,
    ) -> int:
        """Ask for data. Returns the message counter."""
        return await self.send(
            Classifier.READ, command, source=source, destination=destination, counter=counter, ack=ack
        )

    async def result(self, reference: int, number: int, *, ack: bool | None = None) -> None:
        """Send a result between the NodeManagements."""
        data = ResultData(error_number=number)
        await self.send(Classifier.RESULT, command_for(data), reference=reference, ack=ack)

    async def answer_discovery(self) -> None:
        """Reply to the device's discovery read now."""
        request = self.discovery_request()
        if request is not None:
            await self._reply(request, self.change_discovery(discovery_data(self.device)))

    # Waiting

    async def run(self, seconds: float) -> None:
        """Let time pass, answering and beating meanwhile."""
        await self.until(lambda: False, seconds)

    async def until(self, condition: Callable[[], object], within_s: float) -> bool:
        """Let time pass until the condition holds; whether it does in the end."""
        end = self.dut.now() + within_s
        while not condition():
            await self._do_repeated()
            wake_at = min([end, *(item.due_at for item in self._repeated)])
            message = await self.ship.next(max(0.0, wake_at - self.dut.now()))
            if message is not None:
                await self._take(message)
            elif self.ship.link.closed:
                await self.dut.sleep(max(0.0, end - self.dut.now()))
                return bool(condition())
            elif self.dut.now() >= end:
                await self._do_repeated()
                return bool(condition())
        return True

    def repeat(self, interval_s: float, action: Callable[[], Awaitable[None]]) -> None:
        """Do this now and at this interval while a case waits."""
        self._repeated.append(_Repeated(interval_s, self.dut.now(), action))

    def stop_repeating(self) -> None:
        """Nothing happens in the background any more."""
        self._repeated.clear()

    async def _do_repeated(self) -> None:
        for item in self._repeated:
            if self.dut.now() >= item.due_at:
                item.due_at = self.dut.now() + item.interval_s
                await item.action()

    # Looking at what came

    def answer_to(self, counter: int) -> Incoming | None:
        """The reply or result that refers to a message of ours."""
        return next((i for i in self.received if i.header.msg_counter_reference == counter), None)

    def answers_to(self, counter: int) -> list[Incoming]:
        """Everything that refers to a message of ours."""
        return [i for i in self.received if i.header.msg_counter_reference == counter]

    def error_of(self, counter: int) -> int | None:
        """The error number that answered a message; None while there is none."""
        answer = self.answer_to(counter)
        if answer is None or not isinstance(answer.data, ResultData):
            return None
        return answer.data.error_number

    def results(self) -> list[Incoming]:
        """All results of the device."""
        return [i for i in self.received if i.header.cmd_classifier == Classifier.RESULT]

    def controls_of(self, kind: type) -> list[Frame]:
        """The SHIP control messages of a kind."""
        return [frame for frame in self.controls if isinstance(frame, kind)]

    def discovery_requests(self) -> list[Incoming]:
        """The device's reads of our tree."""
        return [
            i
            for i in self.received
            if i.header.cmd_classifier == Classifier.READ
            and isinstance(i.data, NodeManagementDetailedDiscoveryData)
        ]

    def discovery_request(self) -> Incoming | None:
        """The latest of them."""
        found = self.discovery_requests()
        return found[-1] if found else None

    async def reply_to(self, counter: int, within_s: float = ANSWER_S) -> Incoming:
        """Wait for the answer, which must be a reply. Raises CaseFailed."""
        await self.until(lambda: self.answer_to(counter) is not None, within_s)
        answer = self.answer_to(counter)
        if answer is None:
            raise CaseFailed(f"message {counter} was not answered within {within_s:g} s")
        kind = answer.header.cmd_classifier
        check(kind == Classifier.REPLY, f"message {counter} was answered with {kind}, not with a reply")
        return answer

    async def fetch(
        self, data: Record, destination: FeatureAddress | None = None, *, source: FeatureAddress | None = None
    ) -> Record:
        """Read a function and wait for its data. Raises CaseFailed."""
        counter = await self.read(command_for(data), destination, source=source)
        reply = await self.reply_to(counter)
        if not isinstance(reply.data, type(data)):
            raise CaseFailed(f"the reply carries no {type(data).__name__}")
        return reply.data

    async def error_number(self, counter: int, within_s: float = ANSWER_S) -> int:
        """Wait for the result of a message. Raises CaseFailed when none comes."""
        await self.until(lambda: self.error_of(counter) is not None, within_s)
        number = self.error_of(counter)
        if number is None:
            raise CaseFailed(f"message {counter} got no result within {within_s:g} s")
        return number

    async def call(self, data: Record, destination: FeatureAddress | None = None) -> int:
        """Call a function of NodeManagement. Returns the error number. Raises CaseFailed without a result."""
        counter = await self.send(Classifier.CALL, command_for(data), destination=destination, ack=True)
        return await self.error_number(counter)

    def subscribers(self, feature: FeatureAddress) -> list[FeatureAddress]:
        """Who of the device subscribed to a feature of ours."""
        return [item.client for item in self.subscriptions if _same(item.server, feature)]

    # Answering

    async def _take(self, message: bytes) -> None:
        frame = read_frame(message)
        if isinstance(frame, Data):
            await self._take_datagram(frame)
        elif frame is not None:
            self.controls.append(frame)
            if isinstance(frame, AccessMethodsRequest) and self.automatic:
                await self.ship.send(ACCESS)
            if isinstance(frame, ConnectionClose) and frame.phase == "announce" and self.automatic:
                await self.ship.send(encode(ConnectionClose(phase="confirm")))

    async def _take_datagram(self, frame: Data) -> None:
        try:
            datagram = decode_datagram(frame.datagram)
        except DecodeError as error:
            raise CaseFailed(f"the device sent a datagram that cannot be read: {error}") from error
        incoming = Incoming(self.dut.now(), datagram)
        self.received.append(incoming)
        if not self.automatic:
            return
        classifier = datagram.header.cmd_classifier
        if classifier == Classifier.READ:
            await self._answer_read(incoming)
        elif classifier == Classifier.CALL:
            await self._answer(incoming, self._agree(incoming.data))
        elif classifier == Classifier.WRITE:
            await self._answer(incoming, self._judged(incoming))
        elif classifier == Classifier.NOTIFY and datagram.header.ack_request:
            await self._answer(incoming, ErrorNumber.NONE)

    async def _answer_read(self, request: Incoming) -> None:
        function = request.datagram.command.function
        if function == "nodeManagementDetailedDiscoveryData":
            if self.answers_discovery:
                await self._reply(request, self.change_discovery(discovery_data(self.device)))
            return
        data = self._stored(request)
        if data is None:
            await self._answer(request, ErrorNumber.COMMAND_NOT_SUPPORTED)
        else:
            await self._reply(request, self.change_reply(data))

    def _stored(self, request: Incoming) -> Record | None:
        match request.datagram.command.function:
            case "nodeManagementUseCaseData":
                return use_case_data(self.device)
            case "nodeManagementSubscriptionData":
                return NodeManagementSubscriptionData()
            case "nodeManagementBindingData":
                return NodeManagementBindingData()
            case function:
                feature = self._addressed(request)
                return feature.data(function) if feature else None

    def _addressed(self, request: Incoming) -> LocalFeature | None:
        destination = request.header.address_destination or FeatureAddress()
        return self.device.feature(destination.entity or (), destination.feature or 0)

    def _agree(self, call: Record | None) -> int:
        match call:
            case NodeManagementSubscriptionRequestCall(subscription_request=request) if request:
                self._relate(self.subscriptions, request.client_address, request.server_address)
            case NodeManagementBindingRequestCall(binding_request=request) if request:
                self._relate(self.bindings, request.client_address, request.server_address)
            case NodeManagementSubscriptionDeleteCall(subscription_delete=request) if request:
                self._unrelate(self.subscriptions, request.server_address)
            case NodeManagementBindingDeleteCall(binding_delete=request) if request:
                self._unrelate(self.bindings, request.server_address)
            case _:
                return ErrorNumber.COMMAND_NOT_SUPPORTED
        return ErrorNumber.NONE

    @staticmethod
    def _relate(
        relations: list[PeerRelation], client: FeatureAddress | None, server: FeatureAddress | None
    ) -> None:
        relations.append(PeerRelation(client or FeatureAddress(), server or FeatureAddress()))

    @staticmethod
    def _unrelate(relations: list[PeerRelation], server: FeatureAddress | None) -> None:
        relations[:] = [item for item in relations if server is None or not _same(item.server, server)]

    def _judged(self, request: Incoming) -> int:
        feature = self._addressed(request)
        if feature is None:
            return ErrorNumber.DESTINATION_UNKNOWN
        return self.judge_write(feature, request.datagram.command)

    async def _reply(self, request: Incoming, data: Record) -> None:
        await self._respond(Classifier.REPLY, request, data)

    async def _answer(self, request: Incoming, number: int) -> None:
        await self._respond(Classifier.RESULT, request, ResultData(error_number=int(number)))

    async def _respond(self, classifier: Classifier, request: Incoming, data: Record) -> None:
        header = request.header
        await self.send(
            classifier,
            command_for(data),
            source=self.own(header.address_destination or _NODE_MANAGEMENT),
            destination=header.address_source,
            reference=header.msg_counter,
        )


def _same(one: FeatureAddress, other: FeatureAddress) -> bool:
    return (one.entity, one.feature) == (other.entity, other.feature)
