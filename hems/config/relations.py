"""Mistakes that only several values of a configuration together make. Pure.

They are looked for in the values as they were read, so that they are told even when single values are wrong.
"""

import re
from collections.abc import Iterator, Mapping

from hems.config.mistakes import Finding, KeyPath, nearest, show_path, shown
from hems.config.models import METER_NAME


def relations(data: Mapping[str, object]) -> list[Finding]:
    """Every such mistake in `data`."""
    return [
        *_hosts(data, ()),
        *_double_names(data),
        *_double_peers(data),
        *_failsafe_times(data),
        *_nothing_offered(data),
        *_unknown_devices(data),
        *_shares_of_nothing(data),
        *_programmes_of_nothing(data),
        *_patterns_of_other_wirings(data),
        *_ambiguous_patterns(data),
    ]


_HOST = re.compile(r"[^\s/@:\[\]]*|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%\S+)?")
"""A name or an address of version 4; or one of version 6, which has two colons at least."""
_URL = re.compile(r"(?:[a-z0-9+]+://)?(?:[^\s/@]*@)?(?:\[([^\]\s]+)\]|([^\s/@:\[\]]+))(?::([0-9]+))?(?:/.*)?")


def _hosts(data: object, path: KeyPath) -> Iterator[Finding]:
    """Wherever a host is named, in adapters too: it is no URL, and the port stands beside it."""
    parts = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for part, value in parts:
        if part == "host" and isinstance(value, str):
            if not _HOST.fullmatch(value):
                problem = f"{shown(value)} is not a host: that is a name or an address alone, no URL, no port"
                yield (*path, part), problem, _host_meant(value)
        else:
            yield from _hosts(value, (*path, part))


def _host_meant(text: str) -> str:
    meant = _URL.fullmatch(text)
    if meant is None:
        return "Write for example 192.168.178.20 or wallbox.local"
    port = f", and beside it port: {meant[3]}" if meant[3] else ""
    return f"Write host: {meant[1] or meant[2]}{port}"


def _unknown_devices(data: Mapping[str, object]) -> Iterator[Finding]:
    """Relays, programmes and wishes name devices; each must be there."""
    known = [name for _, name in _each(data, ("devices",), "name") if isinstance(name, str)]
    named: list[tuple[KeyPath, object]] = [
        (("wishes", index, "device"), name) for index, name in _each(data, ("wishes",), "device")
    ]
    for section in ("relays", "programmes"):
        for index, names in _each(data, (section,), "devices"):
            for place, name in enumerate(names if isinstance(names, list) else ()):
                named.append(((section, index, "devices", place), name))
    for path, name in named:
        if isinstance(name, str) and name not in known:
            remedy = nearest(name, known) if known else "Add it under devices: none is listed there yet"
            yield path, f"there is no device '{name}'", remedy


def _shares_of_nothing(data: Mapping[str, object]) -> Iterator[Finding]:
    """A percentage of the installed power needs to know that power."""
    if _get(data, ("generation", "installed_power_w")) is not None:
        return
    shares: list[tuple[KeyPath, str]] = [
        (("relays", index, "wiring"), f"'{wiring}'")
        for index, wiring in _each(data, ("relays",), "wiring")
        if wiring in ("four_contacts", "one_hot")
    ]
    for path, pattern in _patterns(data):
        if _get(pattern, ("feed_in_percent",)) is not None:
            shares.append(((*path, "feed_in_percent"), "this"))
    for path, what in shares:
        problem = f"{what} limits feed-in to percents of an installed power that is not told"
        yield path, problem, "Add generation.installed_power_w"


def _programmes_of_nothing(data: Mapping[str, object]) -> Iterator[Finding]:
    """A programme limits something, and feed-in for the whole house only."""
    for index, programme in _items(data, ("programmes",)):
        path: KeyPath = ("programmes", index)
        consumption_w, feed_in_w = (_get(programme, (name,)) for name in ("consumption_w", "feed_in_w"))
        if consumption_w is None and feed_in_w is None:
            yield path, "the programme limits nothing", "Add consumption_w or feed_in_w"
        if feed_in_w is not None and _get(programme, ("devices",)):
            problem = "feed_in_w limits the house at its grid connection, not single devices"
            remedy = "Remove devices"
            if consumption_w is not None:
                remedy = "Give feed_in_w a programme of its own, without devices"
            yield (*path, "devices"), problem, remedy


