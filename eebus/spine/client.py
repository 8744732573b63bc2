"""The client side: requests of ours, the answers to them, and what peers tell unasked (SPINE 2.5, 5.8)."""

from typing import TYPE_CHECKING

from eebus.errors import LocalError
from eebus.jsonform import Record
from eebus.spine import update
from eebus.spine.datagram import Command, Datagram, Filter, Header, command_for
from eebus.spine.device import NODE_MANAGEMENT_ENTITY, NODE_MANAGEMENT_FEATURE, EntityPath, RemoteFeature
from eebus.spine.events import (
    BindingConfirmed,
    DatagramDropped,
    PeerDiscovered,
    PeerTopologyChanged,
    PeerUseCases,
    RemoteData,
    Request,
    RequestTimedOut,
    ResultReceived,
    SubscriptionConfirmed,
)
from eebus.spine.functions import FUNCTIONS, FunctionSpec, spec_of
from eebus.spine.model.common import Classifier, ErrorNumber, FeatureAddress, ResultData
from eebus.spine.model.node_management import (
    BindingDelete,
    BindingRequest,
    NodeManagementBindingDeleteCall,
    NodeManagementBindingRequestCall,
    NodeManagementDetailedDiscoveryData,
    NodeManagementSubscriptionDeleteCall,
    NodeManagementSubscriptionRequestCall,
    NodeManagementUseCaseData,
    SubscriptionDelete,
    SubscriptionRequest,
)
from eebus.spine.node_management import (
    TopologyChange,
    learn_discovery,
    learn_discovery_change,
    learn_use_cases,
)
from eebus.spine.server import drop_relations_of_entities
from eebus.spine.session import (
    LaterRead,
    OwnRelation,
    Pending,
    Purpose,
    RelationKind,
    RelationState,
    Session,
    relation_key,
)

if TYPE_CHECKING:
    from eebus.spine.turn import Turn

_DISCOVERY = "nodeManagementDetailedDiscoveryData"
_USE_CASES = "nodeManagementUseCaseData"
_NAME_PLATE = "deviceClassificationManufacturerData"

_NOT_BOUND = (ErrorNumber.GENERAL, ErrorNumber.BINDING_REQUIRED)
"""How servers refuse a write of a client that they do not (or no longer) count as bound (SPINE 2.7)."""

_MAX_RELATION_ATTEMPTS = 2


# --- start of a connection (SPINE 5.8) ---


def start(turn: "Turn", session: Session) -> None:
    """Ask a new peer for its tree; the address of its device is not known yet."""
    destination = _node_management_of(session)
    deadline = turn.now + turn.state.settings.discovery_timeout_s
    _read(turn, session, _own_node_management(turn), destination, _DISCOVERY, Purpose.DISCOVERY, deadline)


def become_ready_if_possible(turn: "Turn", session: Session) -> None:
    """Go on when the peer's tree is known and the peer knows ours.

    A peer that has not asked for our tree drops our requests. After a grace time we try all the same.
    """
    discovered_at = session.discovered_at
    if session.is_ready or discovered_at is None:
        return
    if not session.has_read_our_tree and turn.now < discovered_at + turn.state.settings.discovery_grace_s:
        return
    session.is_ready = True
    ours, theirs = _own_node_management(turn), _node_management_of(session)
    relate(turn, session, RelationKind.SUBSCRIPTION, ours, theirs, "NodeManagement")
    _read(turn, session, ours, theirs, _USE_CASES, Purpose.USE_CASES)
    for feature in session.remote.find_features("DeviceClassification", "server", NODE_MANAGEMENT_ENTITY):
        _read(turn, session, ours, feature.address, _NAME_PLATE, Purpose.INTERNAL)
    turn.tell(PeerDiscovered(session.ski), emit=True)


def probe(turn: "Turn", session: Session) -> None:
    """Ask for a sign of life; without an answer the peer is closed."""
    _read(turn, session, _own_node_management(turn), _node_management_of(session), _DISCOVERY, Purpose.PROBE)


