"""One turn of the SPINE node: what handlers and the application act with, and the effects they cause."""

from collections import deque
from datetime import datetime

from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.jsonform import Record
from eebus.spine import client, server
from eebus.spine.datagram import (
    SPECIFICATION_VERSION,
    Command,
    Datagram,
    Filter,
    Header,
    command_for,
    encode_datagram,
)
from eebus.spine.device import LocalEntity, LocalFeature, RemoteDevice
from eebus.spine.effects import ClosePeer, Emit, Persist, SendDatagram, SpineEffect
from eebus.spine.functions import spec_of
from eebus.spine.handler import Peer
from eebus.spine.model.common import Classifier, FeatureAddress, StateChange
from eebus.spine.node_management import entity_change_data, use_case_data
from eebus.spine.session import NodeState, RelationKind, Session
from eebus.spine.update import PARTIAL, changed_part


class Turn:
    """One turn: the time does not change in it, and effects keep the order in which they were caused."""

    def __init__(self, state: NodeState, now: float) -> None:
        self.now = now
        self.state = state
        self.effects: list[SpineEffect] = []
        self._events: deque[object] = deque()

    @property
    def utc_now(self) -> datetime:
        """The date and time, for messages and records."""
        return self.state.utc_now()

    # --- for handlers and the application ---

    def emit(self, event: object) -> None:
        """Give an event to the application."""
        self.effects.append(Emit(event))

    def persist(self, record: object, *, grace_s: float | None, token: int | None = None) -> None:
        """Ask the shell to store a record (see :class:`eebus.spine.effects.Persist`)."""
        self.effects.append(Persist(record, grace_s, token))

    def set_data(
        self,
        feature: LocalFeature,
        function: str,
        data: Record,
        *,
        force: bool = False,
        partial: bool = False,
    ) -> None:
        """Set function data and notify all subscribers, with the complete data unless ``partial``.

        A partial notify carries the changed items only, where the subscribers can merge them. Unchanged data
        is not notified (SPINE 5.6) unless forced. Raises LocalError when the feature does not offer the
        function or a text cannot be read by peers.
        """
        if spec_of(data).name != function:
            raise LocalError(f"{type(data).__name__} is no data of '{function}'")
        before = feature.data(function)
        feature.preset(data)
        if before != data or force:
            part = changed_part(spec_of(data), before, data) if partial and not force else None
            command = command_for(data) if part is None else command_for(part, (PARTIAL,))
            self.notify_subscribers(feature, command)

    def read(
        self,
        ski: Ski,
        source: LocalFeature,
        destination: FeatureAddress,
        function: str,
        *,
        selection: Filter | None = None,
    ) -> int:
        """Read a function of a peer. Returns the message counter.

        ``selection`` (:func:`eebus.spine.update.read_filter`) reads a part only, from a server that announces
        partial reads; others are read completely.

        The answer comes as RemoteData, ResultReceived or RequestTimedOut. Raises LocalError for a peer that
        is not connected.
        """
        return client.read(self, self.session(ski), source.address, destination, function, selection)

    def write(
        self,
        ski: Ski,
        source: LocalFeature,
        destination: FeatureAddress,
        function: str,
        data: Record,
        *,
        filters: tuple[Filter, ...] = (),
    ) -> int:
        """Write a function of a peer. Returns the message counter; the answer comes as ResultReceived.

        Towards a server that offers no partial writes the complete merged data is sent instead (SPINE 6.1).
        Raises LocalError for a peer that is not connected and for a selection without data.
        """
        if spec_of(data).name != function:
            raise LocalError(f"{type(data).__name__} is no data of '{function}'")
        return client.write(self, self.session(ski), source.address, destination, data, filters)

    def subscribe(
        self, ski: Ski, source: LocalFeature, destination: FeatureAddress, feature_type: str
    ) -> None:
        """Subscribe to a server feature of a peer; does nothing when that is asked for or agreed already."""
        client.relate(
            self, self.session(ski), RelationKind.SUBSCRIPTION, source.address, destination, feature_type
        )

    def bind(self, ski: Ski, source: LocalFeature, destination: FeatureAddress, feature_type: str) -> None:
        """Bind a server feature of a peer; does nothing when that is asked for or agreed already."""
        client.relate(
            self, self.session(ski), RelationKind.BINDING, source.address, destination, feature_type
        )

    def unsubscribe(self, ski: Ski, source: LocalFeature, destination: FeatureAddress) -> None:
        """End a subscription of ours."""
        client.unrelate(self, self.session(ski), RelationKind.SUBSCRIPTION, source.address, destination)

    def unbind(self, ski: Ski, source: LocalFeature, destination: FeatureAddress) -> None:
        """End a binding of ours."""
        client.unrelate(self, self.session(ski), RelationKind.BINDING, source.address, destination)

    def announce_entity(self, entity: LocalEntity) -> None:
        """Tell peers of an entity that was added to our device while they were connected (SPINE 5.3)."""
        self._tell_entity_change(entity, StateChange.ADDED)

    def remove_entity(self, entity: LocalEntity) -> None:
        """Take an entity out of our device, with all relations to it, and tell peers (SPINE 5.3)."""
        self.state.device.remove_entity(entity)
        server.drop_relations_to_entity(self, entity)
        self._tell_entity_change(entity, StateChange.REMOVED)

    def _tell_entity_change(self, entity: LocalEntity, change: StateChange) -> None:
        data = entity_change_data(self.state.device, entity, change)
        node_management = self.state.device.node_management
        self.notify_subscribers(node_management, command_for(data, (PARTIAL,)))
        self.announce_use_cases()

    def announce_use_cases(self) -> None:
        """Tell peers that our use cases have changed (SPINE 5.4)."""
        device = self.state.device
        self.notify_subscribers(device.node_management, command_for(use_case_data(device)))

    def remote(self, ski: Ski) -> RemoteDevice | None:
        """What a peer told about itself; None when it is not connected. Not to be changed."""
        session = self.state.sessions.get(ski)
        return session.remote if session else None

    def peer(self, ski: Ski) -> Peer | None:
        """A connected peer."""
        session = self.state.sessions.get(ski)
        return session.peer if session else None

    # --- for the modules of the stack ---

    def session(self, ski: Ski) -> Session:
        """The session of a peer. Raises LocalError when it is not connected."""
        session = self.state.sessions.get(ski)
        if session is None:
            raise LocalError(f"peer {ski} is not connected")
        return session

    def tell(self, event: object, *, emit: bool = False) -> None:
        """Tell handlers of an event when the present step is done; with `emit` the application too, now."""
        self._events.append(event)
        if emit:
            self.emit(event)

    def close_peer(self, ski: Ski, text: str) -> None:
        """Ask the shell to close a connection."""
        self.effects.append(ClosePeer(ski, text))

    def send(
        self,
        session: Session,
        classifier: Classifier,
        source: FeatureAddress,
        destination: FeatureAddress,
        command: Command,
        *,
        reference: int | None = None,
        ack_request: bool | None = None,
    ) -> int:
        """Send one datagram. Returns its message counter."""
        counter = session.next_counter()
        header = Header(
            specification_version=SPECIFICATION_VERSION,
            address_source=source,
            address_destination=destination,
            msg_counter=counter,
            msg_counter_reference=reference,
            cmd_classifier=classifier.value,
            ack_request=ack_request,
        )
        self.effects.append(SendDatagram(session.ski, encode_datagram(Datagram(header, command))))
        return counter

    def notify_subscribers(self, feature: LocalFeature, command: Command) -> None:
        """Send a notify to everyone who subscribed to a feature of ours."""
        for subscription in self.state.subscriptions.of_server(feature):
            session = self.session(subscription.ski)
            self.send(session, Classifier.NOTIFY, feature.address, subscription.client, command)

    def settle(self) -> None:
        """Let handlers react to the events so far, and to those that their reactions cause."""
        while self._events:
            event = self._events.popleft()
            for handler in self.state.handlers:
                handler.on_event(event, self)

    def finish(self) -> list[SpineEffect]:
        """End the turn. Returns the effects in order."""
        self.settle()
        return self.effects
