"""What a write of the energy guard means, read from the merged result (reference 3.5, 3.6; SPINE 6.4).

Only one thing must be seen in the message itself: whether it names the duration. A renewal with the same text
starts the time again, a message without one keeps what is left.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from eebus.errors import DecodeError
from eebus.spine.handler import ItemChange, WriteRequest
from eebus.spine.model.common import ScaledNumber
from eebus.spine.model.device import DeviceConfigurationKeyValueData
from eebus.spine.model.load_control import LoadControlLimitData, LoadControlLimitListData
from eebus.spine.values import parse_duration, seconds_until, to_float
from eebus.usecases.limit_data import magnitude
from eebus.usecases.limit_rules import UNCHANGED, LimitWrite, Unchanged
from eebus.usecases.limitation import FAILSAFE_DURATION_KEY_ID, Direction, Profile


class UnreadableWriteError(Exception):
    """The write cannot be evaluated at all; the text is for the partner. `read` is what can be read of it:
    all but the duration of a limit.
    """

    def __init__(self, text: str, read: LimitWrite | None = None) -> None:
        super().__init__(text)
        self.read = read


def read_limits(
    request: WriteRequest, profiles: tuple[Profile, ...], utc: datetime, *, accept_positive_production: bool
) -> tuple[LimitWrite, ...]:
    """The limits that a write addresses. Raises UnreadableWriteError."""
    return tuple(
        _read_limit(request, change, profiles, utc, accept_positive_production) for change in request.changes
    )


def _read_limit(
    request: WriteRequest, change: ItemChange, profiles: tuple[Profile, ...], utc: datetime, tolerant: bool
) -> LimitWrite:
    before = cast(LoadControlLimitData, change.before)
    after = cast(LoadControlLimitData, change.after)
    profile = next((p for p in profiles if p.limit_id == after.limit_id), None)
    if profile is None:
        raise UnreadableWriteError(f"there is no limit {after.limit_id}")
    # A complete write may leave out flag or value; only the end of the limit is removed that way.
    active = before.is_limit_active if after.is_limit_active is None else after.is_limit_active
    value = before.value if after.value is None else after.value
    write = LimitWrite(
        direction=profile.direction,
        active=bool(active),
        value_w=magnitude(
            profile, value, accept_positive=tolerant and profile.direction is Direction.PRODUCTION
        ),
    )
    try:
        return replace(write, duration_s=_duration(request, after, utc))
    except DecodeError as error:
        raise UnreadableWriteError(str(error), write) from error


def _duration(request: WriteRequest, after: LoadControlLimitData, utc: datetime) -> float | Unchanged | None:
    """Raises DecodeError."""
    if after.time_period is None or after.time_period.end_time is None:
        return None
    if not _names_end(request, after.limit_id):
        return UNCHANGED
    return seconds_until(after.time_period.end_time, utc)


def _names_end(request: WriteRequest, limit_id: int | None) -> bool:
    message = cast(LoadControlLimitListData | None, request.command.data)
    return any(
        item.limit_id in (None, limit_id) and item.time_period is not None and bool(item.time_period.end_time)
        for item in (message.load_control_limit_data if message else None) or ()
    )


@dataclass(frozen=True, slots=True)
class ConfigurationWrite:
    """The failsafe values that a write names: in watts, and as they stand on the wire."""

    limits_w: dict[Direction, float]
    duration_s: float | None
    numbers: dict[Direction, ScaledNumber] = field(default_factory=dict)


def read_configuration(request: WriteRequest, profiles: tuple[Profile, ...]) -> ConfigurationWrite:
    """The configuration that a write addresses. Raises UnreadableWriteError.

    A complete write repeats every key; those that it leaves as they are count only when nothing differs.
    """
    changes = request.changes
    if not request.command.filters:
        changes = tuple(change for change in changes if change.before != change.after) or changes
    limits_w: dict[Direction, float] = {}
    numbers: dict[Direction, ScaledNumber] = {}
    duration_s = None
    for change in changes:
        item = cast(DeviceConfigurationKeyValueData, change.after)
        profile = next((p for p in profiles if p.failsafe_key_id == item.key_id), None)
        if profile is not None:
            limits_w[profile.direction], numbers[profile.direction] = _watts(item)
        elif item.key_id == FAILSAFE_DURATION_KEY_ID:
            duration_s = _seconds(item)
        else:
            raise UnreadableWriteError(f"there is no key {item.key_id}")
    return ConfigurationWrite(limits_w, duration_s, numbers)


def _watts(item: DeviceConfigurationKeyValueData) -> tuple[float, ScaledNumber]:
    number = item.value.scaled_number if item.value else None
    watts = to_float(number)
    if number is None or watts is None:
        raise UnreadableWriteError(f"key {item.key_id} needs a scaledNumber")
    return watts, number


def _seconds(item: DeviceConfigurationKeyValueData) -> float:
    if item.value is None or item.value.duration is None:
        raise UnreadableWriteError(f"key {item.key_id} needs a duration")
    try:
        return parse_duration(item.value.duration)
    except DecodeError as error:
        raise UnreadableWriteError(str(error)) from error
