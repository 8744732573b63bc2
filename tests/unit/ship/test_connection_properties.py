"""What holds for every order of messages, waiting and decisions."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eebus.ids import ShipId, Ski
from eebus.ship.connection import (
    CloseTransport,
    Ended,
    Phase,
    PhaseReached,
    SendMessage,
    ShipConnection,
    ShipEffect,
    ShipRole,
    ShipSettings,
    SpineMessage,
    Trust,
    WaitingForUser,
)
from tests.unit.ship.wire import (
    ABORTED,
    ACCESS,
    ACCESS_REQUEST,
    ANNOUNCE,
    CLOSE,
    CMI,
    CONFIRM,
    PENDING,
    PIN_NONE,
    PROLONG,
    READY,
    READY_BARE,
    SELECT,
    data,
    handshake,
    protocol_error,
)

PIN_REQUIRED = b'\x01{"connectionPinState":[{"pinState":"required"},{"inputPermission":"ok"}]}'
MESSAGES = [
    CMI,
    READY,
    READY_BARE,
    PENDING,
    PROLONG,
    ABORTED,
    ANNOUNCE,
    SELECT,
    handshake("select", 1, 1),
    protocol_error(1),
    PIN_NONE,
    PIN_REQUIRED,
    ACCESS_REQUEST,
    ACCESS,
    data(),
    CLOSE,
    CONFIRM,
    b"\x00\x01",
    b"\x01{",
    b"\xff",
]
HANDSHAKE = [CMI, READY, ANNOUNCE, SELECT, PIN_NONE]
SETTINGS = ShipSettings(local_ship_id=ShipId("i:1_u:ours"))
# CMI; hello up to its bound, then a full waiting time and two prolongations after a late approval; abort;
# protocol handshake twice; PIN state and the wait for a lifted PIN; close
LONGEST_S = 30 + (600 + 120 + 2 * 120) + 0.5 + 2 * 10 + 10 + 300 + 0.5
ORDER = [Phase.CMI, Phase.HELLO, Phase.PROTOCOL, Phase.PIN, Phase.DATA, Phase.CLOSING, Phase.CLOSED]


class AnyOrder(RuleBasedStateMachine):
    """Whatever a peer, the user and the clock do, the connection ends in data exchange or closed in time."""

    @initialize(role=st.sampled_from(ShipRole), trust=st.sampled_from(Trust))
    def begin(self, role: ShipRole, trust: Trust) -> None:
        self.now = 0.0
        self.effects: list[ShipEffect] = []
        self.connection = ShipConnection(role, SETTINGS, trust, peer_ski=Ski("0" * 40))
        self.effects += self.connection.start(self.now)

    @rule(message=st.sampled_from(MESSAGES))
    def a_message_arrives(self, message: bytes) -> None:
        self.effects += self.connection.receive(message, self.now)

    @rule(count=st.integers(1, len(HANDSHAKE)))
    def a_regular_handshake_goes_on(self, count: int) -> None:
        for message in HANDSHAKE[:count]:
            self.effects += self.connection.receive(message, self.now)

    @rule(seconds=st.sampled_from([0.1, 1, 10, 45, 60, 119, 120, 600]))
    def time_passes(self, seconds: float) -> None:
        self._run_until(self.now + seconds)

    @rule(trust=st.sampled_from(Trust))
    def the_user_decides(self, trust: Trust) -> None:
        self.effects += self.connection.set_trust(trust, self.now)

    @rule()
    def we_close(self) -> None:
        self.effects += self.connection.close(self.now)

    @rule(code=st.sampled_from([None, 1000, 4001, 4452]))
    def the_transport_closes(self, code: int | None) -> None:
        self.effects += self.connection.transport_closed(code, "", self.now)

    @invariant()
    def phases_only_go_forward(self) -> None:
        reached = [ORDER.index(e.phase) for e in self.effects if isinstance(e, PhaseReached)]
        assert reached == sorted(set(reached))

    @invariant()
    def the_end_is_told_once_and_last(self) -> None:
        ends = [effect for effect in self.effects if isinstance(effect, Ended)]
        closes = [effect for effect in self.effects if isinstance(effect, CloseTransport)]
        if self.connection.phase is Phase.CLOSED:
            assert len(ends) == 1
            assert self.effects[-1] is ends[0]
            assert len(closes) <= 1
            assert self.connection.next_deadline() is None
        else:
            assert not ends
            assert not closes

    @invariant()
    def no_phase_can_be_held_for_ever(self) -> None:
        if self.connection.phase not in (Phase.DATA, Phase.CLOSED):
            assert self.connection.next_deadline() is not None
            assert self.now <= LONGEST_S

    @invariant()
    def after_a_close_nothing_is_sent(self) -> None:
        kinds = [type(effect) for effect in self.effects]
        if CloseTransport in kinds:
            assert SendMessage not in kinds[kinds.index(CloseTransport) :]

    def teardown(self) -> None:
        start = self.now
        self._run_until(start + LONGEST_S)
        assert self.connection.phase in (Phase.DATA, Phase.CLOSED)

    def _run_until(self, until: float) -> None:
        while (deadline := self.connection.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.effects += self.connection.on_deadline(self.now)
        self.now = until


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30)


class Pair:
    """Two of our connections with messages under way between them."""

    def __init__(self, client_trust: Trust, server_trust: Trust) -> None:
        self.ends = [
            ShipConnection(role, SETTINGS, trust, peer_ski=Ski("0" * 40))
            for role, trust in ((ShipRole.CLIENT, client_trust), (ShipRole.SERVER, server_trust))
        ]
        self.towards: list[deque[bytes]] = [deque(), deque()]
        self.received: list[list[object]] = [[], []]
        self.undecided = [False, False]
        self.now = 0.0
        for end in (0, 1):
            self.take(end, self.ends[end].start(self.now))

    def take(self, end: int, effects: list[ShipEffect]) -> None:
        for effect in effects:
            match effect:
                case SendMessage(message):
                    self.towards[1 - end].append(message)
                case SpineMessage(datagram):
                    self.received[end].append(datagram)
                case PhaseReached(Phase.DATA):
                    for number in range(3):
                        datagram = b'{"datagram":[%d]}' % number
                        self.take(end, self.ends[end].send_spine(datagram, self.now))
                case WaitingForUser():
                    self.undecided[end] = True

    def deliver(self, end: int) -> None:
        if self.towards[end]:
            self.take(end, self.ends[end].receive(self.towards[end].popleft(), self.now))

    def settle(self) -> None:
        while any(self.towards):
            for end in (0, 1):
                self.deliver(end)

    def next_deadline(self) -> float | None:
        deadlines = (end.next_deadline() for end in self.ends)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def wait(self, seconds: float) -> None:
        """Timers run in their order, with every message delivered in between."""
        until = self.now + seconds
        self.settle()
        while (deadline := self.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            for end in (0, 1):
                self.take(end, self.ends[end].on_deadline(self.now))
            self.settle()
        self.now = until


@given(
    st.tuples(*[st.sampled_from([Trust.TRUSTED, Trust.UNDECIDED])] * 2),
    st.lists(st.integers(0, 1), max_size=30),
    st.tuples(*[st.floats(0, 280)] * 2),
    st.lists(st.integers(0, 1), max_size=30),
)
def test_our_stack_against_itself_always_completes(
    trust: tuple[Trust, Trust], early: list[int], approval_s: tuple[float, float], late: list[int]
) -> None:
    """Any interleaving, users on either side who take their time: both ends reach the data exchange."""
    pair = Pair(*trust)
    for end in early:
        pair.deliver(end)
    for at, end in sorted((at, end) for end, at in enumerate(approval_s)):
        pair.wait(max(0.0, at - pair.now))
        if pair.undecided[end]:
            pair.take(end, pair.ends[end].set_trust(Trust.TRUSTED, pair.now))
        for receiver in late:
            pair.deliver(receiver)
    pair.settle()
    assert [end.phase for end in pair.ends] == [Phase.DATA, Phase.DATA]
    assert pair.received == [[[0], [1], [2]], [[0], [1], [2]]]
