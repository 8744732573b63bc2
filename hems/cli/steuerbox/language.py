"""The words that a Steuerbox understands, typed by a person or written in a scenario. Pure: text to data."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from eebus.simulator.faults import FAULTS
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity


class Misunderstood(ValueError):
    """A text is no command or condition; the message says what would be."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Trust a system; `ski` may be the beginning of one that is known."""

    ski: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Unpair:
    ski: str


@dataclass(frozen=True, slots=True)
class Limit:
    direction: Direction
    value_w: float
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Release:
    direction: Direction


@dataclass(frozen=True, slots=True)
class Failsafe:
    consumption_w: float | None
    production_w: float | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    on: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """`name` "all" with `on` False ends every fault."""

    name: str
    on: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Watch:
    on: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """None: until a partner can be written."""

    seconds: float | None


class Simple(Enum):
    """Commands without anything behind them."""

    READ = "read"
    VALUES = "values"
    STATUS = "status"
    FOUND = "found"
    DISCONNECT = "disconnect"
    FAULTS = "faults"
    HELP = "help"
    QUIT = "quit"


Command = Pair | Unpair | Limit | Release | Failsafe | Heartbeat | Fault | Watch | Wait | Simple

HELP = (
    ("limit [consumption|production] POWER [for TIME]", "write a limit: limit 4.2 kW for 15 min"),
    ("release [consumption|production]", "take the limit back"),
    ("failsafe [consumption POWER] [production POWER] [duration TIME]", "write failsafe values at once"),
    ("heartbeat on|off", "send the heartbeat or stop it"),
    ("read", "read limits, failsafe values and maxima anew"),
    ("values", "show what the system measures (MGCP, MPC)"),
    ("watch on|off", "tell every measured value as it comes"),
    ("pair SKI [HOST:PORT]", "trust a system, and dial it there"),
    ("unpair SKI", "trust it no longer"),
    ("found", "list the systems that are announced or have called"),
    ("disconnect", "close the connection in an orderly way; it comes back"),
    ("fault NAME [TIME]", "misbehave; `faults` lists the names"),
    ("mend NAME|all", "end a fault"),
    ("wait TIME | wait ready", "do nothing for a while, or until a system can be written"),
    ("status", "this box, its partners and connections"),
    ("quit", "end"),
)  # fmt: skip
"""Every command with its meaning."""

_UNITS_W = {"w": 1.0, "kw": 1000.0, "": 1.0}
_UNITS_S = {
    "s": 1.0, "sec": 1.0, "seconds": 1.0, "min": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0,
    "d": 86400.0, "days": 86400.0, "": 1.0,
}  # fmt: skip
_OTHER_UNITS = {
    "wh": 1.0, "kwh": 1000.0, "a": 1.0, "v": 1.0, "hz": 1.0, "%": 1.0,
}  # fmt: skip
_WHOLE_SKI = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_SKI_WORD = re.compile(r"[0-9a-f-]+", re.IGNORECASE)
"""What stands between blanks in an SKI, or in the beginning of one; with colons it may be an address."""
_LAST_PORT = 65_535
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*([a-z%]*)", re.IGNORECASE)


def parse_power_w(text: str) -> float:
    """`4200`, `4200 W`, `4.2 kW` in watts. Raises Misunderstood."""
    return _number(text, _UNITS_W, "a power such as 4.2 kW")


def parse_time_s(text: str) -> float:
    """`90`, `90 s`, `15 min`, `2 h` in seconds. Raises Misunderstood."""
    return _number(text, _UNITS_S, "a time such as 15 min")


def _number(text: str, units: dict[str, float], wanted: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2].lower() not in units:
        raise Misunderstood(f"'{text.strip()}' is not {wanted}")
    return float(match[1].replace(",", ".")) * units[match[2].lower()]


def parse_command(text: str) -> Command:
    """Read one line. Raises Misunderstood, which says what was expected."""
    word, _, rest = " ".join(text.split()).partition(" ")
    word = word.lower()
    if (read := _READERS.get(word)) is not None:
        return read(rest)
    try:
        simple = Simple(word)
    except ValueError:
        raise Misunderstood(f"'{word}' is no command; try: help") from None
    if rest:
        raise Misunderstood(f"'{word}' stands alone, '{rest}' is too much")
    return simple


def _pair(rest: str) -> Pair:
    """The last word is an address, unless it can only be a part of the SKI."""
    *words, last = rest.split() or [""]
    if _WHOLE_SKI.fullmatch(_folded(rest)) or _SKI_WORD.fullmatch(last) or not words:
        words, last = rest.split(), ""
    if not words or not all(_SKI_WORD.fullmatch(word.replace(":", "")) for word in words):
        raise Misunderstood("write: pair SKI [HOST:PORT]")
    return _partner("".join(words), last)


def parse_partner(text: str) -> Pair:
    """Read `SKI` or `SKI@HOST:PORT`. Raises Misunderstood."""
    ski, _, place = text.partition("@")
    return _partner(ski, place)


def _partner(ski: str, place: str) -> Pair:
    host, port = _address(place) if place else ("", 0)
    return Pair(_folded(ski), host, port)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= _LAST_PORT:
        raise Misunderstood(f"'{text}' is not an address: write HOST:PORT such as 192.168.178.40:4712")
    return host.strip("[]"), int(port)


def _folded(ski: str) -> str:
    return re.sub(r"[\s:-]", "", ski)


def _unpair(rest: str) -> Unpair:
    if not rest:
        raise Misunderstood("write: unpair SKI")
    return Unpair(_folded(rest))


