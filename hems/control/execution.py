"""What one device holds, what it may take at worst, and what to write to it next. Pure: facts in, writes out.

A device has one lane for each direction in which it can be told something. A lane knows the set-point it
was told, what was sent, and its bound: the largest power that the device may hold for all we know. The bound
falls only when a lower value was read back, or was measured where the device cannot be read back.
"""

from dataclasses import dataclass
from enum import StrEnum

from hems.control.excess import Excess
from hems.devices import Capabilities, DeviceSample, Direction, Fallback, Readback, Setpoint
from hems.limits.reason import Reason, watts

UNREACHABLE_AFTER_S = 3.0
"""Silence after which a device that lost its connection counts as unreachable."""
SAMPLE_AGE_S = 5.0
"""Age from which a device's own measurement is not used any more."""
RETRY_S = 5.0
"""Pause before a refused or mismatching set-point is written again."""
REASSERT_LOWER_S = 60.0
"""Pause before a device that holds less than it may is told its share again: no hurry, and no quarrel."""
SETTLE_S = 5.0
"""How long after the reaction time a set-point may stay unproven before the device is charged in full."""
FALLBACK_LEAD_S = 10.0
"""From so long before its watchdog runs out, an unreachable device is charged a higher fallback."""
REFRESH_SHARE = 0.75
"""Part of the refresh period after which a set-point is written again."""

_HELD_TOLERANCE_W, _HELD_TOLERANCE = 10.0, 0.02
_MEASURED_TOLERANCE_W, _MEASURED_TOLERANCE = 50.0, 0.02
_NOISE_W = 1.0


