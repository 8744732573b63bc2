"""The server side: the checks that a request passes, and the one answer that it gets (SPINE 2.6, 2.10)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from eebus.jsonform import Record
from eebus.spine import node_management, update
from eebus.spine.datagram import Command, Datagram, Filter, Header, command_for
from eebus.spine.device import EntityPath, LocalEntity, LocalFeature, Operations
from eebus.spine.events import (
    BindingAdded,
    BindingRefused,
    BindingRemoved,
    SubscriptionAdded,
    SubscriptionRemoved,
    WriteRefused,
)
from eebus.spine.functions import FUNCTIONS
from eebus.spine.handler import Accept, BindRequest, Defer, Refuse, Verdict, WriteRequest
from eebus.spine.model.common import Classifier, ErrorNumber, FeatureAddress, ResultData, Role
from eebus.spine.model.node_management import (
    BindingDelete,
    BindingRequest,
    NodeManagementBindingDeleteCall,
    NodeManagementBindingRequestCall,
    NodeManagementSubscriptionDeleteCall,
    NodeManagementSubscriptionRequestCall,
    SubscriptionDelete,
    SubscriptionRequest,
)
from eebus.spine.node_management import PeerRelation, RelationTable, same_place
from eebus.spine.safety import peer_safe_text
from eebus.spine.session import DeferredWrite, HeldWrite, RelationKind, Session

if TYPE_CHECKING:
    from eebus.spine.turn import Turn

_MAX_DESCRIPTION = 200


class RequestError(Exception):
    """A request that is refused, with the number and the text of the result."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number
        self.text = text


def answer(turn: "Turn", session: Session, header: Header, number: int, text: str = "") -> None:
    """Send a result; an error always carries a description, peers have crashed without (SPINE 2.7)."""
    description = peer_safe_text(text)[:_MAX_DESCRIPTION] or "refused"
    result = ResultData(error_number=int(number), description=description if number else None)
    _respond(turn, session, header, Classifier.RESULT, result)


def on_request(turn: "Turn", session: Session, feature: LocalFeature, datagram: Datagram) -> None:
    """Execute a read, write or call to an existing feature of ours and answer it."""
    header = datagram.header
    try:
        if header.cmd_classifier == Classifier.READ:
            _on_read(turn, session, feature, header, datagram.command)
        elif header.cmd_classifier == Classifier.WRITE:
            _on_write(turn, session, feature, header, datagram.command)
        else:
            _on_call(turn, session, feature, datagram.command)
            _acknowledge(turn, session, header)
    except RequestError as error:
        refuse(turn, session, feature, header, error.number, error.text)


def refuse(
    turn: "Turn", session: Session, feature: LocalFeature, header: Header, number: int, text: str
) -> None:
    """Answer with an error; the use cases hear of a write that does not even reach them."""
    answer(turn, session, header, number, text)
    if header.cmd_classifier == Classifier.WRITE:
        turn.tell(WriteRefused(session.ski, feature, int(number), text, header.msg_counter or 0))


def _acknowledge(turn: "Turn", session: Session, header: Header) -> None:
    if header.ack_request:
        answer(turn, session, header, ErrorNumber.NONE)


def _respond(
    turn: "Turn",
    session: Session,
    header: Header,
    classifier: Classifier,
    data: Record,
    filters: tuple[Filter, ...] = (),
) -> None:
    """Answer a request: the addresses change places, with our device filled in (SPINE 2.3)."""
    asked = header.address_destination or FeatureAddress()
    source = FeatureAddress(device=turn.state.device.address, entity=asked.entity, feature=asked.feature)
    destination = header.address_source or FeatureAddress()
    command = command_for(data, filters)
    turn.send(session, classifier, source, destination, command, reference=header.msg_counter)


# --- read ---


def _on_read(turn: "Turn", session: Session, feature: LocalFeature, header: Header, command: Command) -> None:
    """A filter is used where we announce partial reads; elsewhere it is checked and answered in full."""
    _require_server(feature)
    operations = _offered(feature, command)
    if not operations.read:
        raise RequestError(ErrorNumber.COMMAND_NOT_SUPPORTED, f"'{command.function}' cannot be read")
    is_partial = operations.read_partial and bool(command.filters)
    spec, data = FUNCTIONS[command.function], _data_to_read(turn, session, feature, command.function)
    try:
        if is_partial:
            data = update.select(spec, data, command)
        else:
            update.check_read(spec, command)
    except update.ExchangeError as error:
        raise RequestError(error.number, error.text) from error
    _respond(turn, session, header, Classifier.REPLY, data, (update.PARTIAL,) if is_partial else ())
    if command.function == "nodeManagementDetailedDiscoveryData":
        session.has_read_our_tree = True