# --- requests ---


def read(
    turn: "Turn",
    session: Session,
    source: FeatureAddress,
    destination: FeatureAddress,
    function: str,
    selection: Filter | None = None,
) -> int:
    """Read a function, or a part of it, for a handler or the application."""
    target = session.remote.feature(destination)
    operations = target.functions.get(function) if target is not None else None
    if operations is None or not operations.read_partial:
        selection = None
    return _read(turn, session, source, destination, function, Purpose.APPLICATION, selection=selection)


def write(
    turn: "Turn",
    session: Session,
    source: FeatureAddress,
    destination: FeatureAddress,
    data: Record,
    filters: tuple[Filter, ...],
) -> int:
    """Write a function for a handler or the application (see :meth:`eebus.spine.turn.Turn.write`)."""
    spec = spec_of(data)
    command = command_for(data, filters)
    _refuse_selection_without_data(spec, command)
    target = session.remote.feature(destination)
    if filters and target is not None and not _takes_partial_writes(target, spec.name):
        stored = target.data.get(spec.name, spec.data())
        command = command_for(update.apply(spec, stored, command))
    return _request(turn, session, Classifier.WRITE, source, destination, command, Purpose.APPLICATION)


def relate(
    turn: "Turn",
    session: Session,
    kind: RelationKind,
    source: FeatureAddress,
    destination: FeatureAddress,
    feature_type: str,
) -> None:
    """Ask for a subscription or binding unless it is on its way or agreed."""
    key = relation_key(kind, source, destination)
    known = session.own_relations.get(key)
    if known is not None and known.state is not RelationState.REFUSED:
        return
    relation = OwnRelation(kind, source, _complete(session, destination), feature_type)
    session.own_relations[key] = relation
    _request_relation(turn, session, relation)


def unrelate(
    turn: "Turn", session: Session, kind: RelationKind, source: FeatureAddress, destination: FeatureAddress
) -> None:
    """End a subscription or binding of ours."""
    session.own_relations.pop(relation_key(kind, source, destination), None)
    server = _complete(session, destination)
    data: Record
    if kind is RelationKind.SUBSCRIPTION:
        delete = SubscriptionDelete(client_address=source, server_address=server)
        data = NodeManagementSubscriptionDeleteCall(subscription_delete=delete)
    else:
        data = NodeManagementBindingDeleteCall(
            binding_delete=BindingDelete(client_address=source, server_address=server)
        )
    _call(turn, session, data, Purpose.INTERNAL)


def _read(
    turn: "Turn",
    session: Session,
    source: FeatureAddress,
    destination: FeatureAddress,
    function: str,
    purpose: Purpose,
    deadline: float | None = None,
    selection: Filter | None = None,
) -> int:
    """A read carries the empty data element: some servers decide by it alone (SPINE 2.2)."""
    command = command_for(FUNCTIONS[function].data(), () if selection is None else (selection,))
    return _request(turn, session, Classifier.READ, source, destination, command, purpose, deadline=deadline)


def _request_relation(turn: "Turn", session: Session, relation: OwnRelation) -> None:
    relation.state = RelationState.REQUESTED
    relation.retry_at = None
    relation.attempts += 1
    _call(turn, session, _relation_call(relation), Purpose.RELATION, relation)


def _relation_call(relation: OwnRelation) -> Record:
    """The call with all its parts; peers have crashed on a missing one (SPINE 11, G16)."""
    if relation.kind is RelationKind.SUBSCRIPTION:
        subscription = SubscriptionRequest(
            client_address=relation.source,
            server_address=relation.destination,
            server_feature_type=relation.feature_type,
        )
        return NodeManagementSubscriptionRequestCall(subscription_request=subscription)
    binding = BindingRequest(
        client_address=relation.source,
        server_address=relation.destination,
        server_feature_type=relation.feature_type,
    )
    return NodeManagementBindingRequestCall(binding_request=binding)


