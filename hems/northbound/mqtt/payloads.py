"""What is published of a moment: JSON documents with all members always, `null` for what is unknown. Pure.

Powers are watts, energies kilowatt hours. Signs are those that Home Assistant expects: grid import positive,
production positive, battery positive while it discharges.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from eebus.usecases.controllable_system import DirectionStatus
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction as UseCaseDirection
from hems.control.status import BudgetStatus, DeviceStatus, LaneStatus, SideStatus
from hems.devices import Direction, Kind
from hems.limits.ceilings import Ceiling, CeilingKind
from hems.limits.sources.eebus import source_name
from hems.metering.energies import GRID_CONSUMED, GRID_FED_IN
from hems.metering.measurements import Quality
from hems.northbound.home_assistant.words import NOTHING, Language, following_word, source_word, state_word
from hems.northbound.moment import Moment
from hems.northbound.view import warnings_of

Json = dict[str, Any]

LONGEST_TEXT = 250
"""Home Assistant takes 255 characters as a state."""
LONGEST_LIST = 10
SAMPLE_AGE_S = 30.0
"""A measured value that is older is unknown."""
HEARTBEAT_STEP_S = 10
GONE = "it is no longer in the configuration of the gateway"
STARTING_S = 30.0
"""The time in which a gateway that has just started reaches its devices."""


def gateway_state(moment: Moment, language: Language, most_own_limit_w: int) -> Json:
    """Limits, sources, reasons and the signs of trouble."""
    document: Json = {}
    for direction, status in _served(moment):
        document |= _limit(moment, direction, status, language)
    problems = _problems(moment, language)
    return document | {
        "limited": _switch(any(_is_temporary(ceiling) for ceiling in moment.control.ceilings)),
        "failsafe": _switch(_is_failsafe(moment)),
        "problem": _switch(bool(problems)),
        "problems": {"reasons": [_text(problem) for problem in problems[:LONGEST_LIST]]},
        "control_box_connected": _switch(moment.box_connected),
        "started_at": moment.started_at.isoformat(timespec="seconds"),
        "own_limit_w": most_own_limit_w if moment.own_limit_w is None else round(moment.own_limit_w),
    }


def gateway_measurement(moment: Moment, house_energy_wh: float | None) -> Json:
    """Heartbeat, grid, house, and what devices may take now."""
    control, energies = moment.control, moment.energies_wh
    fresh = control.grid_quality is Quality.GOOD
    document: Json = {
        f"{direction}_allowed_w": _allowed_w(moment, direction) for direction, _ in _served(moment)
    }
    return document | {
        "heartbeat_age_s": _stepped(moment.system.heartbeat_age_s),
        "grid_power_w": _watts(control.grid_power_w) if fresh else None,
        "grid_imported_kwh": _kwh(energies.get(GRID_CONSUMED)),
        "grid_exported_kwh": _kwh(energies.get(GRID_FED_IN)),
        "house_power_w": _watts(_house_power_w(moment)) if fresh else None,
        "house_energy_kwh": _kwh(house_energy_wh),
    }


def device_state(device: DeviceStatus, language: Language) -> Json:
    """What a device was told, why, and how it follows."""
    document: Json = {
        "connected": _switch(device.connected),
        "connection": {"trouble": _text(device.trouble)},
        "device_state": _text(device.state) or None,
    }
    for lane in device.lanes:
        document |= _lane(lane, language)
    return document


def gone_state(former: bytes) -> Json | None:
    """The last state of a device that is gone, from its former one; None where that cannot be read."""
    try:
        document = json.loads(former)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    return document | {"connected": _switch(False), "connection": {"trouble": GONE}}


def device_measurement(device: DeviceStatus, energies_wh: Mapping[str, float]) -> Json:
    """Power and energy of a device, under the names and with the signs of its kind."""
    power_w = device.power_w if _is_fresh(device) else None
    consumed = _kwh(energies_wh.get(f"{device.name}/consumed"))
    produced = _kwh(energies_wh.get(f"{device.name}/produced"))
    match device.kind:
        case Kind.INVERTER:
            return {"production_power_w": _watts(_turned(power_w)), "production_energy_kwh": produced}
        case Kind.BATTERY:
            return {
                "battery_power_w": _watts(_turned(power_w)),
                "charged_energy_kwh": consumed,
                "discharged_energy_kwh": produced,
            }
        case _:
            return {"power_w": _watts(power_w), "energy_kwh": consumed}


def _served(moment: Moment) -> list[tuple[Direction, DirectionStatus]]:
    system = moment.system
    both = ((Direction.CONSUMPTION, system.consumption), (Direction.PRODUCTION, system.production))
    return [(direction, status) for direction, status in both if status is not None]


def _limit(moment: Moment, direction: Direction, status: DirectionStatus, language: Language) -> Json:
    binding = _binding(moment, direction)
    shown = binding or _eebus_ceiling(moment, direction)
    reason = "" if shown is None else shown.reason.text
    until_s = None if binding is None else binding.until_s
    return {
        f"{direction}_limit_w": None if binding is None else _watts(binding.value_w),
        f"{direction}_source": NOTHING[language] if binding is None else source_word(binding.kind, language),
        f"{direction}_source_details": {
            "source": None if binding is None else binding.source,
            "reason": reason,
            "since": None if binding is None else moment.instant.iso(binding.since_s),
        },
        f"{direction}_reason": _text(reason) or None,
        f"{direction}_state": state_word(status.state, language),
        f"{direction}_state_details": {
            "state": status.state.value,
            "rule": status.rule,
            "since": moment.instant.iso(status.since),
            "failsafe_limit_w": _watts(status.failsafe_limit_w),
        },
        f"{direction}_until": None if until_s is None else moment.instant.iso(until_s),
    }


def _is_temporary(ceiling: Ceiling) -> bool:
    """An order, failsafe or own limit; the fuse and statutory caps are always there."""
    return ceiling.value_w is not None and ceiling.kind not in _PERMANENT


_PERMANENT = frozenset({CeilingKind.PROTECTION, CeilingKind.STATUTORY})


def _binding(moment: Moment, direction: Direction) -> Ceiling | None:
    """The strictest ceiling after conversion: one for the whole house rather than for named devices."""
    bound = _bound(moment, direction)
    return None if bound is None else bound[0]


def _bound(moment: Moment, direction: Direction) -> tuple[Ceiling, BudgetStatus] | None:
    """The binding ceiling and what it allows. What only protects the wires of the house is no limit."""
    side = _side(moment, direction)
    ceilings = {ceiling.source: ceiling for ceiling in moment.control.ceilings}
    found = [(ceilings[b.source], b) for b in (side.budgets if side else ()) if b.source in ceilings]
    limits = [each for each in found if each[0].kind is not CeilingKind.PROTECTION]
    for_all = [each for each in limits if each[0].devices is None]
    return next(iter(for_all or limits), None)


def _side(moment: Moment, direction: Direction) -> SideStatus | None:
    return next((side for side in moment.control.sides if side.direction is direction), None)


def _eebus_ceiling(moment: Moment, direction: Direction) -> Ceiling | None:
    name = source_name(UseCaseDirection(direction.value))
    return next((ceiling for ceiling in moment.control.ceilings if ceiling.source == name), None)


def _allowed_w(moment: Moment, direction: Direction) -> int | None:
    bound = _bound(moment, direction)
    return None if bound is None else _watts(bound[1].allowed_w)


def _is_failsafe(moment: Moment) -> bool:
    return any(status.state is LimitState.FAILSAFE for _, status in _served(moment))


def _problems(moment: Moment, language: Language) -> list[str]:
    """What needs attention; a device or a meter that just has not been reached yet does not."""
    failsafe = [state_word(LimitState.FAILSAFE, language)] if _is_failsafe(moment) else []
    not_yet = warnings_of(moment.control) if _is_starting(moment) else []
    return failsafe + [warning for warning in moment.warnings if warning not in not_yet]


def _is_starting(moment: Moment) -> bool:
    now = datetime.fromisoformat(moment.instant.iso(moment.instant.now_s))
    return now - moment.started_at < timedelta(seconds=STARTING_S)


def _lane(lane: LaneStatus, language: Language) -> Json:
    reason = lane.standing if lane.why is None else lane.why
    return {
        f"{lane.direction}_setpoint_w": _watts(lane.setpoint_w),
        f"{lane.direction}_setpoint_reason": _text(reason.text) or None,
        f"{lane.direction}_following": following_word(lane.obedience, language),
    }


def _house_power_w(moment: Moment) -> float | None:
    """All that the house takes: grid less what sources and batteries take; unknown when one of them is."""
    grid_w = moment.control.grid_power_w
    sources = [device for device in moment.control.devices if device.kind in (Kind.INVERTER, Kind.BATTERY)]
    if grid_w is None or not all(_is_fresh(device) and device.power_w is not None for device in sources):
        return None
    return grid_w - sum(device.power_w or 0.0 for device in sources)


def _is_fresh(device: DeviceStatus) -> bool:
    return device.connected and device.sample_age_s is not None and device.sample_age_s <= SAMPLE_AGE_S


def _turned(power_w: float | None) -> float | None:
    return None if power_w is None else -power_w


def _watts(power_w: float | None) -> int | None:
    return None if power_w is None else round(power_w)


def _kwh(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else round(energy_wh / 1000.0, 3)


def _stepped(age_s: float | None) -> int | None:
    return None if age_s is None else int(age_s // HEARTBEAT_STEP_S) * HEARTBEAT_STEP_S


def _switch(on: bool) -> str:
    return "ON" if on else "OFF"


def _text(text: str) -> str:
    """Without control characters, and short enough for a state of Home Assistant."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= LONGEST_TEXT else f"{clean[: LONGEST_TEXT - 1]}…"