def _data_to_read(turn: "Turn", session: Session, feature: LocalFeature, function: str) -> Record:
    device = turn.state.device
    if feature is device.node_management:
        match function:
            case "nodeManagementDetailedDiscoveryData":
                return node_management.discovery_data(device)
            case "nodeManagementUseCaseData":
                return node_management.use_case_data(device)
            case "nodeManagementDestinationListData":
                return node_management.destination_list_data(device)
            case "nodeManagementSubscriptionData":
                return node_management.subscription_data(turn.state.subscriptions.of_peer(session.ski))
            case "nodeManagementBindingData":
                return node_management.binding_data(turn.state.bindings.of_peer(session.ski))
    for handler in turn.state.handlers:
        data = handler.on_read(feature, function, turn)
        if data is not None:
            return data
    stored = feature.data(function)
    return FUNCTIONS[function].data() if stored is None else stored


# --- write ---


def _on_write(
    turn: "Turn", session: Session, feature: LocalFeature, header: Header, command: Command
) -> None:
    _require_server(feature)
    operations = _offered(feature, command)
    if not operations.write:
        raise RequestError(ErrorNumber.COMMAND_NOT_SUPPORTED, f"'{command.function}' cannot be written")
    source = header.address_source or FeatureAddress()
    if turn.state.bindings.find(session.ski, source, feature) is None:
        raise RequestError(ErrorNumber.BINDING_REQUIRED, "a write needs a binding")
    if command.filters and not operations.write_partial:
        raise RequestError(ErrorNumber.RESTRICTED_EXCHANGE_NOT_SUPPORTED, "only complete writes")
    if command.data is None and not command.filters:
        raise RequestError(ErrorNumber.GENERAL, "the write carries no data")
    if _is_being_stored(turn, feature, command.function):
        if len(session.held_writes) >= turn.state.settings.max_held_writes:
            raise RequestError(ErrorNumber.OVERLOAD, "too many writes are waiting")
        session.held_writes.append(HeldWrite(feature, header, command))
        return
    _decide_write(turn, session, feature, header, command)


def _decide_write(
    turn: "Turn", session: Session, feature: LocalFeature, header: Header, command: Command
) -> None:
    spec = FUNCTIONS[command.function]
    stored = feature.data(spec.name)
    before = spec.data() if stored is None else stored
    try:
        outcome = update.apply_write(spec, before, command)
    except update.ExchangeError as error:
        raise RequestError(error.number, error.text) from error
    request = WriteRequest(
        peer=session.peer,
        source=header.address_source or FeatureAddress(),
        destination=feature,
        function=spec.name,
        before=before,
        candidate=outcome.candidate,
        changes=outcome.changes,
        command=command,
        msg_counter=header.msg_counter or 0,
    )
    verdict: Verdict | None = None
    for handler in turn.state.handlers:
        verdict = handler.on_write(request, turn)
        if verdict is not None:
            break
    if isinstance(verdict, Defer):
        turn.state.deferred[verdict.token] = DeferredWrite(request, header)
    else:
        _conclude_write(turn, session, DeferredWrite(request, header), verdict)


def _conclude_write(
    turn: "Turn", session: Session | None, write: DeferredWrite, verdict: Accept | Refuse | None
) -> None:
    """Commit or refuse: subscribers are notified first, then the writer gets its result (SPINE 2.10)."""
    if verdict is None:
        verdict = Refuse(ErrorNumber.COMMAND_REJECTED, "nothing here accepts this write")
    if isinstance(verdict, Refuse):
        if session is not None:
            answer(turn, session, write.header, verdict.error_number, verdict.text)
        return
    data = write.request.candidate if verdict.data is None else verdict.data
    turn.set_data(write.request.destination, write.request.function, data)
    if session is not None:
        _acknowledge(turn, session, write.header)


def on_stored(turn: "Turn", token: int, ok: bool) -> None:
    """A record is stored, or could not be: conclude the write that waits for it, then those behind it.

    The write is committed even if its peer has gone: what is on disk and what we serve must agree.
    """
    write = turn.state.deferred.pop(token, None)
    verdict: Accept | Refuse | None = None
    for handler in turn.state.handlers:
        verdict = handler.on_stored(token, ok, turn)
        if verdict is not None:
            break
    if write is None:
        return
    session = turn.state.sessions.get(write.request.peer.ski)
    _conclude_write(turn, session, write, verdict)
    _resume_held_writes(turn, write.request.destination, write.request.function)