class Obedience(StrEnum):
    """How a device follows its set-point."""

    FREE = "free"
    """It was never told anything."""
    PENDING = "pending"
    """A set-point waits for its turn or is on its way."""
    APPLIED = "applied"
    """Sent and acknowledged, not yet read back or measured."""
    CONFIRMED = "confirmed"
    """Read back."""
    EFFECTIVE = "effective"
    """Measured at or below."""
    DISOBEYING = "disobeying"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane as others see it. Powers are magnitudes in watts.

    `told`, `told_w`: the set-point in force. `charge_w`: the most it may take for all we know; a rise of
    others may not spend it. `reserved_w`: what it takes whatever it is told, 0 for a device that obeys.
    `excess_w`: how much more than it is told it takes, by experience. `waits_for`: why it may not rise now.
    """

    name: str
    direction: Direction
    told: bool
    told_w: float | None
    charge_w: float
    reserved_w: float
    waits_for: str
    measured_w: float | None
    measured_at_s: float | None
    obedience: Obedience
    reason: Reason
    excess_w: float = 0.0

    @property
    def may_rise(self) -> bool:
        """Whether it may be told more now."""
        return not self.waits_for


class DeviceCore:
    """The decisions about one device, fed with what happened to it."""

    def __init__(self, name: str, capabilities: Capabilities, now: float) -> None:
        self.name = name
        self.capabilities = capabilities
        self.connected = False
        self.trouble = "not connected yet"
        self._ever_connected = False
        self._last_contact_s = now
        self._asked_s = now
        self._last_write_s: float | None = None
        self._in_flight = False
        self._sample: DeviceSample | None = None
        self._lanes = {d: _Lane(d, capabilities) for d in Direction if capabilities.feasible(d) is not None}

    # --- facts ---------------------------------------------------------------------------------------------

    def connection_made(self, capabilities: Capabilities, now: float) -> None:
        """The device answered and was identified; whatever it was told before may be forgotten.

        What its own watchdog made it hold meanwhile counts until something else was read back.
        """
        for direction, lane in self._lanes.items():
            self._fall_back(direction, lane, now)
        self.capabilities = capabilities
        self.connected = True
        self.trouble = ""
        self._ever_connected = True
        self._last_contact_s = now
        for direction in Direction:
            if capabilities.feasible(direction) is not None and direction not in self._lanes:
                self._lanes[direction] = _Lane(direction, capabilities)
        for lane in self._lanes.values():
            lane.start_over(capabilities)

    def capabilities_measured(self, capabilities: Capabilities) -> None:
        """What it can do has become more exact, e.g. with the measured voltage."""
        self.capabilities = capabilities
        for lane in self._lanes.values():
            lane.capabilities = capabilities

    def connection_lost(self, text: str) -> None:
        """The device does not answer any more; a write that was under way may have arrived or not."""
        self.connected = False
        self.trouble = text
        self._in_flight = False

    def asked_in_vain(self, now: float) -> None:
        """It did not answer, but may have heard us: its watchdog may run from now on."""
        self._asked_s = now

    def sample_taken(self, sample: DeviceSample, now: float) -> None:
        """The device was read."""
        self._last_contact_s = now
        self._sample = sample
        for lane in self._lanes.values():
            lane.look(sample, now)

    def write_started(self, setpoint: Setpoint, now: float) -> None:
        """A write leaves."""
        self._in_flight = True
        self._lanes[setpoint.direction].send(setpoint.power_w, now)

    def write_done(self, setpoint: Setpoint, readback: Readback, now: float) -> None:
        """The device took a write; `readback` says whether it holds it."""
        self._wrote(now)
        self._lanes[setpoint.direction].acknowledge(readback, now)

    def write_refused(self, setpoint: Setpoint, text: str, now: float) -> None:
        """The device answered and refused."""
        self._wrote(now)
        self._lanes[setpoint.direction].refuse(text, now)

    def _wrote(self, now: float) -> None:
        self._in_flight = False
        self._last_contact_s = now
        self._last_write_s = now

    # --- decisions -----------------------------------------------------------------------------------------

    def tell(self, direction: Direction, power_w: float | None, reason: Reason, now: float) -> bool:
        """Give the lane its newest set-point; True when that is another than before."""
        return self._lanes[direction].tell(power_w, reason, now)

    def leave(self, direction: Direction) -> None:
        """Nobody renews the set-point any more: one that its own fallback would raise is told to last."""
        fallback, lane = self.capabilities.fallback(direction), self._lanes[direction]
        lane.must_last = fallback is not None and lane.told_w is not None and fallback.power_w > lane.told_w

    def next_write(self, now: float) -> Setpoint | None:
        """The set-point to write now, reductions first; None when there is nothing to write yet."""
        due = [lane for lane in self._lanes.values() if self._due_at(lane, now) <= now]
        if not due:
            return None
        lane = min(due, key=lambda each: not each.is_reduction)
        return Setpoint(lane.direction, lane.told_w, lasting=lane.must_last)

    def next_write_at(self, now: float) -> float | None:
        """When `next_write` has something to write if nothing else happens."""
        moments = [at for lane in self._lanes.values() if (at := self._due_at(lane, now)) != _NEVER]
        return min(moments, default=None)

    def _due_at(self, lane: "_Lane", now: float) -> float:
        if not self.connected or self._in_flight:
            return _NEVER
        slot_s = now if self._last_write_s is None else self._last_write_s + self.capabilities.write_gap_s
        return max(lane.due_at(now), slot_s)

    # --- judgement -----------------------------------------------------------------------------------------

    @property
    def sample(self) -> DeviceSample | None:
        """The newest reading, however old."""
        return self._sample

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which it can be told something."""
        return tuple(self._lanes)

    def held_w(self, direction: Direction) -> float:
        """The most that it may hold in one direction, for all we know; 0 where it cannot be told anything."""
        lane = self._lanes.get(direction)
        return 0.0 if lane is None else lane.held_w

    def told(self, direction: Direction) -> bool:
        """Whether it was ever told anything in one direction."""
        lane = self._lanes.get(direction)
        return lane is not None and lane.told

    def reachable(self, now: float) -> bool:
        """Whether what we know of the device still counts; at the start it gets the same short patience."""
        return self.connected or now < self._last_contact_s + UNREACHABLE_AFTER_S

    def measured_w(self, direction: Direction, now: float) -> float | None:
        """Its fresh own measurement in one direction, as a magnitude; None when there is none."""
        sample = self._sample
        if sample is None or now - sample.at_s > SAMPLE_AGE_S:
            return None
        return _along(direction, sample)

    def demand_w(self, now: float) -> float | None:
        """The largest draw of any use to it, where it tells and was read lately."""
        sample = self._sample
        if sample is None or now - sample.at_s > SAMPLE_AGE_S:
            return None
        return sample.demand_w

    def frozen_until_s(self, direction: Direction) -> float:
        """Readings up to this moment may be mixed by a rise of its set-point."""
        lane = self._lanes.get(direction)
        return -_NEVER if lane is None else lane.frozen_until_s

    def view(self, direction: Direction, now: float) -> LaneView:
        """How the device stands in one direction, also one in which it cannot be told anything."""
        lane = self._lanes.get(direction)
        measured_w = self.measured_w(direction, now)
        if not self.reachable(now):
            return self._unreachable(direction, lane, now)
        if lane is None:
            return self._unsteerable(direction, measured_w)
        obedience, reason = lane.judge(measured_w)
        return LaneView(
            name=self.name,
            direction=direction,
            told=lane.told,
            told_w=lane.told_w,
            charge_w=lane.charge_w(measured_w, now if self._sample is None else self._sample.at_s, now),
            reserved_w=lane.reserved_w(measured_w, now),
            waits_for=self._waits_for(lane, now),
            measured_w=measured_w,
            measured_at_s=None if self._sample is None else self._sample.at_s,
            obedience=obedience,
            reason=reason,
            excess_w=lane.excess_w,
        )

    def _fall_back(self, direction: Direction, lane: "_Lane", now: float) -> None:
        fallback = self.capabilities.fallback(direction)
        if fallback is None or not self._ever_connected:
            return
        if self._fell_back(fallback, now):
            lane.fell_back(fallback.power_w)
        elif self._may_have_fallen_back(fallback, now):
            lane.may_have_fallen_back(fallback.power_w)

    def _fell_back(self, fallback: Fallback, now: float) -> bool:
        heard_s = max(self._last_contact_s, self._asked_s)
        return now >= heard_s + fallback.after_s + self.capabilities.reaction_s

    def _may_have_fallen_back(self, fallback: Fallback, now: float) -> bool:
        return now >= self._last_contact_s + fallback.after_s - FALLBACK_LEAD_S

    def _unsteerable(self, direction: Direction, measured_w: float | None) -> LaneView:
        taken_w = self.capabilities.nameplate_w if measured_w is None else measured_w
        return LaneView(
            name=self.name,
            direction=direction,
            told=False,
            told_w=None,
            charge_w=taken_w,
            reserved_w=taken_w,
            waits_for="it cannot be told anything",
            measured_w=measured_w,
            measured_at_s=None if self._sample is None else self._sample.at_s,
            obedience=Obedience.FREE,
            reason=_UNTOLD,
        )

    def _waits_for(self, lane: "_Lane", now: float) -> str:
        """What a rise waits for, empty for nothing: the effect of the last change, a rest after a pause, and
        the next slot of a slow device, which is there for a reduction that arrives meanwhile.
        """
        capabilities = self.capabilities
        rest_s = capabilities.accepted_rise_s if lane.told_w == 0.0 else 0.0
        if not self.connected:
            return _OUT_OF_REACH
        if self._in_flight:
            return "it is being told something"
        if now < lane.changed_at_s + capabilities.reaction_s:
            return "its last change is too recent to be seen in the measurements"
        if now < lane.changed_at_s + rest_s:
            return f"it rests for {rest_s:.0f} s after a pause"
        slow = capabilities.write_gap_s and self._last_write_s is not None
        if slow and now < (self._last_write_s or 0.0) + 2 * capabilities.write_gap_s:
            return f"it can be told something each {capabilities.write_gap_s:.0f} s only"
        return ""

    def _unreachable(self, direction: Direction, lane: "_Lane | None", now: float) -> LaneView:
        charge_w, reason = self._worst_case(direction, lane, now)
        return LaneView(
            name=self.name,
            direction=direction,
            told=lane is not None and lane.told,
            told_w=None if lane is None else lane.told_w,
            charge_w=charge_w,
            reserved_w=charge_w,
            waits_for=_OUT_OF_REACH,
            measured_w=None,
            measured_at_s=None,
            obedience=Obedience.UNREACHABLE,
            reason=reason,
        )

    def _worst_case(self, direction: Direction, lane: "_Lane | None", now: float) -> tuple[float, Reason]:
        last_measured_w = 0.0 if self._sample is None else _along(direction, self._sample) or 0.0
        last_known_w = self.capabilities.nameplate_w if lane is None else lane.held_w
        held_w = max(last_measured_w, last_known_w)
        fallback = self.capabilities.fallback(direction)
        if fallback is None or not self._ever_connected:
            return held_w, _unreachable(held_w, self.trouble, "it may keep that for ever")
        if self._fell_back(fallback, now):
            return fallback.power_w, _unreachable(fallback.power_w, self.trouble, "its own fallback holds")
        if self._may_have_fallen_back(fallback, now):
            held_w = max(held_w, fallback.power_w)
        return held_w, _unreachable(held_w, self.trouble, "until its own watchdog has run out for certain")


