"""Where peers can be reached: fixed addresses, announcements, and where they were last reached."""

import ipaddress
import re
from collections import OrderedDict
from dataclasses import dataclass

from eebus.ids import Ski
from eebus.io.dialer import Target
from eebus.io.mdns import FoundService
from eebus.ship.service import AnnouncedService

_MAX_ANNOUNCED = 64
_MAX_TARGETS = 8
_HOST_NAME = re.compile(r"(?!.{254})[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A peer at a fixed place, reachable without multicast DNS. ``host``: name or address."""

    ski: Ski
    host: str
    port: int
    path: str = "/ship/"


@dataclass(frozen=True, slots=True)
class Discovered:
    """A peer as it announces itself. All of it is unproven."""

    instance: str
    service: AnnouncedService
    targets: tuple[Target, ...]
    visible: bool
    """False: the announcement is gone; the addresses are kept, because some devices never come back to us."""


class AddressBook:
    """Remembers, bounded, how to reach peers."""

    def __init__(self, fixed: tuple[PeerAddress, ...]) -> None:
        self._fixed: dict[Ski, Target] = {}
        self._announced: OrderedDict[str, Discovered] = OrderedDict()
        self._reached: dict[Ski, Target] = {}
        self._came_from: dict[Ski, str] = {}
        for peer in fixed:
            self.fix(peer)

    def fix(self, peer: PeerAddress) -> None:
        """The peer is reached at this address, whatever is announced."""
        self._fixed[peer.ski] = Target(peer.host, peer.port, peer.path, _server_name(peer.host))

    def announced(self, found: FoundService, service: AnnouncedService, keep: frozenset[Ski]) -> None:
        """A service was seen. Beyond the bound the one seen longest ago goes, trusted peers (*keep*) last."""
        targets = tuple(
            Target(address, found.port, service.path, _server_name(found.host))
            for address in _dial_order(found.addresses)
        )
        self._announced.pop(found.instance, None)
        self._announced[found.instance] = Discovered(found.instance, service, targets, visible=True)
        if len(self._announced) > _MAX_ANNOUNCED:
            strangers = (name for name, item in self._announced.items() if item.service.ski not in keep)
            del self._announced[next(strangers, next(iter(self._announced)))]

    def withdrawn(self, instance: str, keep: frozenset[Ski]) -> None:
        """An announcement is gone: forget a stranger, remember where a trusted peer was."""
        item = self._announced.pop(instance, None)
        if item is not None and item.service.ski in keep:
            gone = Discovered(item.instance, item.service, item.targets, visible=False)
            self._announced[instance] = gone

    def reached(self, ski: Ski, target: Target) -> None:
        """A dial to the target worked."""
        self._reached[ski] = target

    def came_from(self, ski: Ski, address: str) -> None:
        """A trusted peer connected to us from there."""
        self._came_from[ski] = address

    def forget(self, ski: Ski) -> None:
        """The peer is not trusted any more."""
        self._reached.pop(ski, None)
        self._came_from.pop(ski, None)

    def targets(self, ski: Ski) -> tuple[Target, ...]:
        """What to dial, best first: what worked last, the fixed address, else announcements."""
        candidates = [self._reached.get(ski), self._fixed.get(ski)]
        if candidates[1] is None:
            for item in reversed(self._announced.values()):
                if item.service.ski == ski:
                    candidates += item.targets
        return tuple(dict.fromkeys(target for target in candidates if target is not None))[:_MAX_TARGETS]

    def is_known(self, address: str, trusted: frozenset[Ski]) -> bool:
        """Whether a trusted peer lives at this address, as far as we know."""
        return any(
            address == self._came_from.get(ski)
            or any(address == target.host.partition("%")[0] for target in self.targets(ski))
            for ski in trusted
        )

    def discovered(self) -> tuple[Discovered, ...]:
        """All announcements that are remembered."""
        return tuple(self._announced.values())


def _dial_order(addresses: tuple[str, ...]) -> list[str]:
    """IPv4, then IPv6, then IPv6 link-local; the latter only with its scope."""

    def rank(text: str) -> int:
        address = ipaddress.ip_address(text)
        if isinstance(address, ipaddress.IPv4Address):
            return 0
        return 2 if address.is_link_local else 1

    usable = (text for text in addresses if rank(text) < 2 or "%" in text)
    return sorted(usable, key=rank)


def _server_name(host: str) -> str:
    """A proper host name is sent as SNI; an address, or what a stranger calls a name, is not."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host if _HOST_NAME.fullmatch(host) else ""
    return ""