def _call(
    turn: "Turn",
    session: Session,
    data: Record,
    purpose: Purpose,
    relation: OwnRelation | None = None,
    refused_write: Pending | None = None,
) -> None:
    source, destination = _own_node_management(turn), _node_management_of(session)
    command = command_for(data)
    _request(
        turn,
        session,
        Classifier.CALL,
        source,
        destination,
        command,
        purpose,
        relation=relation,
        refused_write=refused_write,
    )


def _request(
    turn: "Turn",
    session: Session,
    classifier: Classifier,
    source: FeatureAddress,
    destination: FeatureAddress,
    command: Command,
    purpose: Purpose,
    *,
    deadline: float | None = None,
    relation: OwnRelation | None = None,
    refused_write: Pending | None = None,
    repeats: Pending | None = None,
    repetitions: int = 0,
) -> int:
    """Send a request and wait for its answer; writes and calls ask to be acknowledged (SPINE 2.6)."""
    if len(session.pending) >= turn.state.settings.max_pending_requests:
        raise LocalError(f"too many open requests to {session.ski}")
    destination = _complete(session, destination)
    ack_request = None if classifier is Classifier.READ else True
    counter = turn.send(session, classifier, source, destination, command, ack_request=ack_request)
    session.pending[counter] = Pending(
        request=Request(counter, classifier.value, source, destination, command),
        purpose=purpose,
        deadline=turn.now + _response_delay(turn, session, destination) if deadline is None else deadline,
        reference=counter if repeats is None else repeats.reference,
        relation=relation,
        refused_write=refused_write,
        is_repetition=repeats is not None,
        repetitions=repetitions,
    )
    return counter


def _response_delay(turn: "Turn", session: Session, destination: FeatureAddress) -> float:
    settings = turn.state.settings
    feature = session.remote.feature(destination)
    if feature is None or feature.max_response_delay_s is None:
        return settings.response_delay_s
    return min(max(feature.max_response_delay_s, settings.response_delay_s), settings.max_response_delay_s)


def _refuse_selection_without_data(spec: FunctionSpec, command: Command) -> None:
    """A partial filter with selectors and an empty list ends the process of some peers (SPINE 11, G16)."""
    has_selection = any(
        item.cmd_control is not None
        and item.cmd_control.partial is not None
        and any(name == spec.selectors_name for name, _ in item.unknown)
        for item in command.filters
    )
    if has_selection and command.data == spec.data():
        raise LocalError("a partial write with selectors needs data")


def _takes_partial_writes(feature: RemoteFeature, function: str) -> bool:
    operations = feature.functions.get(function)
    return operations is None or operations.write_partial or not operations.write


def _own_node_management(turn: "Turn") -> FeatureAddress:
    return turn.state.device.node_management.address


def _node_management_of(session: Session) -> FeatureAddress:
    return FeatureAddress(
        device=session.remote.address, entity=NODE_MANAGEMENT_ENTITY, feature=NODE_MANAGEMENT_FEATURE
    )


def _complete(session: Session, address: FeatureAddress) -> FeatureAddress:
    """The address with the peer's device, once that is known."""
    if address.device is not None:
        return address
    return FeatureAddress(device=session.remote.address, entity=address.entity, feature=address.feature)


# --- answers ---


def on_result(turn: "Turn", session: Session, datagram: Datagram) -> None:
    """A result: the end of a request of ours. It is never answered; an unknown one is ignored (SPINE 2.4)."""
    pending = session.pending.pop(datagram.header.msg_counter_reference or -1, None)
    if pending is None:
        return
    data = datagram.command.data
    if not isinstance(data, ResultData):
        data = ResultData(error_number=ErrorNumber.GENERAL, description="the result cannot be read")
    number, description = data.error_number or ErrorNumber.NONE, data.description or ""
    match pending.purpose:
        case Purpose.DISCOVERY:
            # Nothing works without the tree: keep waiting, the time limit of the start decides.
            session.pending[pending.request.msg_counter] = pending
        case Purpose.USE_CASES:
            turn.tell(PeerUseCases(session.ski), emit=True)
        case Purpose.RELATION if pending.relation is not None:
            _conclude_relation(turn, session, pending, pending.relation, number, description)
        case Purpose.REBIND if pending.refused_write is not None:
            _repeat(turn, session, pending.refused_write)
        case Purpose.APPLICATION:
            _conclude_request(turn, session, pending, number, description)
        case _:
            pass


