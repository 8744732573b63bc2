"""Two nodes on a wire: what one sends, the other understands."""

from collections import deque

import msgspec

from eebus.ids import PeerRole, Ski
from eebus.spine.device import LocalDevice
from eebus.spine.events import (
    BindingConfirmed,
    PeerUseCases,
    RemoteData,
    ResultReceived,
    SubscriptionConfirmed,
)
from eebus.spine.model.common import Role, ScaledNumber
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.stack import Handler, Peer, Persist, SendDatagram, SpineEffect, SpineStack, Turn
from eebus.spine.update import PARTIAL
from tests.unit.spine.support import EPOCH, LIMITS, RecordingHandler, gateway_device

SYSTEM, GUARD = Ski("1" * 40), Ski("2" * 40)
FUNCTION = "loadControlLimitListData"


class Guard(Handler):
    """Subscribes, binds, reads and writes one limit, as an energy guard does."""

    def __init__(self, device: LocalDevice) -> None:
        self.client = device.add_entity("GridGuard").add_feature("LoadControl", Role.CLIENT)
        self.results: list[int] = []
        self.seen: list[object] = []

    def on_event(self, event: object, turn: Turn) -> None:
        remote = turn.remote(SYSTEM)
        if remote is None:
            return
        (server,) = remote.find_features("LoadControl", "server")
        match event:
            case PeerUseCases():
                turn.subscribe(SYSTEM, self.client, server.address, "LoadControl")
                turn.bind(SYSTEM, self.client, server.address, "LoadControl")
            case SubscriptionConfirmed(destination=server.address):
                turn.read(SYSTEM, self.client, server.address, FUNCTION)
            case BindingConfirmed():
                item = LoadControlLimitData(
                    limit_id=0, is_limit_active=True, value=ScaledNumber(number=1, scale=3)
                )
                data = LoadControlLimitListData(load_control_limit_data=(item,))
                turn.write(SYSTEM, self.client, server.address, FUNCTION, data, filters=(PARTIAL,))
            case RemoteData(function="loadControlLimitListData"):
                self.seen.append(event.data)
            case ResultReceived():
                self.results.append(event.error_number)


def test_a_guard_finds_binds_and_writes_a_system() -> None:
    system_handler = RecordingHandler()
    guard_device = LocalDevice("d:_n:Guard_1", "ElectricitySupplySystem")
    guard = Guard(guard_device)
    nodes = {
        SYSTEM: SpineStack(gateway_device(), utc_now=lambda: EPOCH),
        GUARD: SpineStack(guard_device, utc_now=lambda: EPOCH),
    }
    nodes[SYSTEM].add_handler(system_handler)
    nodes[GUARD].add_handler(guard)
    queue: deque[tuple[Ski, Ski, bytes]] = deque()

    def post(sender: Ski, effects: list[SpineEffect]) -> None:
        assert not [effect for effect in effects if isinstance(effect, Persist)]
        queue.extend((sender, e.ski, e.datagram) for e in effects if isinstance(e, SendDatagram))

    post(SYSTEM, nodes[SYSTEM].connect(Peer(GUARD, PeerRole.CONTROL_BOX), 0))
    post(GUARD, nodes[GUARD].connect(Peer(SYSTEM, PeerRole.DEVICE), 0))
    while queue:
        sender, receiver, text = queue.popleft()
        post(receiver, nodes[receiver].receive(sender, msgspec.json.decode(text)["datagram"], 1))

    assert guard.results == [0]
    read, notified = guard.seen
    assert read == LIMITS
    assert isinstance(notified, LoadControlLimitListData)
    first, second = notified.load_control_limit_data or ()
    assert (first.is_limit_active, first.value) == (True, ScaledNumber(number=1, scale=3))
    assert second == (LIMITS.load_control_limit_data or ())[1]
    assert [request.peer.role for request in system_handler.writes] == [PeerRole.CONTROL_BOX]
    assert all(not peer.pending for node in nodes.values() for peer in node.peers().values())
