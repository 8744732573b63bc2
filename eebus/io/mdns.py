"""Being found and finding others: DNS-SD over multicast DNS (SHIP 7)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zeroconf import Error as ZeroconfError
from zeroconf import NonUniqueNameException, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from eebus.io.interfaces import HostAddresses, host_addresses
from eebus.ship.pairing_service import SERVICE_TYPES

_log = logging.getLogger(__name__)
_SERVICE_TYPE = "_ship._tcp.local."
_PAIRING_TYPES = tuple(f"{name}.local." for name in SERVICE_TYPES)
_RECORD_TTL_S = 120
_RESOLVE_WAIT_MS = 3000
_MAX_LABEL_BYTES = 63
_MAX_SERVICES = 64
_MAX_RESOLVING = 8
_MAX_RESOLVE_ATTEMPTS = 5


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


# The library writes a traceback for every cable that is pulled; its message says enough.
logging.getLogger("zeroconf").addFilter(_without_traceback)


@dataclass(frozen=True, slots=True, kw_only=True)
class MdnsSettings:
    """Where to speak multicast DNS and how often to look for changed addresses."""

    interfaces: tuple[str, ...] = ()
    """Names or addresses; empty: all but the loopback."""
    poll_interval_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """What we tell about ourselves. Both labels must be unique in the network."""

    instance: str
    host: str
    port: int
    txt: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class FoundService:
    """A resolved service. Everything in it is a hint that anybody can forge."""

    instance: str
    host: str
    port: int
    addresses: tuple[str, ...]
    txt: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class PairingWatch:
    """Where announcements of the SHIP Pairing Service go, while they are wanted."""

    is_wanted: Callable[[], bool]
    found: Callable[[FoundService], None]
    lost: Callable[[str], None]


class Mdns:
    """Announces one service and watches all others while :meth:`run` runs."""

    def __init__(
        self,
        settings: MdnsSettings,
        announcement: Announcement | None,
        found: Callable[[FoundService], None],
        lost: Callable[[str], None],
        *,
        pairing: PairingWatch | None = None,
        addresses: Callable[[tuple[str, ...]], HostAddresses] = host_addresses,
    ) -> None:
        self._settings = settings
        self._announcement = announcement
        self._found = found
        self._lost = lost
        self._pairing = pairing
        self._read_addresses = addresses
        self._announced: tuple[str, ...] = ()
        self._host = HostAddresses()
        self._resolving: dict[str, asyncio.Task[None]] = {}
        self._known: set[str] = set()

    @property
    def announced_addresses(self) -> tuple[str, ...]:
        """The addresses in our record; empty while there is no network."""
        return self._announced

    @property
    def host(self) -> HostAddresses:
        """What this host had when it was looked at last."""
        return self._host

    async def run(self) -> None:
        """Announce and watch until cancelled; a network that comes up later or changes is followed."""
        while True:
            current = self._look()
            if current.multicast:
                try:
                    await self._run_session(current)
                except (OSError, ZeroconfError) as error:
                    _log.warning("multicast DNS does not work now: %s", error)
            await asyncio.sleep(self._settings.poll_interval_s)

    def _look(self) -> HostAddresses:
        found = self._read_addresses(self._settings.interfaces)
        if found.missing and found.missing != self._host.missing:
            _log.warning(
                "no interface with an address for multicast DNS: %s; there are %s",
                ", ".join(found.missing),
                ", ".join(found.present) or "none",
            )
        self._host = found
        return found

    async def _run_session(self, current: HostAddresses) -> None:
        """Announce and watch while this host has any address at all."""
        zeroconf = AsyncZeroconf(interfaces=list(current.multicast))
        try:
            browser = AsyncServiceBrowser(zeroconf.zeroconf, _SERVICE_TYPE, handlers=[self._notice])
            pairing: AsyncServiceBrowser | None = None
            await self._announce(zeroconf, current)
            while current.multicast:
                pairing = await self._follow_pairing(zeroconf, pairing)
                await asyncio.sleep(self._settings.poll_interval_s)
                changed = self._look()
                if changed != current and changed.multicast:
                    await zeroconf.zeroconf.async_update_interfaces(list(changed.multicast))
                    await self._announce_again(zeroconf, changed)
                current = changed
            await browser.async_cancel()
            if pairing is not None:
                await pairing.async_cancel()
        finally:
            self._announced = ()
            for task in self._resolving.values():
                task.cancel()
            await asyncio.shield(_close(zeroconf))  # sockets must not leak when we are cancelled once more

    async def _follow_pairing(
        self, zeroconf: AsyncZeroconf, browser: AsyncServiceBrowser | None
    ) -> AsyncServiceBrowser | None:
        """Look for pairing announcements while a person has switched that on, and not otherwise."""
        wanted = self._pairing is not None and self._pairing.is_wanted()
        if wanted and browser is None:
            return AsyncServiceBrowser(zeroconf.zeroconf, list(_PAIRING_TYPES), handlers=[self._notice])
        if not wanted and browser is not None:
            await browser.async_cancel()
            return None
        return browser

    async def _announce(self, zeroconf: AsyncZeroconf, current: HostAddresses) -> None:
        if self._announcement is None:
            return
        info = self._make_info(self._announcement, current)
        try:
            await zeroconf.async_register_service(info, allow_name_change=True, strict=False)
        except NonUniqueNameException as error:
            _log.warning("the name '%s' is taken in this network: %s", self._announcement.instance, error)
            return
        self._announced = current.addresses
        _log.info("announced as '%s' at %s", info.get_name(), ", ".join(current.addresses))

    async def _announce_again(self, zeroconf: AsyncZeroconf, current: HostAddresses) -> None:
        if self._announcement is None or current.addresses == self._announced:
            return
        await zeroconf.async_update_service(self._make_info(self._announcement, current))
        self._announced = current.addresses
        _log.info("addresses changed, announced again: %s", ", ".join(current.addresses))

    def _make_info(self, announcement: Announcement, current: HostAddresses) -> AsyncServiceInfo:
        return AsyncServiceInfo(
            _SERVICE_TYPE,
            f"{_cut_label(announcement.instance)}.{_SERVICE_TYPE}",
            port=announcement.port,
            properties=dict(announcement.txt),
            server=f"{_cut_label(announcement.host)}.local.",
            host_ttl=_RECORD_TTL_S,
            other_ttl=_RECORD_TTL_S,
            parsed_addresses=list(current.addresses),
        )

    def _notice(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            self._known.discard(name)
            if (resolving := self._resolving.get(name)) is not None:
                resolving.cancel()
            self._lose(service_type)(_instance_of(name, service_type))
        elif name not in self._resolving and len(self._resolving) < _MAX_RESOLVING:
            if name not in self._known and len(self._known) >= _MAX_SERVICES:
                return
            task = asyncio.get_running_loop().create_task(self._resolve(zeroconf, service_type, name))
            self._resolving[name] = task
            task.add_done_callback(lambda _done: self._resolving.pop(name, None))

    async def _resolve(self, zeroconf: Zeroconf, service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        for _attempt in range(_MAX_RESOLVE_ATTEMPTS):
            if await info.async_request(zeroconf, _RESOLVE_WAIT_MS):
                break
        else:
            return
        self._known.add(name)
        self._find(service_type)(
            FoundService(
                instance=_instance_of(name, service_type),
                host=(info.server or "").rstrip("."),
                port=info.port or 0,
                addresses=tuple(info.parsed_scoped_addresses()),
                txt={key: value or "" for key, value in info.decoded_properties.items()},
            )
        )

    def _find(self, service_type: str) -> Callable[[FoundService], None]:
        if self._pairing is not None and service_type in _PAIRING_TYPES:
            return self._pairing.found
        return self._found

    def _lose(self, service_type: str) -> Callable[[str], None]:
        if self._pairing is not None and service_type in _PAIRING_TYPES:
            return self._pairing.lost
        return self._lost


async def _close(zeroconf: AsyncZeroconf) -> None:
    await zeroconf.async_unregister_all_services()
    await zeroconf.async_close()


def _instance_of(name: str, service_type: str) -> str:
    return name[: -len(service_type) - 1] if name.lower().endswith(f".{service_type}".lower()) else name


def _cut_label(label: str) -> str:
    return label.encode()[:_MAX_LABEL_BYTES].decode(errors="ignore")
