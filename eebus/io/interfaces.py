"""The addresses of this host, as far as peers can use them."""

import ipaddress
from dataclasses import dataclass, field

import ifaddr


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """What to announce, and where to speak multicast."""

    addresses: tuple[str, ...] = ()
    """IPv4 first, then IPv6; link-local IPv6 only when there is nothing else."""

    multicast: tuple[str | int, ...] = ()
    """IPv4 by address, IPv6 by interface index."""

    missing: tuple[str, ...] = field(default=(), compare=False)
    """What was selected and has no address here, or does not exist."""

    present: tuple[str, ...] = field(default=(), compare=False)
    """The names of all interfaces with an address."""


def host_addresses(selected: tuple[str, ...] = ()) -> HostAddresses:
    """The addresses of the selected interfaces (by name or address), of all but the loopback by default."""
    return choose_addresses(tuple(ifaddr.get_adapters()), selected)


def own_addresses() -> frozenset[str]:
    """Every address that this host has now, on whatever interface."""
    return frozenset(str(_parse(ip)) for adapter in ifaddr.get_adapters() for ip in adapter.ips)


def choose_addresses(adapters: tuple[ifaddr.Adapter, ...], selected: tuple[str, ...]) -> HostAddresses:
    """The pure part of :func:`host_addresses`."""
    ipv4: list[str] = []
    ipv6: list[str] = []
    link_local: list[str] = []
    multicast: list[str | int] = []
    for adapter in adapters:
        if not _is_wanted(adapter, selected):
            continue
        for address in map(_parse, adapter.ips):
            if isinstance(address, ipaddress.IPv4Address):
                ipv4.append(str(address))
                multicast.append(str(address))
            elif not address.is_loopback:
                (link_local if address.is_link_local else ipv6).append(str(address))
                # IPv6 multicast goes by interface; a link-local address is what it is sent from.
                if address.is_link_local and adapter.index is not None and adapter.index not in multicast:
                    multicast.append(adapter.index)
    return HostAddresses(
        tuple(ipv4 + ipv6 or link_local),
        tuple(multicast),
        missing=tuple(name for name in selected if not any(_is_wanted(each, (name,)) for each in adapters)),
        present=tuple(dict.fromkeys(adapter.name for adapter in adapters if adapter.ips)),
    )


def _is_wanted(adapter: ifaddr.Adapter, selected: tuple[str, ...]) -> bool:
    addresses = {str(_parse(ip)) for ip in adapter.ips}
    if selected:
        return adapter.name in selected or not addresses.isdisjoint(selected)
    return not any(ipaddress.ip_address(address).is_loopback for address in addresses)


def _parse(ip: ifaddr.IP) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
    return ipaddress.ip_address(text.partition("%")[0])