def on_reply(turn: "Turn", session: Session, datagram: Datagram) -> None:
    """A reply: data of the peer, also when it comes late or refers to nothing we know (SPINE 2.4)."""
    reference = datagram.header.msg_counter_reference or -1
    pending = session.pending.get(reference)
    if pending is not None and pending.request.classifier == Classifier.READ:
        del session.pending[reference]
    session.later_reads = [
        later for later in session.later_reads if later.unanswered.request.msg_counter != reference
    ]
    _learn(turn, session, datagram, is_reply=True)


def on_notify(turn: "Turn", session: Session, datagram: Datagram) -> None:
    """A notify: news of the peer; processed with or without a subscription (SPINE 2.5)."""
    _learn(turn, session, datagram, is_reply=False)


def on_deadline(turn: "Turn", session: Session) -> None:
    """Give up on requests that were not answered in time, repeat what deserves it."""
    for counter in [c for c, pending in session.pending.items() if pending.deadline <= turn.now]:
        _give_up(turn, session, session.pending.pop(counter))
    for relation in list(session.own_relations.values()):
        if relation.retry_at is not None and relation.retry_at <= turn.now:
            _request_relation(turn, session, relation)
    for later in [later for later in session.later_reads if later.due_at <= turn.now]:
        session.later_reads.remove(later)
        _read_again(turn, session, later.unanswered)
    become_ready_if_possible(turn, session)


def _give_up(turn: "Turn", session: Session, pending: Pending) -> None:
    match pending.purpose:
        case Purpose.DISCOVERY:
            turn.close_peer(session.ski, "the peer does not tell its device tree")
        case Purpose.PROBE:
            turn.close_peer(session.ski, "the peer gives no sign of life")
        case Purpose.USE_CASES:
            turn.tell(PeerUseCases(session.ski), emit=True)
            _read_later(turn, session, pending)
        case Purpose.RELATION if pending.relation is not None:
            _relation_unanswered(turn, session, pending, pending.relation)
        case Purpose.REBIND if pending.refused_write is not None:
            _repeat(turn, session, pending.refused_write)
        case Purpose.APPLICATION:
            turn.tell(RequestTimedOut(session.ski, pending.reference, pending.request))
            _read_later(turn, session, pending)
        case Purpose.INTERNAL:
            _read_later(turn, session, pending)
        case _:
            pass


def _read_later(turn: "Turn", session: Session, pending: Pending) -> None:
    """Plan the next repetition of a read: whoever missed the answer gets the data then (SPINE 2.8).

    A write is not repeated: minutes later it may be wrong, and the use case decides about it.
    """
    if pending.request.classifier != Classifier.READ or _is_repeated_already(session, pending.request):
        return
    delays = turn.state.settings.long_retries_s
    if pending.repetitions < len(delays):
        session.later_reads.append(LaterRead(turn.now + delays[pending.repetitions], pending))
    else:
        _end_of_patience(turn, session)


def _is_repeated_already(session: Session, request: Request) -> bool:
    """Whoever reads regularly and is not answered needs no second row of repetitions."""
    return any(
        (later.unanswered.request.destination, later.unanswered.request.command)
        == (request.destination, request.command)
        for later in session.later_reads
    )


def _read_again(turn: "Turn", session: Session, unanswered: Pending) -> None:
    request = unanswered.request
    _request(
        turn,
        session,
        Classifier.READ,
        request.source,
        request.destination,
        request.command,
        Purpose.INTERNAL,
        repetitions=unanswered.repetitions + 1,
    )


