"""What happens, told in plain words: one sentence an event, the same in log and demo."""

import logging
from dataclasses import asdict, is_dataclass
from functools import singledispatch

from eebus.ids import Ski
from eebus.io.events import (
    ControlUnitAnnounced,
    NodeListening,
    PairingRequested,
    PeerConnected,
    PeerDisconnected,
    PeerNotReached,
    PeerRemovedPairing,
    PinAnswer,
    PinDemanded,
    ShipIdChanged,
    TrustChanged,
)
from eebus.spine.events import BindingRefused, DatagramDropped
from eebus.usecases.events import (
    EnergyGuardChanged,
    FailsafeChanged,
    FailsafeRefused,
    LimitKind,
    LimitStateChanged,
    OrderReceived,
)
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.limits.reason import watts

_logger = logging.getLogger("hems.story")

_WHAT = {Direction.CONSUMPTION: "consumption", Direction.PRODUCTION: "feed-in"}


@singledispatch
def sentence(_event: object) -> str | None:
    """The event in one sentence; None for events that are of no interest to people."""
    return None


@sentence.register
def _(event: OrderReceived) -> str:
    asked = _asked(event)
    if event.accepted:
        return f"Steuerbox {short(event.peer_ski)} {asked}: accepted"
    return f"Steuerbox {short(event.peer_ski)} {asked}: refused, {event.reason} ({event.rule})"


def _asked(order: OrderReceived) -> str:
    if order.direction is None:
        return "writes a limit that cannot be read"
    what = _WHAT[order.direction]
    if not order.active:
        return f"releases {what} (stored value {_value(order)})"
    return f"limits {what} to {_value(order)} {_until(order)}"


def _value(order: OrderReceived) -> str:
    if order.wrong_sign_w is not None:
        sign = "+" if order.wrong_sign_w > 0 else ""
        return f"{sign}{watts(order.wrong_sign_w)} as written"
    return "no value" if order.value_w is None else watts(order.value_w)


def _until(order: OrderReceived) -> str:
    if not order.duration_readable:
        return "for a time that cannot be read"
    return "without an end" if order.duration_s is None else f"for {order.duration_s:.0f} s"


@sentence.register
def _(event: LimitStateChanged) -> str:
    what = _WHAT[event.direction].capitalize()
    return f"{what} is {_restriction(event)}: {event.reason} ({event.rule})"


def _restriction(event: LimitStateChanged) -> str:
    if event.effective_limit_w is None:
        return f"not limited, state {event.after}"
    by = "by the grid operator" if event.limit_kind is LimitKind.GRID_OPERATOR else "by the gateway itself"
    return f"limited to {watts(event.effective_limit_w)} {by}, state {event.after}"


@sentence.register
def _(event: FailsafeChanged) -> str:
    who = "The factory reset" if event.by_ski is None else f"Steuerbox {short(event.by_ski)}"
    if event.direction is None:
        return f"{who} sets the failsafe duration to {event.value:.0f} s"
    what, value = _WHAT[event.direction], watts(event.value)
    return f"{who} sets the failsafe limit of {what} to {value}"


@sentence.register
def _(event: FailsafeRefused) -> str:
    limits = {Direction.CONSUMPTION: event.consumption_w, Direction.PRODUCTION: event.production_w}
    wanted = [f"{watts(value)} of {_WHAT[name]}" for name, value in limits.items() if value is not None]
    if event.duration_s is not None:
        wanted.append(f"a duration of {event.duration_s:.0f} s")
    values = f"the failsafe values {' and '.join(wanted)}" if wanted else "failsafe values"
    return f"Steuerbox {short(event.by_ski)} writes {values}: refused, {event.reason}"


@sentence.register
def _(event: EnergyGuardChanged) -> str:
    if event.ski is None:
        return "No Steuerbox is in control any more"
    return f"Steuerbox {short(event.ski)} is in control now"


@sentence.register
def _(event: BindingRefused) -> str:
    return f"Peer {short(event.ski)} wants control and is refused: {event.text}"


@sentence.register
def _(event: PairingRequested) -> str:
    return f"Peer {short(event.ski)} at {event.address} asks to be trusted; see: hems pair list"


@sentence.register
def _(event: PeerConnected) -> str:
    return f"Connected to {event.role} {short(event.ski)} at {event.address}"


@sentence.register
def _(event: PeerDisconnected) -> str:
    return f"The connection to {short(event.ski)} is gone"


@sentence.register
def _(event: PeerNotReached) -> str:
    return f"Peer {short(event.ski)} is not connected: {event.text}"


@sentence.register
def _(event: PeerRemovedPairing) -> str:
    return f"Peer {short(event.ski)} has ended the pairing"


@sentence.register
def _(event: ControlUnitAnnounced) -> str:
    return (
        f"Control unit {event.ship_id} is announced with our pairing secret; it is trusted when it connects"
    )


@sentence.register
def _(event: PinDemanded) -> str:
    return f"Peer {short(event.ski)} demands a PIN: hems pair pin {event.ski} PIN"


@sentence.register
def _(event: PinAnswer) -> str:
    return f"Peer {short(event.ski)} " + ("took the PIN" if event.accepted else "says that the PIN is wrong")


@sentence.register
def _(event: ShipIdChanged) -> str:
    return f"Peer {short(event.ski)} calls itself {event.told} now; {event.stored} was stored"


@sentence.register
def _(event: TrustChanged) -> str:
    if event.role is None:
        return f"Peer {short(event.ski)} is not trusted any more"
    return f"Peer {short(event.ski)} is trusted as {event.role}"


@sentence.register
def _(event: NodeListening) -> str:
    return f"The gateway listens on port {event.port}"


@sentence.register
def _(event: DatagramDropped) -> str:
    return f"Peer {short(event.ski)} sent something useless: {event.text}"


def short(ski: Ski) -> str:
    """The first two groups of an SKI: enough to tell two peers apart."""
    upper = ski.upper()
    return f"{upper[:4]} {upper[4:8]}…"


def log_event(event: object) -> None:
    """Write the event to the log, its figures beside the sentence."""
    text = sentence(event)
    if text is None:
        _logger.debug("%s", event)
        return
    level = logging.WARNING if _is_alarming(event) else logging.INFO
    data = asdict(event) if is_dataclass(event) and not isinstance(event, type) else None
    _logger.log(level, "%s", text, extra={"data": data})


def _is_alarming(event: object) -> bool:
    match event:
        case LimitStateChanged(before=before, after=LimitState.FAILSAFE) if before is not LimitState.FAILSAFE:
            return True
        case (
            BindingRefused()
            | FailsafeRefused()
            | OrderReceived(accepted=False)
            | PeerNotReached()
            | PeerRemovedPairing()
            | ShipIdChanged()
        ):
            return True
        case _:
            return False
