"""The local API over its real Unix socket, asked by the client that the commands use."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eebus.ids import PeerRole, Ski
from hems.cli.client import ask
from hems.cli.options import CommandFailed, GatewayNotRunning
from hems.config import SOCKET_NAME
from hems.northbound.local_api import listening, serve
from hems.northbound.refusal import RequestRefused
from hems.store.errors import StoreError

SKI = Ski("aabb" * 10)


class MemoryGateway:
    """A gateway that only remembers who is trusted."""

    def __init__(self) -> None:
        self.trusted: dict[Ski, PeerRole] = {}
        self.replaced: list[bool] = []
        self.resets: list[bool] = []
        self.listening = False
        self.pins: list[tuple[Ski, str]] = []
        self.own_limit_w: float | None = None

    def status(self) -> Mapping[str, Any]:
        return {"site": "Test"}

    def identity(self) -> Mapping[str, Any]:
        return {"ski": SKI}

    def pairing(self) -> Mapping[str, Any]:
        return {"ski": SKI, "trusted": [{"ski": ski, "role": role} for ski, role in self.trusted.items()]}

    async def orders(self, count: int) -> list[Mapping[str, Any]]:
        return [{"number": number} for number in range(count)]

    async def accept(self, ski: Ski, role: PeerRole, *, replace: bool) -> None:
        if role is PeerRole.CONTROL_BOX and self.trusted and not replace:
            raise RequestRefused("Another Steuerbox is trusted; use --replace.")
        self.replaced.append(replace)
        self.trusted[ski] = role

    def set_own_limit(self, value_w: float | None, channel: str) -> None:
        if value_w == 1.0:
            raise StoreError("the disk is full")
        self.own_limit_w = value_w

    async def remove(self, ski: Ski) -> None:
        self.trusted.pop(ski, None)

    def enter_pin(self, ski: Ski, pin: str) -> None:
        self.pins.append((ski, pin))

    def pairing_service(self) -> Mapping[str, Any]:
        return {"on": self.listening, "by_configuration": False, "qr_text": "SHIP;…", "control_unit": None}

    async def switch_pairing_service(self, *, on: bool) -> None:
        self.listening = on

    async def factory_reset(self, *, forget_peers: bool) -> None:
        self.resets.append(forget_peers)


@asynccontextmanager
async def serving(gateway: MemoryGateway, folder: Path) -> AsyncIterator[None]:
    stop = asyncio.Event()
    with listening(folder / SOCKET_NAME) as listener:
        task = asyncio.create_task(serve(gateway, listener, stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 3.0)


async def call(folder: Path, method: str, target: str, body: object = None) -> dict[str, Any]:
    return await asyncio.to_thread(ask, folder, method, target, body)


async def test_the_socket_is_for_its_owner_only_and_gone_afterwards(tmp_path: Path) -> None:
    async with serving(MemoryGateway(), tmp_path):
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600
        assert (await call(tmp_path, "GET", "/status")) == {"site": "Test"}
        assert (await call(tmp_path, "GET", "/identity"))["ski"] == SKI
    assert not (tmp_path / SOCKET_NAME).exists()


async def test_a_socket_left_by_a_killed_gateway_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET_NAME))
    async with serving(MemoryGateway(), tmp_path):
        assert (await call(tmp_path, "GET", "/status")) == {"site": "Test"}


async def test_accept_and_remove_change_who_is_trusted(tmp_path: Path) -> None:
    gateway = MemoryGateway()
    async with serving(gateway, tmp_path):
        answer = await call(tmp_path, "POST", f"/pairing/{SKI}", {"role": "control-box", "replace": False})
        assert answer["trusted"] == [{"ski": SKI, "role": "control-box"}]
        assert (await call(tmp_path, "DELETE", f"/pairing/{SKI}"))["trusted"] == []
    assert gateway.replaced == [False]


async def test_a_refusal_reaches_the_person_in_its_own_words(tmp_path: Path) -> None:
    gateway = MemoryGateway()
    gateway.trusted[Ski("cc" * 20)] = PeerRole.CONTROL_BOX
    async with serving(gateway, tmp_path):
        with pytest.raises(CommandFailed, match="Another Steuerbox is trusted"):
            await call(tmp_path, "POST", f"/pairing/{SKI}", {"role": "control-box"})


@pytest.mark.parametrize(
    ("method", "target", "body", "told"),
    [
        ("GET", "/nothing", None, "Not Found"),
        ("PUT", "/status", None, "Method Not Allowed"),
        ("POST", "/pairing/1234", {"role": "device"}, "'1234' is not an SKI"),
        ("POST", f"/pairing/{SKI}", {"role": "king"}, "control-box, device"),
        ("POST", f"/pairing/{SKI}", {}, "control-box, device"),
        ("POST", f"/pairing/{SKI}", [1], "control-box, device"),
        ("POST", f"/pairing/{SKI}", None, "control-box, device"),
        ("GET", "/orders?count=0", None, "from 1 to 1000"),
        ("GET", "/orders?count=many", None, "from 1 to 1000"),
    ],
)
async def test_wrong_requests_are_answered_in_plain_words(
    tmp_path: Path, method: str, target: str, body: object, told: str
) -> None:
    async with serving(MemoryGateway(), tmp_path):
        with pytest.raises(CommandFailed, match=told):
            await call(tmp_path, method, target, body)


async def test_an_own_limit_is_set_and_lifted(tmp_path: Path) -> None:
    gateway = MemoryGateway()
    async with serving(gateway, tmp_path):
        assert await call(tmp_path, "PUT", "/own-limit", {"limit_w": 0}) == {"own_limit_w": 0.0}
        assert gateway.own_limit_w == 0.0
        for wrong in ({"limit_w": -1}, {"limit_w": True}, {"limit_w": "5"}, {}, {"limit_w": float("inf")}):
            with pytest.raises(CommandFailed, match="watts from 0"):
                await call(tmp_path, "PUT", "/own-limit", wrong)
        with pytest.raises(CommandFailed, match="disk is full"):
            await call(tmp_path, "PUT", "/own-limit", {"limit_w": 1})
        assert gateway.own_limit_w == 0.0
        assert await call(tmp_path, "PUT", "/own-limit", {"limit_w": None}) == {"own_limit_w": None}


async def test_orders_are_counted(tmp_path: Path) -> None:
    async with serving(MemoryGateway(), tmp_path):
        assert len((await call(tmp_path, "GET", "/orders?count=3"))["orders"]) == 3


@pytest.mark.parametrize("left_behind", [False, True])
def test_when_no_gateway_runs_one_plain_line_says_so(tmp_path: Path, left_behind: bool) -> None:
    if left_behind:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / SOCKET_NAME))
    with pytest.raises(GatewayNotRunning, match=r"No gateway runs .* Start it with: hems run"):
        ask(tmp_path, "GET", "/status")


async def test_a_factory_reset_needs_its_confirmation(tmp_path: Path) -> None:
    gateway = MemoryGateway()
    wrong: list[object] = [{}, {"confirm": "yes"}, {"confirm": "factory-reset", "forget_peers": "no"}, []]
    async with serving(gateway, tmp_path):
        for body in wrong:
            with pytest.raises(CommandFailed):
                await call(tmp_path, "POST", "/factory-reset", body)
        assert gateway.resets == []
        await call(tmp_path, "POST", "/factory-reset", {"confirm": "factory-reset"})
        await call(tmp_path, "POST", "/factory-reset", {"confirm": "factory-reset", "forget_peers": True})
    assert gateway.resets == [False, True]


async def test_a_pin_is_handed_on_to_the_peer_that_demands_it(tmp_path: Path) -> None:
    gateway = MemoryGateway()
    async with serving(gateway, tmp_path):
        with pytest.raises(CommandFailed):
            await call(tmp_path, "POST", f"/pairing/{SKI}/pin", {})
        await call(tmp_path, "POST", f"/pairing/{SKI}/pin", {"pin": "1234ABCD"})
    assert gateway.pins == [(SKI, "1234ABCD")]


async def test_the_pairing_service_is_shown_and_switched(tmp_path: Path) -> None:
    wrong_bodies: list[object] = [{}, {"on": "yes"}, [], {"on": 1}]
    gateway = MemoryGateway()
    async with serving(gateway, tmp_path):
        assert (await call(tmp_path, "GET", "/pairing-service"))["on"] is False
        for wrong in wrong_bodies:
            with pytest.raises(CommandFailed):
                await call(tmp_path, "POST", "/pairing-service", wrong)
        assert (await call(tmp_path, "POST", "/pairing-service", {"on": True}))["on"] is True
