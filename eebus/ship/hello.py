"""The hello phase (SHIP 13.4.4.1): both sides tell whether they trust each other; a person may decide."""

from eebus.ship.cmi import is_client
from eebus.ship.effects import EndCause, PeerPending, Trust, WaitingForUser
from eebus.ship.machine import CLOSE_REJECTED, REJECTED, Action, Context, Event, Row, State, close, nothing
from eebus.ship.messages import ConnectionHello

_PROLONGATION_GAP_S = 15.0
"""A request for more time is sent this long before the peer's waiting time ends."""
_PROLONGATION_THRESHOLD_S = 30.0
"""Shorter waiting times of the peer are not prolonged."""
_UNKNOWN_WAITING_FACTOR = 1.1
_SHORTEST_WAITING_MS = 1000
_LONGEST_WAITING_MS = 600_000
"""Bounds of what is believed of received values."""
_PROLONGATIONS_ALWAYS_ACCEPTED = 2


# --- conditions ---


def _is_trusted(context: Context, _message: object, _now: float) -> bool:
    return context.trust is Trust.TRUSTED


def _may_wait(context: Context, _message: object, _now: float) -> bool:
    return context.trust is Trust.UNDECIDED and context.settings.wait_for_trust


def _peer_is_ready(context: Context, _message: object, _now: float) -> bool:
    return context.peer_ready


def _has_waiting(_context: Context, hello: ConnectionHello, _now: float) -> bool:
    return hello.waiting is not None


# --- actions ---


def _begin(context: Context, _message: object, now: float) -> None:
    context.hello_started_at = now


def _enter_ready(context: Context, _message: object, now: float) -> None:
    context.only_timer(Event.WAIT_FOR_READY_EXPIRED, now + context.settings.hello_init_s)
    _send_update(context, "ready", now)


def _enter_pending(context: Context, _message: object, now: float) -> None:
    context.only_timer(Event.WAIT_FOR_READY_EXPIRED, now + context.settings.hello_init_s)
    context.timers[Event.PENDING_LIMIT_REACHED] = now + context.settings.hello_total_s
    _send_update(context, "pending", now)
    context.effects.append(WaitingForUser())


def _send_update(context: Context, phase: str, now: float) -> None:
    """Say our phase and how long we wait; peers need ``waiting`` in every update (reference 0.3)."""
    deadline = context.timers.get(Event.WAIT_FOR_READY_EXPIRED)
    waiting_s = context.settings.hello_init_s if deadline is None else deadline - now
    context.send(ConnectionHello(phase=phase, waiting=round(waiting_s * 1000)))


def _note_pending(context: Context, _message: object, _now: float) -> None:
    """Tell once that the peer is pending; one that was ready may merely echo our phase (reference 6.4)."""
    if not context.peer_was_pending and not context.peer_ready:
        context.peer_was_pending = True
        context.effects.append(PeerPending())


def _prolong_ready(context: Context, message: object, now: float) -> None:
    _note_pending(context, message, now)
    _decide_prolongation(context, now)
    _send_update(context, "ready", now)


def _prolong_pending(context: Context, message: object, now: float) -> None:
    _note_pending(context, message, now)
    _decide_prolongation(context, now)
    _send_update(context, "pending", now)


def _decide_prolongation(context: Context, now: float) -> None:
    """Wait longer if the peer may still ask: always twice, then up to the bound on the whole phase."""
    deadline = context.timers.get(Event.WAIT_FOR_READY_EXPIRED)
    if deadline is None:
        return
    longer = max(deadline, now) + context.settings.hello_increment_s
    within_bound = longer <= context.hello_started_at + context.settings.hello_total_s
    if within_bound or context.prolongations < _PROLONGATIONS_ALWAYS_ACCEPTED:
        context.timers[Event.WAIT_FOR_READY_EXPIRED] = longer
        context.prolongations += 1


def _note_ready(context: Context, hello: ConnectionHello, now: float) -> None:
    """The peer is ready, and stays so for the rest of the phase; only our user is waited for now."""
    context.peer_ready = True
    context.timers.pop(Event.WAIT_FOR_READY_EXPIRED, None)
    _take_update(context, hello, now)


def _note_pending_update(context: Context, hello: ConnectionHello, now: float) -> None:
    _note_pending(context, hello, now)
    _take_update(context, hello, now)


def _take_update(context: Context, hello: ConnectionHello, now: float) -> None:
    """An update answers our request, and tells until when the peer waits."""
    context.request_unanswered = False
    context.timers.pop(Event.PROLONGATION_REPLY_EXPIRED, None)
    context.timers.pop(Event.SEND_PROLONGATION_DUE, None)
    context.peer_waiting_s = _waiting_s(context, hello)
    if context.peer_waiting_s >= _PROLONGATION_THRESHOLD_S:
        due_s = context.peer_waiting_s - _PROLONGATION_GAP_S
        context.timers[Event.SEND_PROLONGATION_DUE] = now + due_s


