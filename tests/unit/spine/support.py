"""A hand-driven peer for the SPINE node, and a wire between two nodes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from eebus.ids import PeerRole, Ski
from eebus.jsonform import Record
from eebus.spine.datagram import (
    Command,
    Datagram,
    Filter,
    Header,
    command_for,
    decode_datagram,
    encode_datagram,
)
from eebus.spine.device import READ, READ_WRITE_PARTIAL, LocalDevice
from eebus.spine.model.common import (
    DeviceAddress,
    EntityAddress,
    FeatureAddress,
    ResultData,
    ScaledNumber,
    TimePeriod,
)
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.model.node_management import (
    BindingRequest,
    DeviceDescription,
    DeviceInformation,
    EntityDescription,
    EntityInformation,
    FeatureDescription,
    FeatureInformation,
    NodeManagementBindingRequestCall,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
    SubscriptionRequest,
    UseCaseSupport,
)
from eebus.spine.stack import (
    Accept,
    BindRequest,
    ClosePeer,
    Emit,
    Handler,
    Peer,
    Refuse,
    SendDatagram,
    SpineEffect,
    SpineSettings,
    SpineStack,
    Turn,
    Verdict,
    WriteRequest,
)

EventT = TypeVar("EventT")

BOX_SKI = Ski("a" * 40)
OTHER_SKI = Ski("b" * 40)
GATEWAY = "d:_n:Acme_Gate-0001"
BOX = "d:_n:Box_SB-77"
EPOCH = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)

LIMITS = LoadControlLimitListData(
    load_control_limit_data=(
        LoadControlLimitData(
            limit_id=0,
            is_limit_changeable=True,
            is_limit_active=False,
            value=ScaledNumber(number=4200, scale=0),
        ),
        LoadControlLimitData(
            limit_id=1,
            is_limit_changeable=True,
            is_limit_active=True,
            time_period=TimePeriod(end_time="PT1H"),
            value=ScaledNumber(number=42, scale=2),
        ),
    )
)


def gateway_device() -> LocalDevice:
    """A controllable system with one limit feature, a heartbeat and a client feature."""
    device = LocalDevice(GATEWAY, "EnergyManagementSystem")
    entity = device.add_entity("CEM")
    entity.add_feature("DeviceDiagnosis", "client")
    limits = entity.add_feature("LoadControl", "server", {"loadControlLimitListData": READ_WRITE_PARTIAL})
    limits.preset(LIMITS)
    entity.add_feature("DeviceDiagnosis", "server", {"deviceDiagnosisHeartbeatData": READ})
    entity.add_feature("Measurement", "server", {"measurementListData": READ})
    device.add_use_case(
        entity,
        "ControllableSystem",
        UseCaseSupport(
            use_case_name="limitationOfPowerConsumption",
            use_case_version="1.0.0",
            use_case_available=True,
            scenario_support=(1, 2, 3, 4),
            use_case_document_sub_revision="release",
        ),
    )
    return device


@dataclass
class RecordingHandler(Handler):
    """Accepts everything unless told otherwise, and remembers what it was asked."""

    verdict: Verdict | None = field(default_factory=Accept)
    bind_verdict: Accept | Refuse | None = None
    stored_verdict: Accept | Refuse | None = None
    events: list[object] = field(default_factory=list)
    writes: list[WriteRequest] = field(default_factory=list)
    react: Callable[[object, Turn], None] = lambda event, turn: None
    before_verdict: Callable[[WriteRequest, Turn], None] = lambda request, turn: None

    def on_write(self, request: WriteRequest, turn: Turn) -> Verdict | None:
        self.writes.append(request)
        self.before_verdict(request, turn)
        return self.verdict

    def on_bind(self, request: BindRequest, turn: Turn) -> Accept | Refuse | None:
        return self.bind_verdict

    def on_stored(self, token: int, ok: bool, turn: Turn) -> Accept | Refuse | None:
        return self.stored_verdict

    def on_event(self, event: object, turn: Turn) -> None:
        self.events.append(event)
        self.react(event, turn)

    def of_type(self, type_: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, type_)]


class Bench:
    """One node with a tester as its peer: whatever the tester sends is answered at once."""

    def __init__(
        self,
        *,
        role: PeerRole = PeerRole.CONTROL_BOX,
        settings: SpineSettings | None = None,
        device: LocalDevice | None = None,
    ) -> None:
        self.now = 1000.0
        self.device = device or gateway_device()
        self.handler = RecordingHandler()
        self.stack = SpineStack(self.device, utc_now=self.utc_now, settings=settings or SpineSettings())
        self.stack.add_handler(self.handler)
        self.effects: list[SpineEffect] = []
        self.counter = 0
        self.version: str | None = "1.3.0"
        self.ski = BOX_SKI
        self.take(self.stack.connect(Peer(BOX_SKI, role), self.now))

    def utc_now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now - 1000)

    def take(self, effects: list[SpineEffect]) -> list[Datagram]:
        """Remember effects; returns the datagrams that they send to the tester."""
        self.effects += effects
        return [decode_sent(e.datagram) for e in effects if isinstance(e, SendDatagram) and e.ski == self.ski]

    def sent(self, classifier: str | None = None, function: str | None = None) -> list[Datagram]:
        """Everything that the node has sent to the tester."""
        datagrams = [decode_sent(e.datagram) for e in self.effects if isinstance(e, SendDatagram)]
        return [
            d
            for d in datagrams
            if classifier in (None, d.header.cmd_classifier) and function in (None, d.command.function)
        ]

    def emitted(self, type_: type[EventT]) -> list[EventT]:
        return [e.event for e in self.effects if isinstance(e, Emit) and isinstance(e.event, type_)]

    def closed(self) -> list[ClosePeer]:
        return [effect for effect in self.effects if isinstance(effect, ClosePeer)]

    def receive(self, wire: object) -> list[Datagram]:
        """Any JSON value in place of a datagram."""
        return self.take(self.stack.receive(self.ski, wire, self.now))

    def send(
        self,
        classifier: str,
        command: Command,
        *,
        source: FeatureAddress | None = None,
        destination: FeatureAddress | None = None,
        reference: int | None = None,
        ack: bool | None = None,
        counter: int | None = None,
    ) -> list[Datagram]:
        """Send a datagram as the tester; returns what comes back."""
        self.counter += 1
        header = Header(
            specification_version=self.version,
            address_source=source or at(0, 0, device=BOX),
            address_destination=destination or at(0, 0),
            msg_counter=self.counter if counter is None else counter,
            msg_counter_reference=reference,
            cmd_classifier=classifier,
            ack_request=ack,
        )
        return self.receive(msgspec.json.decode(encode_datagram(Datagram(header, command)))["datagram"])

    def read(self, data: Record, destination: FeatureAddress | None = None) -> Datagram:
        """Read a function; the one answer."""
        (answer,) = self.send("read", command_for(data), destination=destination)
        return answer

    def call(self, data: Record) -> int:
        """Call NodeManagement; the error number of the result."""
        return result_of(self.send("call", command_for(data), ack=True))

    def subscribe(
        self, client: FeatureAddress, server: FeatureAddress, feature_type: str | None = None
    ) -> int:
        request = SubscriptionRequest(
            client_address=client, server_address=server, server_feature_type=feature_type
        )
        return self.call(NodeManagementSubscriptionRequestCall(subscription_request=request))

    def bind(self, client: FeatureAddress, server: FeatureAddress, feature_type: str | None = None) -> int:
        request = BindingRequest(
            client_address=client, server_address=server, server_feature_type=feature_type
        )
        return self.call(NodeManagementBindingRequestCall(binding_request=request))

    def answer_discovery(self, tree: NodeManagementDetailedDiscoveryData | None = None) -> list[Datagram]:
        """Read the node's tree and answer its own read, as every peer does at the start."""
        self.read(NodeManagementDetailedDiscoveryData())
        reads = self.sent("read", "nodeManagementDetailedDiscoveryData")
        return self.reply_to(reads[0], tree or box_tree())

    def reply_to(self, request: Datagram, data: Record, **changes: bool) -> list[Datagram]:
        return self.send(
            "reply",
            command_for(data),
            destination=request.header.address_source,
            source=_with_device(request.header.address_destination),
            reference=request.header.msg_counter,
            ack=changes.get("ack"),
        )

    def result_to(self, request: Datagram, number: int, text: str = "no") -> list[Datagram]:
        data = ResultData(error_number=number, description=text if number else None)
        return self.send(
            "result",
            command_for(data),
            destination=request.header.address_source,
            source=_with_device(request.header.address_destination),
            reference=request.header.msg_counter,
        )

    def start(self) -> None:
        """Everything up to known use cases."""
        started = self.answer_discovery()
        for request in started:
            if request.header.cmd_classifier == "call":
                self.result_to(request, 0)
            else:
                self.reply_to(request, NodeManagementUseCaseData())

    def run(self, action: Callable[[Turn], object]) -> list[Datagram]:
        return self.take(self.stack.run(self.now, action))

    def wait(self, seconds: float) -> list[Datagram]:
        """Let time pass, with everything that becomes due on the way."""
        end = self.now + seconds
        before = len(self.effects)
        while (due := self.stack.next_deadline()) is not None and due <= end:
            self.now = due
            self.take(self.stack.on_deadline(self.now))
        self.now = end
        effects = self.effects[before:]
        return [decode_sent(e.datagram) for e in effects if isinstance(e, SendDatagram)]


