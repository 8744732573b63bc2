"""The gateway as JSON: one form for the commands, the local API and tests. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from eebus.ids import PeerRole, group_ski
from eebus.io.addresses import PeerAddress
from eebus.io.node import NodeSnapshot
from eebus.usecases.controllable_system import ControllableSystemStatus, DirectionStatus
from eebus.usecases.limit_rules import Trigger
from eebus.usecases.limitation import Direction
from hems.control.execution import Obedience
from hems.control.status import ControlStatus, DeviceStatus, LaneStatus
from hems.journal.reading import Changes, Event, Renewals
from hems.metering.measurements import Quality

Json = dict[str, Any]


class Instant:
    """Translates monotonic times into dates, as of one moment."""

    def __init__(self, now_s: float, utc: datetime) -> None:
        self.now_s = now_s
        self._utc = utc

    def iso(self, at_s: float) -> str:
        """The date of a monotonic time."""
        return (self._utc + timedelta(seconds=at_s - self.now_s)).isoformat(timespec="seconds")


def limits_json(
    system: ControllableSystemStatus, reasons: Mapping[Direction, str], instant: Instant
) -> list[Json]:
    """Both directions, as far as they are served; `reasons` are those of the last change."""
    served = ((Direction.CONSUMPTION, system.consumption), (Direction.PRODUCTION, system.production))
    return [
        _limit_json(direction, status, reasons.get(direction, ""), instant)
        for direction, status in served
        if status is not None
    ]


def _limit_json(direction: Direction, status: DirectionStatus, reason: str, instant: Instant) -> Json:
    return {
        "direction": direction.value,
        "state": status.state.value,
        "since": instant.iso(status.since),
        "rule": status.rule,
        "reason": reason,
        "limit_w": status.effective_limit_w,
        "kind": None if status.limit_kind is None else status.limit_kind.value,
        "remaining_s": status.limit_remaining_s,
        "failsafe_limit_w": status.failsafe_limit_w,
        "next": _next(status, instant),
    }


def _next(status: DirectionStatus, instant: Instant) -> str | None:
    if status.next_transition_at is None or not status.next_transition:
        return None
    remaining_s = max(0.0, status.next_transition_at - instant.now_s)
    comes = _COMES.get(status.next_transition, status.next_transition)
    return f"in {remaining_s:.0f} s, {comes}"


_COMES = {
    Trigger.HEARTBEAT_LOST.value: "failsafe unless a heartbeat comes",
    Trigger.INIT_WINDOW_OVER.value: "no limit any more unless the control box writes one",
    Trigger.FAILSAFE_WINDOW_OVER.value: "no limit any more unless the control box writes one",
    Trigger.FAILSAFE_DURATION_OVER.value: "no limit any more unless the control box writes one",
}
"""What a timer leads to if nothing happens meanwhile."""


def sources_json(control: ControlStatus) -> list[Json]:
    """Every source of limits with what it bounds now, also those that bound nothing."""
    return [
        {
            "source": ceiling.source,
            "direction": ceiling.basis.direction.value,
            "basis": ceiling.basis.value,
            "kind": ceiling.kind.value,
            "limit_w": ceiling.value_w,
            "devices": None if ceiling.devices is None else sorted(ceiling.devices),
            "reason": ceiling.reason.text,
        }
        for ceiling in control.ceilings
    ]


def meter_json(control: ControlStatus) -> Json | None:
    """The grid meter; None without a reading."""
    if control.grid_quality is Quality.MISSING:
        return None
    return {
        "power_w": control.grid_power_w,
        "age_s": control.grid_age_s,
        "quality": control.grid_quality.value,
    }


def device_json(device: DeviceStatus) -> Json:
    """One device with what it was told in each direction."""
    return {
        "name": device.name,
        "kind": device.kind.value,
        "connected": device.connected,
        "trouble": device.trouble,
        "power_w": device.power_w,
        "age_s": device.sample_age_s,
        "state": device.state,
        "orders": [_lane_json(lane) for lane in device.lanes],
    }


def _lane_json(lane: LaneStatus) -> Json:
    reason = lane.standing if lane.why is None else lane.why
    return {
        "direction": lane.direction.value,
        "setpoint_w": lane.setpoint_w if lane.bounded else None,
        "state": lane.obedience.value,
        "measured_w": lane.measured_w,
        "reason": reason.text,
        "standing": lane.standing.text,
    }


def pairing_json(snapshot: NodeSnapshot, instant: Instant, configured: Iterable[PeerAddress]) -> Json:
    """Who is trusted, who asks to be, who is only configured, and our own SKI for comparison."""
    connected = {connection.ski for connection in snapshot.connections if connection.carries_spine}
    return {
        "ski": snapshot.ski,
        "trusted": [
            {
                "ski": entry.ski,
                "role": entry.role.value,
                "ship_id": entry.ship_id,
                "accepted_at": entry.accepted_at.isoformat(timespec="seconds"),
                "connected": entry.ski in connected,
                "trouble": snapshot.troubles.get(entry.ski),
            }
            for entry in snapshot.trusted
        ],
        "requests": [
            {
                "ski": request.ski,
                "address": request.address,
                "seen_at": instant.iso(request.last_seen),
                "connected": request.connected,
                "refused": request.refused,
            }
            for request in snapshot.pairing_requests
        ],
        "configured": [
            {"ski": peer.ski, "host": peer.host, "port": peer.port}
            for peer in undecided(snapshot, configured)
        ],
    }


def undecided(snapshot: NodeSnapshot, configured: Iterable[PeerAddress]) -> list[PeerAddress]:
    """The peers of the configuration that nobody has accepted and that have not called themselves."""
    known = {entry.ski for entry in snapshot.trusted} | {each.ski for each in snapshot.pairing_requests}
    return [peer for peer in configured if peer.ski not in known]


def network_warnings(snapshot: NodeSnapshot) -> list[str]:
    """Where the gateway should be announced and is not."""
    host = snapshot.host
    if not host.missing:
        return []
    lost = "" if host.addresses else ", and no Steuerbox finds this gateway"
    return [
        f"No interface with an address is called {' or '.join(host.missing)} (eebus.interfaces); there are "
        f"{', '.join(host.present) or 'none'}. Nothing is announced there{lost}, until it appears"
    ]


def peer_warnings(snapshot: NodeSnapshot, configured: Iterable[PeerAddress]) -> list[str]:
    """Why peers that somebody wants are not connected, and what would help."""
    names = {PeerRole.CONTROL_BOX: "Steuerbox", PeerRole.DEVICE: "Peer"}
    found = [
        f"{names[entry.role]} {group_ski(entry.ski)} is not connected: {snapshot.troubles[entry.ski]}"
        for entry in snapshot.trusted
        if entry.ski in snapshot.troubles
    ]
    found += [
        f"Peer {group_ski(peer.ski)} at {peer.host}:{peer.port} stands under eebus.peers, but is dialled "
        f"only when it is accepted: hems pair accept {peer.ski} --as control-box (or --as device)"
        for peer in undecided(snapshot, configured)
    ]
    return found


def warnings_of(control: ControlStatus) -> list[str]:
    """What needs attention, in plain words."""
    found = [
        f"{device.name} is not reachable: {device.trouble}" for device in control.devices if device.trouble
    ]
    found += [
        f"{device.name} does not keep to its set-point for {lane.direction}; others make up for it "
        "as far as they can"
        for device in control.devices
        for lane in device.lanes
        if lane.obedience is Obedience.DISOBEYING
    ]
    found += [
        f"{side.direction}: even the least possible is {side.overshoot_w:.0f} W above the limit"
        for side in control.sides
        if side.overshoot_w > 0.0
    ]
    if control.grid_quality is not Quality.GOOD:
        found.append(f"no reading of the grid meter: {control.grid_trouble or 'it is silent'}")
    return found


def orders_json(events: Iterable[Event]) -> list[Json]:
    """The history of orders: one entry an event, with its steps; renewals in a row are one step. `text` tells
    the order as it stands, after `changes`.
    """
    return [
        {
            "event": str(event.event),
            "self_imposed": event.self_imposed,
            "closed": event.closed,
            "text": event.standing.entry.text,
            "changes": _changes_json(event.changes),
            "omitted": event.omitted,
            "steps": [
                {
                    "number": record.number,
                    "step": record.entry.step.value,
                    "unix_ms": record.entry.unix_ms,
                    "after_ms": record.entry.after_ms,
                    "text": record.entry.text,
                    "renewals": _renewals_json(event.renewals.get(record.number)),
                    "values": dict(record.entry.values),
                    "drill": record.entry.drill,
                }
                for record in event.steps
            ],
        }
        for event in events
    ]


def _changes_json(changes: Changes | None) -> Json | None:
    return None if changes is None else {"count": changes.count, "last_unix_ms": changes.last.entry.unix_ms}


def _renewals_json(renewals: Renewals | None) -> Json | None:
    return None if renewals is None else {"count": renewals.count, "last_unix_ms": renewals.last_unix_ms}
