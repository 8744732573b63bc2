"""The tester with real sockets in real time, as `hems conformance` uses it; the person at the device."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eebus.conformance.all_cases import case_codes
from eebus.conformance.catalogue import catalogue
from eebus.conformance.device import LimitDisplay, LimitOrder, NotPossible
from eebus.conformance.identities import Identities
from eebus.conformance.loopback import LoopbackDevice
from eebus.conformance.operator import Operator, PersonAtTheDevice
from eebus.conformance.own import GATEWAY
from eebus.conformance.remote import RemoteDevice, RemoteSettings
from eebus.conformance.runner import Target, run_case
from eebus.conformance.verdict import Verdict
from eebus.ids import PeerRole, Ski
from eebus.io.addresses import PeerAddress
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading

_HOST = "127.0.0.1"


@dataclass
class _Buttons(PersonAtTheDevice):
    """Somebody who stands before one of our devices."""

    device: LoopbackDevice
    restarted: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        super().__init__(_nobody)

    async def trust(self, ski: Ski, *, as_control_box: bool) -> None:
        role = PeerRole.CONTROL_BOX if as_control_box else PeerRole.DEVICE
        await self.device.node.accept(ski, role, replace=True)

    async def distrust(self, ski: Ski) -> None:
        await self.device.node.remove(ski)

    async def let_it_dial(self, ski: Ski, port: int) -> None:
        self.device.node.know(PeerAddress(ski, _HOST, port))

    async def restart(self, off_s: float) -> None:
        await self.device.restart(off_s)
        self.restarted()

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        return await self.device.limit_display(direction)


async def _nobody(question: str) -> str:
    raise AssertionError(question)


@contextlib.asynccontextmanager
async def _remote(folder: Path) -> AsyncIterator[RemoteDevice]:
    async with LoopbackDevice(GATEWAY, scale=1.0).running() as device:
        operator = _Buttons(device)
        settings = RemoteSettings(host=_HOST, port=device.port, listen_host=_HOST, interfaces=(_HOST,))
        remote = RemoteDevice(settings, operator, Identities(None, folder=folder))
        operator.restarted = lambda: setattr(remote, "port", device.port)
        try:
            yield remote
        finally:
            await remote.close()


@pytest.mark.parametrize(
    "case_id",
    [
        "TC_SHIP_CMI_001",
        "TC_SHIP_CMI_002",
        "TC_SHIP_AM_001",
        "TC_SHIP_SEC_001",
        "TC_SPINE_BIND_002",
        "ATC_LPC_COM_PT_CSTransition1_001",
        "ATC_LPC_COM_PT_CSTransition4_001",
    ],
)
async def test_cases_in_real_time(case_id: str, tmp_path: Path) -> None:
    async with _remote(tmp_path) as remote:
        target = Target(
            name="gateway", backend=remote.backend, sheet=GATEWAY.sheet, make=remote.case, exhaustive=False
        )
        result = await run_case(catalogue()[case_id], [target])
    assert result.verdict is Verdict.PASSED, result
    assert len(result.runs) == len(case_codes()[case_id].data_sets(exhaustive=False))


async def test_a_device_that_is_not_there_is_no_failure_of_the_device(tmp_path: Path) -> None:
    async with _remote(tmp_path) as remote, remote.case():
        await remote.cut()
        with pytest.raises(ConnectionRefusedError):
            await remote.dial()


async def test_the_device_gets_its_answers_while_a_person_is_busy(tmp_path: Path) -> None:
    served: list[float] = []

    async def serve(seconds: float) -> None:
        served.append(seconds)
        await asyncio.sleep(0)

    async def think(_question: str) -> str:
        await asyncio.sleep(0.2)
        return ""

    settings = RemoteSettings(host=_HOST, port=1)
    remote = RemoteDevice(settings, PersonAtTheDevice(think), Identities(None, folder=tmp_path))
    remote.serve_with(serve)
    await remote.measure("MPC", {})
    assert served


def test_a_tester_keeps_its_keys_so_that_a_device_is_told_once(tmp_path: Path) -> None:
    first, second = (Identities(None, folder=tmp_path) for _ in range(2))
    assert first.get("A").ski == second.get("A").ski
    assert first.get("A").ski != first.get("B").ski
    assert (tmp_path / "A.pem").stat().st_mode & 0o777 == 0o600
    assert first.get("spoofed").ski == first.get("genuine").ski
    assert not (tmp_path / "spoofed.pem").exists()
    with pytest.raises(NotPossible):
        first.get("small")


# -- a person at the device ---------------------------------------------------------------------------


@dataclass
class _Person:
    answers: list[str]
    asked: list[str] = field(default_factory=list)

    async def ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answers.pop(0)


def _operator(*answers: str) -> tuple[Operator, _Person]:
    person = _Person(list(answers))
    return PersonAtTheDevice(person.ask), person


async def test_a_person_tells_what_the_device_shows() -> None:
    operator, _person = _operator("x", "L", "much", "4200")
    shown = await operator.limit_display(Direction.CONSUMPTION)
    assert shown == LimitDisplay(LimitState.LIMITED, 4200.0)
    operator, _person = _operator("c", "")
    assert (await operator.limit_display(Direction.PRODUCTION)).effective_limit_w is None
    operator, _person = _operator("power=-1530.5 frequency=50 what=3")
    assert await operator.held_values("MPC") == {Quantity.POWER: -1530.5, Quantity.FREQUENCY: 50.0}
    operator, _person = _operator("")
    assert await operator.measured_power_w(Direction.CONSUMPTION) == 0.0


async def test_every_action_is_asked_for_in_words() -> None:
    operator, person = _operator(*[""] * 11)
    ski = Ski("ab" * 20)
    await operator.trust(ski, as_control_box=True)
    await operator.distrust(ski)
    await operator.let_it_dial(ski, 4711)
    await operator.restart(90.0)
    await operator.restart(0.0)
    await operator.factory_reset()
    await operator.refuse_limits(True)
    await operator.refuse_limits(False)
    await operator.measure("MGCP", {Quantity.POWER: Reading(-2300.0)})
    await operator.order(LimitOrder(Direction.PRODUCTION, 3000.0, duration_s=60.0))
    await operator.order_failsafe(Direction.CONSUMPTION, 5000.0, None)
    words: tuple[str, ...] = (
        "ABAB ABAB",
        "Withdraw",
        "port 4711",
        "for 90 s",
        "Restart",
        "factory",
        "permitted",
        "End the",
    )
    for question, word in zip(
        person.asked, (*words, "power -2300", "3000 W for 60 s", "5000 W"), strict=True
    ):
        assert word in question


async def test_what_a_person_cannot_do_makes_a_case_inconclusive() -> None:
    operator, _person = _operator("n")
    with pytest.raises(NotPossible):
        await operator.restart(0.0)
