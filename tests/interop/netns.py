"""Small networks of Linux network namespaces: hosts on one switch, whose cables can be pulled.

Each host is a namespace of its own with loopback and one interface ``eth0``; the switch is a bridge in a
further namespace, so nothing of this touches the machine's own network. Needs root and iproute2.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

INTERFACE = "eth0"
_numbers = itertools.count()


def unavailable() -> str | None:
    """Return why networks cannot be made here, or None when they can."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = f"hems-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces cannot be made: {made.stderr.strip()}"
    _ip("netns", "delete", probe)
    return None


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@dataclass(slots=True)
class Host:
    """One namespace with its cable to the switch."""

    namespace: str
    switch: str
    port: str
    address: str = ""

    def command(self, *command: str) -> list[str]:
        """Return the command line that runs a program on this host."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def plug(self) -> None:
        """Put the cable into the switch."""
        _ip("-n", self.switch, "link", "set", self.port, "up")

    def pull(self) -> None:
        """Pull the cable: the host sees that its carrier is gone."""
        _ip("-n", self.switch, "link", "set", self.port, "down")

    def set_address(self, address: str) -> None:
        """Give ``eth0`` this IPv4 address (/24) instead of the one that it has."""
        if self.address:
            _ip("-n", self.namespace, "address", "delete", f"{self.address}/24", "dev", INTERFACE)
        self.address = address
        _ip("-n", self.namespace, "address", "add", f"{address}/24", "broadcast", "+", "dev", INTERFACE)
        # without a default route, multicast would have no route either once the last address has gone
        _ip("-n", self.namespace, "route", "replace", "224.0.0.0/4", "dev", INTERFACE)


@dataclass(slots=True)
class Network:
    """A switch with its hosts; a context manager that removes all of it at the end."""

    name: str = field(default_factory=lambda: f"hems-{os.getpid()}-{next(_numbers)}")
    hosts: list[Host] = field(default_factory=list)

    @property
    def switch(self) -> str:
        """Name of the namespace with the bridge."""
        return f"{self.name}-lan"

    def __enter__(self) -> Self:
        _ip("netns", "add", self.switch)
        _ip(
            "-n",
            self.switch,
            "link",
            "add",
            "lan",
            "type",
            "bridge",
            "mcast_snooping",
            "0",
            "forward_delay",
            "0",
        )
        _ip("-n", self.switch, "link", "set", "lan", "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self.hosts:
            _ip("netns", "delete", host.namespace)
        _ip("netns", "delete", self.switch)

    def host(self, name: str, address: str = "", *, plugged: bool = True) -> Host:
        """Add a host; without an address its ``eth0`` is up and has none yet."""
        host = Host(f"{self.name}-{name}", self.switch, f"port-{name}")
        _ip("netns", "add", host.namespace)
        self.hosts.append(host)
        _ip(
            "link",
            "add",
            INTERFACE,
            "netns",
            host.namespace,
            "type",
            "veth",
            "peer",
            "name",
            host.port,
            "netns",
            self.switch,
        )
        _ip("-n", self.switch, "link", "set", host.port, "master", "lan")
        _ip("-n", host.namespace, "link", "set", "lo", "up")
        _ip("-n", host.namespace, "link", "set", INTERFACE, "up")
        if address:
            host.set_address(address)
        if plugged:
            host.plug()
        return host
