"""Figures as people read them."""

from datetime import UTC, datetime


def power(power_w: float | None) -> str:
    """A power, signed as it is: `4.20 kW`, `0 W`; None is `unknown`."""
    if power_w is None:
        return "unknown"
    return f"{power_w:.0f} W" if abs(power_w) < 1000.0 else f"{power_w / 1000.0:.2f} kW"


def flow(power_w: float | None) -> str:
    """A signed power as a direction: drawing is positive, feeding in negative."""
    if power_w is None:
        return "power unknown"
    if abs(power_w) < 0.5:
        return "idle"
    return f"{'drawing' if power_w > 0 else 'feeding in'} {power(abs(power_w))}"


def span(seconds: float) -> str:
    """A length of time with its two largest units: `45 s`, `2 min 5 s`, `1 h 59 min`."""
    whole = round(seconds)
    for size, name, smaller_size, smaller in ((3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {name} {rest} {smaller}" if rest else f"{whole // size} {name}"
    return f"{whole} s"


def local_time(iso: str) -> str:
    """A UTC time stamp as the local date and time of this machine."""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def local_time_of(unix_ms: int) -> str:
    """A date of the journal as the local date and time of this machine."""
    return local_time(datetime.fromtimestamp(unix_ms / 1000.0, UTC).isoformat())
