"""Pairs of one program of ours and one of the Go stack whose connection leads through a relay.

Either can be killed and started again with the same identity, at a moment that the relay chooses.
"""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Generic, Literal, TypeVar

from tests.interop.go_house import GoHouse
from tests.interop.go_peer import GoPeer, Partner
from tests.interop.house_peer import PROJECT, HousePeer
from tests.interop.json_peer import START_TIMEOUT_S, JsonPeer, PeerError
from tests.interop.netns import Network
from tests.interop.our_box import OurBox
from tests.soak_eebus.go_log import last_message

OURS, THEIRS = "10.77.0.2", "10.77.0.3"
PORT, RELAY_PORT = 4712, 4800
_LIMIT_W = 4200

Kind = Literal["our house", "our box"]
Ours = TypeVar("Ours", HousePeer, OurBox)
Theirs = TypeVar("Theirs", GoPeer, GoHouse)


class GoPair(ABC, Generic[Ours, Theirs]):
    """Both programs, their hosts, and the relay on the host of the one that dials."""

    ours: Ours
    theirs: Theirs
    relay: JsonPeer

    def __init__(self, folder: Path, go_program: Path, network: Network, *, we_dial: bool) -> None:
        self.we_dial = we_dial
        self._folder = folder
        self._go_program = go_program
        self._our_host = network.host("ours", OURS)
        self._their_host = network.host("theirs", THEIRS)
        self._since = 0
        self._we_trust = self._they_trust = True

    async def start(self, *, trust: bool = True, hold_after: int | None = None) -> None:
        """Start both. Without trust the side that is dialled has not accepted the other one yet."""
        self._we_trust, self._they_trust = trust or self.we_dial, trust or not self.we_dial
        self.relay = await self._launch_relay()
        if hold_after is not None:
            await self.relay.call("hold_after", records=hold_after)
        await self._launch_theirs()
        await self.start_ours()
        await self.open_theirs()

    async def _launch_relay(self) -> JsonPeer:
        host, other = (self._our_host, THEIRS) if self.we_dial else (self._their_host, OURS)
        program = [sys.executable, "-m", "tests.soak_eebus.relay", str(RELAY_PORT), other, str(PORT)]
        relay = await JsonPeer.launch(host.command(*program), self._log("relay"), folder=PROJECT)
        await relay.wait_for("ready", START_TIMEOUT_S)
        return relay

    async def wait_for_request(self) -> None:
        """Wait until the side that is dialled has a pairing request of the other one."""
        if self.we_dial:
            await self.theirs.wait_for("pairing", START_TIMEOUT_S, state="received_pairing_request")
        else:
            await self.ours.wait_for(self._request_event, START_TIMEOUT_S, ski=self.theirs.ski)

    async def decide(self) -> None:
        """The side that is dialled accepts the other one."""
        self._we_trust = self._they_trust = True
        if self.we_dial:
            await self.theirs.pair(Partner(self.ours.ski))
        else:
            await self._accept_theirs()

    async def restart_theirs(self) -> None:
        """Start the Go side again."""
        await self._launch_theirs()
        await self.open_theirs()

    async def open_theirs(self) -> None:
        """Let the Go side listen, and dial if that is its part."""
        self._since = 0
        known = [self._place_of(self.ours.ski, dialled=not self.we_dial)] if self._they_trust else []
        await self.theirs.start(port=PORT, partners=known, dial=not self.we_dial)

    def _place_of(self, ski: str, *, dialled: bool) -> Partner:
        return Partner(ski, "127.0.0.1", RELAY_PORT) if dialled else Partner(ski)

    async def kill_ours(self) -> None:
        """End our side as a power cut does; what the Go side says from now on is news."""
        self._since = self.theirs.now
        await self.ours.kill()

    async def cut(self) -> None:
        """Break the connection; both sides see that."""
        self._since = self.theirs.now
        await self.relay.call("cut")

    async def end(self) -> None:
        """End everything that was started."""
        for name in ("ours", "theirs", "relay"):
            if program := getattr(self, name, None):
                await program.kill()

    def last_message(self) -> str:
        """What the Go side sent or got last on its first connection, in one word."""
        return last_message((self._folder / "theirs" / "peer.log").read_text())

    def _directory(self, name: str) -> Path:
        directory = self._folder / name
        directory.mkdir(exist_ok=True, parents=True)
        return directory

    def _log(self, name: str) -> Path:
        return self._directory(name) / "log"

    _request_event: str
    """How our side tells a pairing request."""

    @abstractmethod
    async def start_ours(self) -> None:
        """Start our side, for the first time or again."""

    @abstractmethod
    async def _launch_theirs(self) -> None: ...

    @abstractmethod
    async def _accept_theirs(self) -> None: ...

    @abstractmethod
    async def ready(self) -> None:
        """Wait until the box can write limits."""

    @abstractmethod
    async def works(self) -> bool:
        """Whether a limit is accepted now and has arrived."""

    @abstractmethod
    async def connections(self) -> tuple[int, int]:
        """How many connections our side has open and how many devices the Go side has."""