def _patterns_of_other_wirings(data: Mapping[str, object]) -> Iterator[Finding]:
    for index, relay in _items(data, ("relays",)):
        wiring, patterns = _get(relay, ("wiring",)), _get(relay, ("patterns",))
        path: KeyPath = ("relays", index, "patterns")
        if wiring == "custom" and not patterns:
            problem = "'custom' without patterns takes every state of the inputs for a fault"
            yield path, problem, "Add one for each state that can be, such as {active: []} for no limit"
        elif wiring != "custom" and patterns:
            yield (
                path,
                f"the wiring {shown(wiring)} has its own patterns",
                "Remove them, or use wiring: custom",
            )


def _ambiguous_patterns(data: Mapping[str, object]) -> Iterator[Finding]:
    """A state of the inputs means one thing."""
    seen: dict[tuple[KeyPath, frozenset[str]], KeyPath] = {}
    for path, pattern in _patterns(data):
        if _get(pattern, ("minimum",)) is True and _get(pattern, ("consumption_w",)) is not None:
            yield (*path, "consumption_w"), "'minimum' limits consumption already", "Keep one of the two"
        active = _get(pattern, ("active",))
        key = (path[:2], frozenset(map(str, active if isinstance(active, list) else ())))
        if key in seen:
            problem = f"the same inputs are active in {show_path(seen[key])}"
            yield path, problem, "Say once what a state of the inputs means"
        seen.setdefault(key, path)


def _double_names(data: Mapping[str, object]) -> Iterator[Finding]:
    """Devices are told apart by their names, and so are the limits of relays and programmes."""
    named = [(("grid_connection_point", "meter", ""), METER_NAME), *_names(data, "devices")]
    yield from _doubles(named, "the name is taken by {}", "Give every device a name of its own")
    for section in ("relays", "programmes"):
        remedy = "Give each a name of its own: the limit of one would lift that of the other"
        yield from _doubles(_names(data, section), "the name is taken by {}", remedy)


def _names(data: Mapping[str, object], section: str) -> list[tuple[KeyPath, object]]:
    return [((section, index, "name"), name) for index, name in _each(data, (section,), "name")]


def _double_peers(data: Mapping[str, object]) -> Iterator[Finding]:
    peers: list[tuple[KeyPath, object]] = [
        (("eebus", "peers", index, "ski"), "".join(c for c in str(ski).lower() if c.isalnum()))
        for index, ski in _each(data, ("eebus", "peers"), "ski")
        if ski is not None
    ]
    yield from _doubles(peers, "the same SKI as {}", "List every peer once")


def _doubles(values: list[tuple[KeyPath, object]], problem: str, remedy: str) -> Iterator[Finding]:
    seen: dict[object, KeyPath] = {}
    for path, value in values:
        if not isinstance(value, str):
            continue
        if value in seen:
            yield path, problem.format(show_path(seen[value][:-1])), remedy
        seen.setdefault(value, path)


def _failsafe_times(data: Mapping[str, object]) -> Iterator[Finding]:
    duration = _get(data, ("eebus", "failsafe", "duration_s"))
    longest = _get(data, ("eebus", "failsafe", "max_duration_s"))
    if isinstance(duration, (int, float)) and isinstance(longest, (int, float)) and duration > longest:
        yield (
            ("eebus", "failsafe", "duration_s"),
            f"{shown(duration)} is longer than max_duration_s ({shown(longest)})",
            "Raise max_duration_s or shorten duration_s",
        )


def _nothing_offered(data: Mapping[str, object]) -> Iterator[Finding]:
    switches = ("eebus", "switches")
    names = ("consumption_limits", "production_limits")
    if all(_get(data, (*switches, name)) is False for name in names):
        yield ((*switches, names[1]), "both kinds of limits are off", "Leave at least one of them on")


def _get(data: object, path: KeyPath) -> object:
    for part in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(part)
    return data


def _items(data: object, path: KeyPath) -> Iterator[tuple[int, object]]:
    items = _get(data, path)
    if isinstance(items, list):
        yield from enumerate(items)


def _each(data: object, path: KeyPath, key: str) -> Iterator[tuple[int, object]]:
    for index, item in _items(data, path):
        yield index, _get(item, (key,))


def _patterns(data: object) -> Iterator[tuple[KeyPath, object]]:
    for index, relay in _items(data, ("relays",)):
        for number, pattern in _items(relay, ("patterns",)):
            yield ("relays", index, "patterns", number), pattern