class _Lane:
    """One direction of a device."""

    def __init__(self, direction: Direction, capabilities: Capabilities) -> None:
        self.direction = direction
        self.capabilities = capabilities
        self.told = False
        self.told_w: float | None = None
        self.must_last = False
        self.changed_at_s = -_NEVER
        self._reason = _UNTOLD
        self._bound_w = capabilities.nameplate_w
        self._outstanding_w = 0.0
        self._leaving_w = 0.0
        self._sent = False
        self._sent_w: float | None = None
        self._sent_at_s = -_NEVER
        self._on_its_way = False
        self._confirmed = False
        self._effective = False
        self._exceeds = False
        self._unproven_since_s: float | None = None
        self._rising = False
        self._changing = False
        self._again_at_s = _NEVER
        self._patience_s = RETRY_S
        self._excess = Excess()
        self._aim_w = capabilities.nameplate_w
        self._complaint = ""

    # --- facts ---

    def tell(self, power_w: float | None, reason: Reason, now: float) -> bool:
        changed = not self.told or power_w != self.told_w
        if changed:
            self._doubt(now)
        self.told, self.told_w, self._reason = True, power_w, reason
        return changed

    def start_over(self, capabilities: Capabilities) -> None:
        """After a new connection: what was sent before may be forgotten, its worst case still counts."""
        if self.changed_at_s == -_NEVER:
            self._bound_w = capabilities.nameplate_w
        self.capabilities = capabilities
        self._sent = False
        self._on_its_way = False
        self._changing = False
        self._confirmed = False
        self._effective = False
        self._again_at_s = _NEVER
        self._complaint = ""

    def fell_back(self, power_w: float) -> None:
        """Its own watchdog made it hold this, whatever it was told; from there it rises like any other."""
        self._bound_w = power_w
        self._outstanding_w = 0.0
        self._leaving_w = 0.0
        if self.told_w is not None:
            self.told_w = min(self.told_w, power_w)

    def may_have_fallen_back(self, power_w: float) -> None:
        self._bound_w = max(self._bound_w, power_w)

    def send(self, power_w: float | None, now: float) -> None:
        if not self._sent or power_w != self._sent_w:
            self._leaving_w = max(self.held_w, self._leaving_w if now < self._settled_s else 0.0)
            self._confirmed = False
            self._effective = False
            self._exceeds = False
            self._rising = self._power(power_w) > (self._power(self._sent_w) if self._sent else self._bound_w)
            self._changing = True
            self.changed_at_s = now
            self._aim_w = self._taken_w(self._power(power_w))
            self._patience_s = RETRY_S
            self._excess.restart(self._aim_w)
        self._outstanding_w = max(self._outstanding_w, self._power(power_w))
        self.must_last = False
        self._sent, self._sent_w, self._sent_at_s = True, power_w, now
        self._on_its_way = True
        self._again_at_s = _NEVER

    def acknowledge(self, readback: Readback, now: float) -> None:
        self._arrived(now)
        self._complaint = ""
        if self._power(self._sent_w) > _with_holding_tolerance(self._power(readback.written_w)):
            self._again_at_s = now + REASSERT_LOWER_S
        if readback.confirmed:
            self._prove()
        elif readback.held_w is not None:
            self._compare(readback.held_w, now)

    def refuse(self, text: str, now: float) -> None:
        self._arrived(now)
        self._complaint = text
        self._confirmed = False
        self._doubt(now)
        self._again_at_s = now + RETRY_S

    def look(self, sample: DeviceSample, now: float) -> None:
        if not self._sent or self._on_its_way or sample.at_s < self._sent_at_s:
            return
        settled = sample.at_s >= self._settled_s
        if self.direction in sample.ceilings_w and (settled or not self._confirmed):
            self._compare(sample.ceilings_w[self.direction], now)
        measured_w = _along(self.direction, sample)
        if measured_w is None or not settled:
            return
        if not self._complaint:
            self._excess.observe(self._power(self._sent_w), measured_w, sample.at_s)
        self._effective = measured_w <= _with_measuring_tolerance(self._aim_w)
        self._exceeds = measured_w > self._power(self._sent_w) + _NOISE_W
        if not self._effective:
            self._insist(now)
        elif not self._complaint:
            self._take_as_held()

    def _arrived(self, now: float) -> None:
        if self._changing:
            self.changed_at_s = now
        self._changing = False
        self._on_its_way = False

    def _compare(self, held_w: float | None, now: float) -> None:
        """The device reports what it holds: ours, another value after a reboot, or somebody else's."""
        held, sent = self._power(held_w), self._power(self._sent_w)
        if held > _with_holding_tolerance(sent):
            self._mismatch(held, sent, now)
        else:
            self._prove()
            if sent > _with_holding_tolerance(held):
                self._again_at_s = min(self._again_at_s, now + REASSERT_LOWER_S)

    def _prove(self) -> None:
        self._confirmed = True
        self._complaint = ""
        self._take_as_held()

    def _take_as_held(self) -> None:
        self._bound_w = self._power(self._sent_w)
        self._outstanding_w = 0.0
        if self._sent_w == self.told_w:
            self._unproven_since_s = None

    def _mismatch(self, held_w: float, sent_w: float, now: float) -> None:
        self._confirmed = False
        self._effective = False
        self._bound_w = held_w
        self._complaint = f"it holds {watts(held_w)} instead of {watts(sent_w)}"
        self._doubt(now)
        self._write_again(now)

    def _write_again(self, now: float) -> None:
        """At once, but never in a quarrel with another writer."""
        self._again_at_s = min(self._again_at_s, max(now, self._sent_at_s + RETRY_S))

    def _insist(self, now: float) -> None:
        """It holds what it was told and takes more: saying it again helps after a restart, else ever less."""
        if self._again_at_s == _NEVER:
            self._again_at_s = max(now, self._sent_at_s + self._patience_s)
            self._patience_s = min(2.0 * self._patience_s, REASSERT_LOWER_S)

    def _doubt(self, now: float) -> None:
        if self._unproven_since_s is None:
            self._unproven_since_s = now

    # --- decisions ---

    @property
    def is_reduction(self) -> bool:
        return self._power(self.told_w) < self.held_w

    @property
    def frozen_until_s(self) -> float:
        if not self._rising:
            return -_NEVER
        return _NEVER if self._changing else self.changed_at_s + self.capabilities.reaction_s

    @property
    def _settled_s(self) -> float:
        """When the last change must have shown its effect."""
        return self.changed_at_s + self.capabilities.reaction_s

    def due_at(self, now: float) -> float:
        refresh_s = self.capabilities.refresh_s
        if not self.told:
            return now if refresh_s is not None and not self._sent else self._refresh_at()
        if not self._sent or self._sent_w != self.told_w or self.must_last:
            return now
        return min(self._again_at_s, self._refresh_at())

    def _refresh_at(self) -> float:
        refresh_s = self.capabilities.refresh_s
        return _NEVER if refresh_s is None or not self._sent else self._sent_at_s + REFRESH_SHARE * refresh_s

    # --- judgement ---

    @property
    def held_w(self) -> float:
        """The most that it may hold for all we know."""
        return max(self._bound_w, self._outstanding_w)

    @property
    def excess_w(self) -> float:
        """How much more it takes than it is told."""
        return 0.0 if self.told_w is None else self._excess.power_w

    def _taken_w(self, setpoint_w: float) -> float:
        """What it comes to take when it holds a set-point."""
        return setpoint_w + self.excess_w if setpoint_w > 0.0 else setpoint_w

    def charge_w(self, measured_w: float | None, measured_at_s: float, now: float) -> float:
        """A lower set-point that was read back is not obeyed yet: until the device has had its time to react,
        what it still takes counts too, or what it took before where that is not measured.
        """
        taken_w = self._taken_w(self.held_w)
        if measured_w is None:
            return max(taken_w, self._leaving_w if now < self._settled_s else 0.0)
        reacting = measured_at_s < self._settled_s
        return max(taken_w, measured_w if reacting else self._excess_w(measured_w))

    def reserved_w(self, measured_w: float | None, now: float) -> float:
        """What others must do without: a measured excess, or all of it when nothing proves that it obeys."""
        if not self.told or self.told_w is None:
            return 0.0
        doubted_s = 0.0 if self._unproven_since_s is None else now - self._unproven_since_s
        if doubted_s < self.capabilities.reaction_s + SETTLE_S:
            return self._excess_w(measured_w)
        return self.held_w if measured_w is None else measured_w

    def judge(self, measured_w: float | None) -> tuple[Obedience, Reason]:
        if not self.told:
            return Obedience.FREE, self._reason
        if self._complaint:
            return Obedience.DISOBEYING, Reason("disobeying", f"it does not follow: {self._complaint}")
        renewed = self._on_its_way and (self._confirmed or self._effective)
        if not self._sent or self._sent_w != self.told_w or (self._on_its_way and not renewed):
            return Obedience.PENDING, self._reason
        if self._exceeds and not self._effective:
            return Obedience.DISOBEYING, _measured_above(measured_w, self.told_w)
        if self.told_w is not None and self._effective:
            return Obedience.EFFECTIVE, self._reason
        return Obedience.CONFIRMED if self._confirmed else Obedience.APPLIED, self._reason

    def _excess_w(self, measured_w: float | None) -> float:
        """The measured power when it is above the set-point although the reaction time is over, else 0."""
        return measured_w if self._exceeds and measured_w is not None else 0.0

    def _power(self, setpoint_w: float | None) -> float:
        return self.capabilities.nameplate_w if setpoint_w is None else setpoint_w


_NEVER = float("inf")
_OUT_OF_REACH = "it is out of reach"
_UNTOLD = Reason("never_told", "never told anything")


def _along(direction: Direction, sample: DeviceSample) -> float | None:
    if sample.power_w is None:
        return None
    return max(0.0, sample.power_w if direction is Direction.CONSUMPTION else -sample.power_w)


def _with_holding_tolerance(power_w: float) -> float:
    return power_w + max(_HELD_TOLERANCE_W, _HELD_TOLERANCE * power_w)


def _with_measuring_tolerance(power_w: float) -> float:
    return power_w + max(_MEASURED_TOLERANCE_W, _MEASURED_TOLERANCE * power_w)


def _unreachable(charge_w: float, trouble: str, why: str) -> Reason:
    text = f"unreachable ({trouble}): {watts(charge_w)} are set aside for it, {why}"
    return Reason("unreachable", text, {"charge_w": charge_w})


def _measured_above(measured_w: float | None, told_w: float | None) -> Reason:
    text = f"measured at {watts(measured_w or 0.0)}, above its set-point of {watts(told_w or 0.0)}"
    return Reason("measured_above", text, {"measured_w": measured_w, "told_w": told_w})
