"""What the interop tests share: the built Go peer, networks, and peers that end with the test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

import pytest

from tests.interop.go_house import GoHouse
from tests.interop.go_peer import GoPeer
from tests.interop.go_toolchain import GoUnavailableError, build_peer
from tests.interop.house_peer import HousePeer
from tests.interop.netns import Host, Network, unavailable
from tests.interop.our_box import OurBox

StartGo = Callable[..., Awaitable[GoPeer]]
StartGoHouse = Callable[[str, Host], Awaitable[GoHouse]]
StartHouse = Callable[[str, Host], Awaitable[HousePeer]]
StartOurBox = Callable[..., Awaitable[OurBox]]


def missing(reason: str) -> NoReturn:
    """Skip the test with the reason; with STRICT=1, as in CI, fail it."""
    if os.environ.get("STRICT") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def go_program() -> Path:
    """The built Go peer."""
    try:
        return build_peer()
    except GoUnavailableError as error:
        missing(f"no Go peer: {error}")


@pytest.fixture
def network() -> Iterator[Network]:
    """An empty switch."""
    if reason := unavailable():
        missing(reason)
    with Network() as made:
        yield made


@pytest.fixture
async def go(go_program: Path, tmp_path: Path) -> AsyncIterator[StartGo]:
    """Start Go peers by name; the same name keeps its identity. They end with the test."""
    running: list[GoPeer] = []

    async def start(
        name: str, host: Host, *, mode: Literal["box", "cs"] = "box", debug: bool = False
    ) -> GoPeer:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        peer = await GoPeer.launch_go(
            go_program, directory, prefix=host.command(), mode=mode, serial=name, debug=debug
        )
        running.append(peer)
        return peer

    yield start
    for peer in running:
        await peer.quit()


@pytest.fixture
async def go_house(go_program: Path, tmp_path: Path) -> AsyncIterator[StartGoHouse]:
    """Start Go controllable systems by name; the same name keeps its identity. They end with the test."""
    running: list[GoHouse] = []

    async def start(name: str, host: Host) -> GoHouse:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        peer = await GoHouse.launch_go(
            go_program, directory, prefix=host.command(), mode="cs", serial=name, debug=True
        )
        running.append(peer)
        return peer

    yield start
    for peer in running:
        await peer.quit()


@pytest.fixture
async def our_box(tmp_path: Path) -> AsyncIterator[StartOurBox]:
    """Start Steuerboxes of ours by name; the same name keeps its identity. They end with the test."""
    running: list[OurBox] = []

    async def start(name: str, host: Host, **options: Any) -> OurBox:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        peer = await OurBox.launch_box(directory, prefix=host.command(), **options)
        running.append(peer)
        return peer

    yield start
    for peer in running:
        await peer.quit()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[StartHouse]:
    """Start our controllable systems by name; the same name keeps identity, trust and failsafe values."""
    running: list[HousePeer] = []

    async def start(name: str, host: Host) -> HousePeer:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        peer = await HousePeer.launch_house(directory, prefix=host.command())
        running.append(peer)
        return peer

    yield start
    for peer in running:
        await peer.quit()