def at(entity: int, feature: int, device: str | None = GATEWAY) -> FeatureAddress:
    return FeatureAddress(device=device, entity=(entity,), feature=feature)


def decode_sent(text: bytes) -> Datagram:
    return decode_datagram(msgspec.json.decode(text)["datagram"])


def result_of(answers: list[Datagram]) -> int:
    """The error number of the only answer."""
    (answer,) = [a for a in answers if a.header.cmd_classifier == "result"]
    assert isinstance(answer.command.data, ResultData)
    assert answer.command.data.error_number is not None
    return answer.command.data.error_number


def limit_write(*items: LoadControlLimitData, filters: tuple[Filter, ...] = ()) -> Command:
    return command_for(LoadControlLimitListData(load_control_limit_data=items or None), filters)


def box_tree(
    *, device: str | None = BOX, entities: tuple[int, ...] = (1,), client_type: str = "LoadControl"
) -> NodeManagementDetailedDiscoveryData:
    """A control box: on each entity a client feature 1 and a heartbeat server 2."""
    entity_items = [_entity(0, "DeviceInformation", device)]
    features = [_feature(0, 0, "NodeManagement", "special", device)]
    for number in entities:
        entity_items.append(_entity(number, "GridGuard", device))
        features.append(_feature(number, 1, client_type, "client", device))
        features.append(_feature(number, 2, "DeviceDiagnosis", "server", device))
    return NodeManagementDetailedDiscoveryData(
        device_information=DeviceInformation(
            description=DeviceDescription(device_address=DeviceAddress(device=device))
        ),
        entity_information=tuple(entity_items),
        feature_information=tuple(features),
    )


def _entity(number: int, entity_type: str, device: str | None) -> EntityInformation:
    address = EntityAddress(device=device, entity=(number,))
    return EntityInformation(description=EntityDescription(entity_address=address, entity_type=entity_type))


def _feature(
    entity: int, number: int, feature_type: str, role: str, device: str | None
) -> FeatureInformation:
    return FeatureInformation(
        description=FeatureDescription(
            feature_address=FeatureAddress(device=device, entity=(entity,), feature=number),
            feature_type=feature_type,
            role=role,
        )
    )


def _with_device(address: FeatureAddress | None) -> FeatureAddress:
    address = address or at(0, 0)
    return FeatureAddress(device=BOX, entity=address.entity, feature=address.feature)
