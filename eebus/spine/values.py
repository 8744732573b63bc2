"""Numbers, durations and times as SPINE writes them (SPINE 3)."""

import re
from datetime import UTC, datetime, timedelta

from eebus.errors import DecodeError, LocalError
from eebus.spine.model.common import ScaledNumber

MAX_SCALE = 20
"""Larger scales, positive or negative, are no sensible quantity; such a number has no value."""

_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,12}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def to_float(number: ScaledNumber | None) -> float | None:
    """The value; None when there is none: absent, empty (some devices send that) or beyond any scale."""
    if number is None or (number.number is None and number.scale is None):
        return None
    mantissa, scale = number.number or 0, number.scale or 0
    if abs(scale) > MAX_SCALE:
        return None
    return mantissa / 10**-scale if scale < 0 else float(mantissa * 10**scale)


def to_scaled(value: float, max_decimals: int = 4) -> ScaledNumber:
    """The shortest number for a value, with number and scale always given (SPINE 3).

    Raises LocalError for infinity and not-a-number.
    """
    if value != value or value in (float("inf"), float("-inf")):
        raise LocalError(f"{value} cannot be written as a SPINE number")
    rounded = round(value, max_decimals)
    for decimals in range(max_decimals):
        mantissa = round(rounded * 10**decimals)
        if mantissa / 10**decimals == rounded:
            return ScaledNumber(number=mantissa, scale=-decimals)
    return ScaledNumber(number=round(rounded * 10**max_decimals), scale=-max_decimals)


def in_scale(value: float, scale: int) -> ScaledNumber:
    """The number for a value in a given power of ten, or the shortest one where that would round it."""
    number = ScaledNumber(number=round(value / 10.0**scale), scale=scale)
    return number if to_float(number) == value else to_scaled(value)


def parse_duration(text: str) -> float:
    """Seconds of an ISO 8601 duration; negative with a leading minus.

    Raises DecodeError for anything else, also for years and months, which have no fixed length.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.group("days", "hours", "minutes", "seconds")):
        raise DecodeError(f"'{text[:40]}' is not a duration")
    days, hours, minutes = (int(part or 0) for part in match.group("days", "hours", "minutes"))
    seconds = days * 86400 + hours * 3600 + minutes * 60 + float(match["seconds"] or 0)
    return -seconds if match["sign"] else seconds


def format_duration(seconds: float) -> str:
    """The duration in hours, minutes and seconds, to the millisecond: `PT1H2M3S`, `PT0S`."""
    milliseconds = round(abs(seconds) * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = "PT"
    if hours:
        text += f"{hours}H"
    if minutes:
        text += f"{minutes}M"
    if milliseconds or text == "PT":
        text += f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".") + "S"
    return f"-{text}" if seconds < 0 and text != "PT0S" else text


def parse_date_time(text: str) -> datetime:
    """A date and time in UTC; without a zone it counts as UTC. Raises DecodeError for anything else."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise DecodeError(f"'{text[:40]}' is not a date and time")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    microsecond = int((match[7] or "0").ljust(6, "0")[:6])
    try:
        if (hour, minute, second, microsecond) == (24, 0, 0, 0):
            moment = datetime(year, month, day, tzinfo=UTC) + timedelta(days=1)
        else:
            moment = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
        return moment - _zone_offset(match[8])
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"'{text[:40]}' is not a date and time: {error}") from error


def _zone_offset(zone: str | None) -> timedelta:
    if zone in (None, "Z"):
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset


def format_date_time(moment: datetime) -> str:
    """UTC in whole seconds with `Z`: the one form that every peer reads (SPINE 3)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_relative(text: str) -> bool:
    """Whether an absolute-or-relative time is a duration."""
    return text.startswith(("P", "-P"))


def seconds_until(text: str, utc_now: datetime) -> float:
    """How long until an absolute or relative time, seen from its reception; negative when it is over.

    Raises DecodeError when the text is neither.
    """
    if is_relative(text):
        return parse_duration(text)
    return (parse_date_time(text) - utc_now).total_seconds()