def _waiting_s(context: Context, hello: ConnectionHello) -> float:
    """How long the peer waits; its value may be missing, and is not trusted beyond sensible bounds."""
    if hello.waiting is None:
        return context.settings.hello_init_s
    return min(max(hello.waiting, _SHORTEST_WAITING_MS), _LONGEST_WAITING_MS) / 1000


def _request_prolongation(context: Context, _message: object, now: float) -> None:
    context.send(ConnectionHello(phase="pending", prolongation_request=True))
    context.request_unanswered = True
    known_s = context.peer_waiting_s
    reply_s = context.settings.hello_init_s * _UNKNOWN_WAITING_FACTOR if known_s is None else known_s
    context.timers[Event.PROLONGATION_REPLY_EXPIRED] = now + reply_s


def _accept(context: Context, _message: object, now: float) -> None:
    """Our user accepted. The peer gets a full waiting time: older peers abort on a short one."""
    context.only_timer(Event.WAIT_FOR_READY_EXPIRED, now + context.settings.hello_init_s)
    _send_update(context, "ready", now)


def _leave(context: Context, _message: object, _now: float) -> None:
    """A second ``ready`` may be under way in exactly two cases; elsewhere it is an error (6.4, 6.7)."""
    context.timers = {}
    context.extra_ready_allowed = context.peer_was_pending or context.request_unanswered


def abort(cause: EndCause, text: str) -> Action:
    """The abort procedure: stop all timers, send ``aborted``, close a moment later."""

    def action(context: Context, _message: object, now: float) -> None:
        context.only_timer(Event.ABORT_DELAY_OVER, now + context.settings.abort_delay_s)
        context.decide_end(cause, text, CLOSE_REJECTED, REJECTED)
        context.send(ConnectionHello(phase="aborted"))

    return action


_refuse = abort(EndCause.LOCAL_REFUSAL, "we do not trust the peer")
_not_ready_in_time = abort(EndCause.TIMEOUT, "the peer was not ready in time")
_no_reply = abort(EndCause.TIMEOUT, "the peer did not answer the request for more time")
_unexpected = abort(EndCause.PROTOCOL_VIOLATION, "an unexpected message in the hello phase")
_remote_abort = close(EndCause.REMOTE_REFUSAL, "the peer refuses us", CLOSE_REJECTED, REJECTED)
# no "aborted" here: some control boxes take it for a final refusal, and nobody has decided anything
_give_up_waiting = close(EndCause.TIMEOUT, "nobody has decided about the peer")

_READY, _PENDING = State.READY_LISTEN, State.PENDING_LISTEN

ROWS = (
    # start state, reference 6.3
    Row(State.HELLO, Event.ENTER, _begin, State.READY_INIT, when=_is_trusted),
    Row(State.HELLO, Event.ENTER, _begin, State.PENDING_INIT, when=_may_wait),
    Row(State.HELLO, Event.ENTER, _refuse, State.ABORTING),
    # own state READY, reference 6.5
    Row(State.READY_INIT, Event.ENTER, _enter_ready, _READY),
    Row(_READY, Event.HELLO_READY, nothing, State.HELLO_OK),
    Row(_READY, Event.HELLO_PENDING, _note_pending, _READY),
    Row(_READY, Event.HELLO_PROLONGATION, _prolong_ready, _READY),
    Row(_READY, Event.WAIT_FOR_READY_EXPIRED, _not_ready_in_time, State.ABORTING),
    # own state PENDING, reference 6.6
    Row(State.PENDING_INIT, Event.ENTER, _enter_pending, _PENDING),
    Row(_PENDING, Event.HELLO_READY, _note_ready, _PENDING),
    Row(_PENDING, Event.HELLO_PENDING, _note_pending_update, _PENDING, when=_has_waiting),
    Row(_PENDING, Event.HELLO_PROLONGATION, _prolong_pending, _PENDING),
    Row(_PENDING, Event.SEND_PROLONGATION_DUE, _request_prolongation, _PENDING),
    Row(_PENDING, Event.PROLONGATION_REPLY_EXPIRED, _no_reply, State.ABORTING),
    Row(_PENDING, Event.WAIT_FOR_READY_EXPIRED, _not_ready_in_time, State.ABORTING),
    Row(_PENDING, Event.PENDING_LIMIT_REACHED, _give_up_waiting, State.CLOSED),
    Row(_PENDING, Event.USER_ACCEPTS, _accept, State.HELLO_OK, when=_peer_is_ready),
    Row(_PENDING, Event.USER_ACCEPTS, _accept, _READY),
    # both
    Row((_READY, _PENDING), Event.HELLO_ABORTED, _remote_abort, State.CLOSED),
    Row((_READY, _PENDING), Event.USER_REFUSES, _refuse, State.ABORTING),
    Row((_READY, _PENDING), Event.IGNORABLE, nothing, None),
    Row((_READY, _PENDING), Event.MESSAGE, _unexpected, State.ABORTING),
    Row(State.HELLO_OK, Event.ENTER, _leave, State.PROTOCOL_CLIENT_INIT, when=is_client),
    Row(State.HELLO_OK, Event.ENTER, _leave, State.PROTOCOL_SERVER_INIT),
)