def _is_being_stored(turn: "Turn", feature: LocalFeature, function: str) -> bool:
    return any(
        write.request.destination is feature and write.request.function == function
        for write in turn.state.deferred.values()
    )


def _resume_held_writes(turn: "Turn", feature: LocalFeature, function: str) -> None:
    for session in turn.state.sessions.values():
        for held in list(session.held_writes):
            if _is_being_stored(turn, feature, function):
                return
            if held.feature is feature and held.command.function == function:
                session.held_writes.remove(held)
                try:
                    _on_write(turn, session, feature, held.header, held.command)
                except RequestError as error:
                    refuse(turn, session, feature, held.header, error.number, error.text)


# --- call ---


def _on_call(turn: "Turn", session: Session, feature: LocalFeature, command: Command) -> None:
    """Calls exist at NodeManagement only (SPINE 5.1)."""
    if feature is not turn.state.device.node_management:
        raise RequestError(ErrorNumber.COMMAND_NOT_SUPPORTED, "calls belong to NodeManagement")
    match command.data:
        case NodeManagementSubscriptionRequestCall(subscription_request=subscription):
            _subscribe(turn, session, subscription or SubscriptionRequest())
        case NodeManagementBindingRequestCall(binding_request=binding):
            _bind(turn, session, binding or BindingRequest())
        case NodeManagementSubscriptionDeleteCall(subscription_delete=unsubscription):
            delete = unsubscription or SubscriptionDelete()
            matches = _deleted(turn.state.subscriptions, session, delete.subscription_id, delete)
            for relation in matches:
                _remove_relation(turn, RelationKind.SUBSCRIPTION, relation)
        case NodeManagementBindingDeleteCall(binding_delete=unbinding):
            release = unbinding or BindingDelete()
            matches = _deleted(turn.state.bindings, session, release.binding_id, release)
            for relation in matches:
                _remove_relation(turn, RelationKind.BINDING, relation)
        case _:
            raise RequestError(ErrorNumber.COMMAND_NOT_SUPPORTED, f"'{command.function}' cannot be called")


def _subscribe(turn: "Turn", session: Session, request: SubscriptionRequest) -> None:
    """Accept whatever a client is, known or not, typed oddly or not (SPINE 5.6)."""
    client = _client_address(session, request.client_address)
    server = _server_feature(turn, request.server_address, request.server_feature_type)
    if server.role == Role.CLIENT:
        raise RequestError(ErrorNumber.COMMAND_REJECTED, "a client feature cannot be subscribed")
    table = turn.state.subscriptions
    if table.find(session.ski, client, server) is not None:
        return
    _require_room(turn, table, session)
    table.add(session.ski, client, server)
    turn.tell(SubscriptionAdded(session.ski, client, server))


def _bind(turn: "Turn", session: Session, request: BindingRequest) -> None:
    """One binding a server feature, never NodeManagement, and only if the use case agrees (SPINE 5.7)."""
    client = _client_address(session, request.client_address)
    try:
        server = _server_feature(turn, request.server_address, request.server_feature_type)
        _require_bindable(turn, session, client, server)
    except RequestError as error:
        address = request.server_address or FeatureAddress()
        refusal = BindingRefused(session.ski, client, address, int(error.number), error.text)
        turn.tell(refusal, emit=True)
        raise
    table = turn.state.bindings
    if table.find(session.ski, client, server) is None:
        table.add(session.ski, client, server)
        turn.tell(BindingAdded(session.ski, client, server))


def _require_bindable(turn: "Turn", session: Session, client: FeatureAddress, server: LocalFeature) -> None:
    if server.role != Role.SERVER or not server.is_writable:
        raise RequestError(ErrorNumber.COMMAND_REJECTED, "this feature cannot be bound")
    request = BindRequest(session.peer, client, server)
    for handler in turn.state.handlers:
        verdict = handler.on_bind(request, turn)
        if isinstance(verdict, Refuse):
            raise RequestError(verdict.error_number, verdict.text)
        if verdict is not None:
            break
    if turn.state.bindings.find(session.ski, client, server) is not None:
        return
    if turn.state.bindings.of_server(server):
        raise RequestError(ErrorNumber.COMMAND_REJECTED, "another client has bound this feature")
    _require_room(turn, turn.state.bindings, session)