def _end_of_patience(turn: "Turn", session: Session) -> None:
    if turn.state.settings.close_unanswering_peer:
        turn.close_peer(session.ski, "the peer does not answer")


def _relation_unanswered(turn: "Turn", session: Session, pending: Pending, relation: OwnRelation) -> None:
    """Soon once more, then the long way."""
    relation.was_unanswered = True
    delays = (turn.state.settings.retry_delay_s, *turn.state.settings.long_retries_s)
    if relation.attempts == _MAX_RELATION_ATTEMPTS:
        turn.tell(RequestTimedOut(session.ski, pending.reference, pending.request))
    if relation.attempts <= len(delays):
        relation.state = RelationState.WAITING_TO_RETRY
        relation.retry_at = turn.now + delays[relation.attempts - 1]
    else:
        relation.state = RelationState.REFUSED
        _end_of_patience(turn, session)


def _conclude_relation(
    turn: "Turn", session: Session, pending: Pending, relation: OwnRelation, number: int, description: str
) -> None:
    # The server may have taken the first request without answering; it refuses the second as a duplicate.
    if number == ErrorNumber.NONE or relation.was_unanswered:
        relation.state = RelationState.ACCEPTED
        is_subscription = relation.kind is RelationKind.SUBSCRIPTION
        event = SubscriptionConfirmed if is_subscription else BindingConfirmed
        turn.tell(event(session.ski, relation.source, relation.destination))
    elif not _retry_later(turn, relation):
        turn.tell(ResultReceived(session.ski, pending.reference, number, description, pending.request))


def _retry_later(turn: "Turn", relation: OwnRelation) -> bool:
    """Plan the one repetition of a refused relation (SPINE 5.8). False when it was that."""
    if relation.attempts >= _MAX_RELATION_ATTEMPTS:
        relation.state = RelationState.REFUSED
        return False
    relation.state = RelationState.WAITING_TO_RETRY
    relation.retry_at = turn.now + turn.state.settings.retry_delay_s
    return True


def _conclude_request(
    turn: "Turn", session: Session, pending: Pending, number: int, description: str
) -> None:
    if number in _NOT_BOUND and _rebind(turn, session, pending):
        return
    turn.tell(ResultReceived(session.ski, pending.reference, number, description, pending.request))


def _rebind(turn: "Turn", session: Session, write: Pending) -> bool:
    """Ask for the binding again, once, when a write was refused although it was agreed (SPINE 5.7)."""
    request = write.request
    binding = session.own_relations.get(
        relation_key(RelationKind.BINDING, request.source, request.destination)
    )
    if request.classifier != Classifier.WRITE or write.is_repetition:
        return False
    if binding is None or binding.state is not RelationState.ACCEPTED:
        return False
    _call(turn, session, _relation_call(binding), Purpose.REBIND, refused_write=write)
    return True


def _repeat(turn: "Turn", session: Session, write: Pending) -> None:
    """Send a write again, whatever the answer to the binding was: a duplicate is refused by some servers."""
    request = write.request
    _request(
        turn,
        session,
        Classifier.WRITE,
        request.source,
        request.destination,
        request.command,
        Purpose.APPLICATION,
        repeats=write,
    )


# --- data of the peer ---


def _learn(turn: "Turn", session: Session, datagram: Datagram, *, is_reply: bool) -> None:
    command, header = datagram.command, datagram.header
    if isinstance(command.data, NodeManagementDetailedDiscoveryData):
        _learn_discovery(turn, session, command.data, header, is_partial=bool(command.filters))
    elif isinstance(command.data, NodeManagementUseCaseData):
        learn_use_cases(session.remote, command.data)
        turn.tell(PeerUseCases(session.ski), emit=True)
    elif command.function in FUNCTIONS:
        _learn_data(turn, session, header, command, is_reply=is_reply)