class OurHouse(GoPair[HousePeer, GoPeer]):
    """Our controllable system and a Go box."""

    _request_event = "PairingRequested"

    async def start_ours(self) -> None:
        self.ours = await HousePeer.launch_house(self._directory("ours"), prefix=self._our_host.command())
        there = self._place_of(self.theirs.ski, dialled=self.we_dial)
        await self.ours.start(port=PORT, partners=[there])
        if self._we_trust and not (await self.ours.view()).trusted:
            await self._accept_theirs()

    async def _accept_theirs(self) -> None:
        await self.ours.accept(self.theirs.ski)

    async def ready(self) -> None:
        await self.theirs.ready_to_control(self.ours.ski, timeout_s=START_TIMEOUT_S)

    async def _launch_theirs(self) -> None:
        self.theirs = await GoPeer.launch_go(
            self._go_program, self._directory("theirs"), prefix=self._their_host.command(), debug=True
        )

    async def works(self) -> bool:
        try:
            await self.theirs.ready_to_control(self.ours.ski, self._since, timeout_s=0.2)
            accepted = (await self.theirs.limit("consumption", _LIMIT_W)).accepted
        except (PeerError, TimeoutError):
            return False
        return accepted and (await self.ours.view()).consumption.effective_limit_w == _LIMIT_W

    async def connections(self) -> tuple[int, int]:
        return len((await self.ours.view()).connections), len((await self.theirs.status())["devices"])


class OurSteuerbox(GoPair[OurBox, GoHouse]):
    """Our box and a Go controllable system."""

    _request_event = "pairing_request"

    async def start_ours(self) -> None:
        known = [self._place_of(self.theirs.ski, dialled=self.we_dial)] if self._we_trust else []
        self.ours = await OurBox.launch_box(
            self._directory("ours"), prefix=self._our_host.command(), port=PORT, partners=known
        )

    async def _accept_theirs(self) -> None:
        await self.ours.pair(Partner(self.theirs.ski))

    async def ready(self) -> None:
        await self.ours.ready(self.theirs.ski, timeout_s=START_TIMEOUT_S)

    async def _launch_theirs(self) -> None:
        self.theirs = await GoHouse.launch_go(
            self._go_program,
            self._directory("theirs"),
            prefix=self._their_host.command(),
            mode="cs",
            debug=True,
        )

    async def works(self) -> bool:
        try:
            accepted: bool = (await self.ours.limit("consumption", _LIMIT_W))["accepted"]
        except (PeerError, TimeoutError):
            return False
        return accepted and (await self.theirs.house()).consumption.value_w == _LIMIT_W

    async def connections(self) -> tuple[int, int]:
        return len((await self.ours.status()).connections), len((await self.theirs.house()).partners)


AnyPair = OurHouse | OurSteuerbox


@contextlib.asynccontextmanager
async def go_pair(kind: Kind, folder: Path, go_program: Path, *, we_dial: bool) -> AsyncIterator[AnyPair]:
    """A pair on a network of its own; nothing runs yet."""
    with Network() as network:
        make = OurHouse if kind == "our house" else OurSteuerbox
        pair = make(folder, go_program, network, we_dial=we_dial)
        try:
            yield pair
        finally:
            await pair.end()