def _limit(rest: str) -> Limit:
    direction, rest = _leading_direction(rest)
    power, _, duration = rest.partition(" for ")
    if not power:
        raise Misunderstood("write: limit [consumption|production] POWER [for TIME]")
    return Limit(direction, parse_power_w(power), parse_time_s(duration) if duration else None)


def _release(rest: str) -> Release:
    direction, rest = _leading_direction(rest)
    if rest:
        raise Misunderstood("write: release [consumption|production]")
    return Release(direction)


def _leading_direction(text: str) -> tuple[Direction, str]:
    word, _, rest = text.partition(" ")
    if word.lower() in set(Direction):
        return Direction(word.lower()), rest
    return Direction.CONSUMPTION, text


def _failsafe(rest: str) -> Failsafe:
    parts = re.split(r"\b(consumption|production|duration)\b", rest.lower())
    values = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    if parts[0].strip() or not values:
        raise Misunderstood("write: failsafe [consumption POWER] [production POWER] [duration TIME]")
    return Failsafe(
        consumption_w=parse_power_w(values["consumption"]) if "consumption" in values else None,
        production_w=parse_power_w(values["production"]) if "production" in values else None,
        duration_s=parse_time_s(values["duration"]) if "duration" in values else None,
    )


def _on_or_off(command: str, rest: str) -> bool:
    if rest.lower() not in ("on", "off"):
        raise Misunderstood(f"write: {command} on|off")
    return rest.lower() == "on"


def _fault(rest: str) -> Fault:
    name, _, seconds = rest.lower().partition(" ")
    if not name:
        raise Misunderstood("write: fault NAME [TIME]; `faults` lists the names")
    fault = FAULTS.get(name)
    if fault is None:
        raise Misunderstood(f"there is no fault '{name}'; there are {', '.join(FAULTS)}")
    if fault.takes_seconds and not seconds:
        raise Misunderstood(f"write: fault {name} TIME, for example: fault {name} 1 d")
    if seconds and not fault.takes_seconds:
        end = f"it lasts until: mend {name}" if fault.lasting else "it happens once"
        raise Misunderstood(f"'{name}' takes no time; {end}")
    return Fault(name, on=True, seconds=parse_time_s(seconds) if seconds else 0.0)


def _mend(rest: str) -> Fault:
    if not rest or " " in rest:
        raise Misunderstood("write: mend NAME|all")
    return Fault(rest.lower(), on=False, seconds=0.0)


def _wait(rest: str) -> Wait:
    return Wait(None if rest.lower() == "ready" else parse_time_s(rest))


_READERS: dict[str, Callable[[str], Command]] = {
    "pair": _pair,
    "unpair": _unpair,
    "limit": _limit,
    "release": _release,
    "failsafe": _failsafe,
    "heartbeat": lambda rest: Heartbeat(_on_or_off("heartbeat", rest)),
    "watch": lambda rest: Watch(_on_or_off("watch", rest)),
    "fault": _fault,
    "mend": _mend,
    "wait": _wait,
}


# -- conditions --------------------------------------------------------------------------------------


class Relation(Enum):
    """How a value is compared."""

    IS = "is"
    AT_MOST = "is at most"
    AT_LEAST = "is at least"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that can be seen of the partner. `value` is a word, or a number in the base unit."""

    subject: str
    relation: Relation
    value: str | float

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else f"{self.value:g}"
        return f"{self.subject} {self.relation.value} {value}"

    def holds(self, seen: str | float | None) -> bool:
        """Whether a seen value fulfils it; numbers are equal within half a unit."""
        if isinstance(self.value, str) or isinstance(seen, str) or seen is None:
            return seen == self.value
        match self.relation:
            case Relation.IS:
                return abs(seen - self.value) <= 0.5
            case Relation.AT_MOST:
                return seen <= self.value
            case Relation.AT_LEAST:
                return seen >= self.value


WORDS = {
    "partner": ("ready", "connected", "gone"),
    "consumption order": ("active", "inactive"),
    "production order": ("active", "inactive"),
}
"""Subjects whose value is a word."""
POWERS = tuple(f"{direction} {what}" for direction in Direction for what in ("limit", "failsafe", "maximum"))
TIMES = ("failsafe duration", "heartbeat age")
MEASURED = tuple(f"{place} {quantity}" for place in ("grid", "unit") for quantity in Quantity)
"""Values that the system measures: `grid power` (MGCP), `unit power` (the first unit of MPC)."""
_CONDITION = re.compile(r"(?P<subject>.+?) is (?:(?P<bound>at most|at least) )?(?P<value>.+)", re.IGNORECASE)


def parse_condition(text: str) -> Condition:
    """Read `grid power is at most 4200 W`, `consumption order is active`. Raises Misunderstood."""
    match = _CONDITION.fullmatch(" ".join(text.split()))
    if match is None:
        raise Misunderstood(f"'{text}' is no condition; write for example: consumption limit is 4200 W")
    subject = match["subject"].lower()
    relation = Relation(f"is {match['bound'].lower()}") if match["bound"] else Relation.IS
    if subject in WORDS:
        value = match["value"].lower()
        if value not in WORDS[subject] or relation is not Relation.IS:
            raise Misunderstood(f"'{subject}' is one of: {', '.join(WORDS[subject])}")
        return Condition(subject, relation, value)
    if subject in POWERS:
        return Condition(subject, relation, parse_power_w(match["value"]))
    if subject in TIMES:
        return Condition(subject, relation, parse_time_s(match["value"]))
    if subject in MEASURED:
        units = _UNITS_W | _OTHER_UNITS
        return Condition(subject, relation, _number(match["value"], units, "a value with its unit"))
    known = ", ".join((*WORDS, *POWERS, *TIMES, "grid power", "unit power"))
    raise Misunderstood(f"'{subject}' cannot be seen; there are {known} and the other measured values")