def _deleted(
    table: RelationTable,
    session: Session,
    number: int | None,
    delete: SubscriptionDelete | BindingDelete,
) -> list[PeerRelation]:
    """The relations of a peer that a delete call names, by number or by addresses; possibly none."""
    client, server = delete.client_address, delete.server_address
    if number is None and client is None and server is None:
        raise RequestError(ErrorNumber.COMMAND_REJECTED, "the call does not say what to delete")
    _require_own_device(session, client)
    return [
        relation
        for relation in table.of_peer(session.ski)
        if number in (None, relation.number)
        and (client is None or same_place(client, relation.client))
        and (server is None or same_place(server, relation.server.address))
    ]


def _client_address(session: Session, address: FeatureAddress | None) -> FeatureAddress:
    """The complete address of a client; without a device it is the sender's (SPINE 5.6)."""
    if address is None or not address.entity or address.feature is None:
        raise RequestError(ErrorNumber.COMMAND_REJECTED, "the client address is missing")
    _require_own_device(session, address)
    device = address.device or session.remote.address
    return FeatureAddress(device=device, entity=address.entity, feature=address.feature)


def _require_own_device(session: Session, address: FeatureAddress | None) -> None:
    own = (session.remote.address, session.sender_device)
    if address is not None and address.device and any(own) and address.device not in own:
        raise RequestError(ErrorNumber.COMMAND_REJECTED, "the client is another device than the sender")


def _server_feature(turn: "Turn", address: FeatureAddress | None, feature_type: str | None) -> LocalFeature:
    """The feature of ours that a request names; without a device it is ours."""
    device = turn.state.device
    feature = None
    if address is not None and address.feature is not None and address.device in (None, "", device.address):
        feature = device.feature(address.entity or (), address.feature)
    if feature is None:
        raise RequestError(ErrorNumber.DESTINATION_UNKNOWN, "the server feature does not exist")
    if feature_type and feature_type != feature.feature_type:
        raise RequestError(ErrorNumber.COMMAND_REJECTED, f"the server feature is {feature.feature_type}")
    return feature


# --- end of relations ---


def drop_relations_of_entities(turn: "Turn", session: Session, entities: tuple[EntityPath, ...]) -> None:
    """Forget what clients on removed entities of a peer had asked for."""
    _drop_relations(turn, session, lambda relation: relation.client.entity in entities)


def drop_relations_to_entity(turn: "Turn", entity: LocalEntity) -> None:
    """Forget what peers had asked for at an entity of ours."""
    for session in turn.state.sessions.values():
        _drop_relations(turn, session, lambda relation: relation.server.entity == entity.address)


def drop_relations(turn: "Turn", session: Session) -> None:
    """Forget everything that a peer had asked for: relations last for one connection (SPINE 5.9)."""
    _drop_relations(turn, session, lambda _: True)


def _drop_relations(turn: "Turn", session: Session, is_concerned: Callable[[PeerRelation], bool]) -> None:
    for relation in filter(is_concerned, turn.state.bindings.of_peer(session.ski)):
        _remove_relation(turn, RelationKind.BINDING, relation)
    for relation in filter(is_concerned, turn.state.subscriptions.of_peer(session.ski)):
        _remove_relation(turn, RelationKind.SUBSCRIPTION, relation)


def _remove_relation(turn: "Turn", kind: RelationKind, relation: PeerRelation) -> None:
    if kind is RelationKind.BINDING:
        turn.state.bindings.remove(relation)
        turn.tell(BindingRemoved(relation.ski, relation.client, relation.server))
    else:
        turn.state.subscriptions.remove(relation)
        turn.tell(SubscriptionRemoved(relation.ski, relation.client, relation.server))


# --- small checks ---


def _require_server(feature: LocalFeature) -> None:
    if feature.role == Role.CLIENT:
        raise RequestError(ErrorNumber.COMMAND_REJECTED, "a client feature serves nothing")


def _offered(feature: LocalFeature, command: Command) -> Operations:
    operations = feature.functions.get(command.function)
    if operations is None:
        raise RequestError(
            ErrorNumber.COMMAND_NOT_SUPPORTED, f"'{command.function[:80]}' is not offered here"
        )
    return operations


def _require_room(turn: "Turn", table: RelationTable, session: Session) -> None:
    if len(table.of_peer(session.ski)) >= turn.state.settings.max_relations:
        raise RequestError(ErrorNumber.OVERLOAD, "too many subscriptions or bindings")
