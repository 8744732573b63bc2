"""Who may knock: the bounds on incoming connections, decided before any TLS is spent on them."""

import ipaddress
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """How many connections may be open, and how fast new ones may come."""

    total: int = 24
    reserved: int = 8
    """Of the total: only for addresses that belong to trusted peers."""
    per_address: int = 6
    address_burst: int = 12
    address_refill_per_s: float = 1.0
    strangers_burst: int = 40
    strangers_refill_per_s: float = 10.0
    """All addresses together that belong to no trusted peer: a TLS handshake costs a few milliseconds."""
    remembered_addresses: int = 256


@dataclass(slots=True)
class _Bucket:
    """Tokens that come back with time; one is spent per connection."""

    tokens: float
    at: float

    def refilled(self, now: float, burst: float, refill_per_s: float) -> float:
        return min(burst, self.tokens + max(0.0, now - self.at) * refill_per_s)


class AdmissionDesk:
    """Counts the open connections of each address and the pace of new ones."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._open: Counter[str] = Counter()
        self._paces: dict[str, _Bucket] = {}
        self._strangers = _Bucket(limits.strangers_burst, 0.0)

    @property
    def open_connections(self) -> int:
        """All connections that entered and have not left."""
        return self._open.total()

    def enter(self, address: str, now: float, *, known: bool) -> str | None:
        """Let a connection in (None) or say why not. ``known``: the address belongs to a trusted peer."""
        limits, group = self._limits, address_group(address)
        room = limits.total if known else limits.total - limits.reserved
        if self.open_connections >= room:
            return "too many connections"
        if self._open[group] >= limits.per_address:
            return "too many connections from this address"
        pace = self._paces.get(group) or _Bucket(limits.address_burst, now)
        tokens = pace.refilled(now, limits.address_burst, limits.address_refill_per_s)
        if tokens < 1:
            return "this address connects too often"
        if not known and not self._spend_stranger(now):
            return "strangers connect too often"
        self._remember(group, _Bucket(tokens - 1, now))
        self._open[group] += 1
        return None

    def leave(self, address: str) -> None:
        """A connection that had entered is gone."""
        group = address_group(address)
        self._open[group] -= 1
        if self._open[group] <= 0:
            del self._open[group]

    def _spend_stranger(self, now: float) -> bool:
        limits = self._limits
        tokens = self._strangers.refilled(now, limits.strangers_burst, limits.strangers_refill_per_s)
        if tokens < 1:
            return False
        self._strangers = _Bucket(tokens - 1, now)
        return True

    def _remember(self, group: str, pace: _Bucket) -> None:
        self._paces.pop(group, None)
        self._paces[group] = pace
        if len(self._paces) > self._limits.remembered_addresses:
            # The stranger seen longest ago has the fullest bucket: nothing worth knowing is lost.
            del self._paces[next(iter(self._paces))]


def address_group(address: str) -> str:
    """What counts as one origin: an IPv4 address, a link-local IPv6 address, else an IPv6 /64 network."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        if not parsed.is_link_local:
            return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def plain_address(address: str) -> str:
    """An address as people know it: IPv4 that came in over a dual-stack socket loses its IPv6 form."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return address