def _learn_discovery(
    turn: "Turn",
    session: Session,
    data: NodeManagementDetailedDiscoveryData,
    header: Header,
    *,
    is_partial: bool,
) -> None:
    if session.remote.address is None and header.address_source is not None:
        session.remote.address = header.address_source.device
    is_first = session.discovered_at is None
    if is_partial and is_first:
        return
    learn = learn_discovery_change if is_partial else learn_discovery
    change = learn(session.remote, data, turn.state.settings)
    if is_first:
        session.discovered_at = turn.now
        session.pending = {n: p for n, p in session.pending.items() if p.purpose is not Purpose.DISCOVERY}
        become_ready_if_possible(turn, session)
        return
    _follow_topology(turn, session, change)
    if change.is_incomplete:
        _refresh(turn, session, _own_node_management(turn), _node_management_of(session), _DISCOVERY)


def _follow_topology(turn: "Turn", session: Session, change: TopologyChange) -> None:
    """Forget everything that was agreed with removed entities (SPINE 5.3)."""
    if not (change.added or change.removed):
        return
    drop_relations_of_entities(turn, session, change.removed)
    _drop_requests_to_entities(turn, session, change.removed)
    turn.tell(PeerTopologyChanged(session.ski, change.added, change.removed), emit=True)


def _drop_requests_to_entities(turn: "Turn", session: Session, removed: tuple[EntityPath, ...]) -> None:
    session.later_reads = [
        later for later in session.later_reads if later.unanswered.request.destination.entity not in removed
    ]
    for key, relation in list(session.own_relations.items()):
        if relation.destination.entity in removed:
            del session.own_relations[key]
    for counter, pending in list(session.pending.items()):
        gone = pending.request.destination.entity in removed
        if gone or (pending.relation is not None and pending.relation.destination.entity in removed):
            del session.pending[counter]
            if pending.purpose is Purpose.APPLICATION:
                turn.tell(RequestTimedOut(session.ski, pending.reference, pending.request))


def _learn_data(turn: "Turn", session: Session, header: Header, command: Command, *, is_reply: bool) -> None:
    """Merge function data of a peer into what we know of it."""
    source = header.address_source or FeatureAddress()
    feature = session.remote.feature(source)
    if feature is None:
        turn.emit(DatagramDropped(session.ski, f"'{command.function}' of an unknown feature"))
        return
    if command.data is None and not command.filters:
        return
    spec = FUNCTIONS[command.function]
    stored = feature.data.get(spec.name)
    needs_base = bool(command.filters) and stored is None and not is_reply
    try:
        data = update.apply(spec, spec.data() if stored is None else stored, command)
    except update.ExchangeError as error:
        turn.emit(DatagramDropped(session.ski, f"'{spec.name}' cannot be applied: {error.text}"))
        needs_base = not is_reply
    else:
        if spec.item is not None and len(spec.items(data)) > turn.state.settings.max_list_items:
            turn.emit(DatagramDropped(session.ski, f"'{spec.name}' has too many items"))
            return
        size = update.size_of(data)
        others = session.remote.remembered_bytes() - feature.sizes.get(spec.name, 0)
        if others + size > turn.state.settings.max_remembered_bytes:
            turn.emit(DatagramDropped(session.ski, f"'{spec.name}' is too much to remember"))
            return
        feature.data[spec.name], feature.sizes[spec.name] = data, size
        turn.tell(RemoteData(session.ski, feature.address, spec.name, data, is_reply))
    if needs_base:
        target = header.address_destination or FeatureAddress()
        local = turn.state.device.feature(target.entity or (), target.feature or 0)
        ours = local.address if local is not None else _own_node_management(turn)
        _refresh(turn, session, ours, feature.address, spec.name)


def _refresh(
    turn: "Turn", session: Session, source: FeatureAddress, destination: FeatureAddress, function: str
) -> None:
    """Read a function anew unless that is on its way."""
    is_on_its_way = any(
        pending.request.function == function
        and pending.request.classifier == Classifier.READ
        and pending.request.destination.entity == destination.entity
        and pending.request.destination.feature == destination.feature
        for pending in session.pending.values()
    )
    if not is_on_its_way:
        _read(turn, session, source, destination, function, Purpose.INTERNAL)
