"""Stopped, killed, restarted, cut off: no device is ever free while it must not be."""

import signal
from pathlib import Path

from eebus.ids import PeerRole, Ski
from eebus.io.events import NodeListening
from eebus.simulator.control_box import ControlBoxSimulator
from eebus.usecases.limitation import Direction
from hems.control.progress import Milestone, Progress
from tests.integration.hems.process import gateway_process
from tests.integration.hems.support import (
    CURRENT_REGISTER,
    PATIENCE_S,
    Box,
    RunGateway,
    WatchedHouse,
    eventually,
    running_gateway,
    simulated_house,
    trusted_box,
    write_configuration,
)
from tests.waiting import Stopwatch

WATCHDOG_S = 30.0


async def _order_in_force(path: Path, house: WatchedHouse, number: int) -> None:
    """Run a gateway as a process, give it a limit of 4.2 kW, and end it with this signal."""
    box = Box()
    async with gateway_process(path) as process:
        status = await process.until_answering()
        await process.accept(box.ski)
        async with box.dialling(Ski(status["ski"]), status["port"]) as simulator:
            await simulator.ready(wait_s=PATIENCE_S)
            assert (await simulator.limit(4200.0)).accepted
            await house.until_register("wallbox", CURRENT_REGISTER, 60)
            code = await process.end(number)
    assert code == (0 if number == signal.SIGTERM else -number)


def _currents_told(house: WatchedHouse) -> list[int]:
    return [
        event["raw"]
        for event in house.watched.events
        if isinstance(event, dict)
        and (event["event"], event.get("unit"), event.get("address"))
        == ("register", "wallbox", CURRENT_REGISTER)
    ]


def _assert_never_freed(house: WatchedHouse) -> None:
    told = _currents_told(house)
    assert told[-1] == 60
    assert all(raw <= 130 for raw in told)


async def test_a_gateway_killed_during_an_order_leaves_no_device_free(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port, failsafe_w=9000.0)
        await _order_in_force(path, house, signal.SIGKILL)
        _assert_never_freed(house)
        house.clock.ahead_s += WATCHDOG_S + 1.0
        await house.watched.until(dict, lambda e: e.get("text", "").startswith("watchdog ran out"))
        assert house.house.house.wallbox.in_failsafe


async def test_a_gateway_stopped_during_an_order_leaves_no_device_free(tmp_path: Path) -> None:
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port, failsafe_w=9000.0)
        await _order_in_force(path, house, signal.SIGTERM)
        _assert_never_freed(house)


async def test_LPC_901_a_restarted_gateway_is_in_init_with_the_failsafe_limit_that_the_box_wrote(
    tmp_path: Path,
) -> None:
    box = Box()
    async with simulated_house() as house:
        path = write_configuration(tmp_path, house.port, failsafe_w=9000.0)
        async with gateway_process(path) as process:
            status = await process.until_answering()
            await process.accept(box.ski)
            async with box.dialling(Ski(status["ski"]), status["port"]) as simulator:
                await simulator.ready(wait_s=PATIENCE_S)
                assert (await simulator.deactivate()).accepted
                assert (await simulator.failsafe(consumption_w=6000.0)).accepted
                await process.end(signal.SIGKILL)
        since = len(house.watched.events)
        async with running_gateway(path) as run:
            limit = run.gateway.status()["limits"][0]
            assert (limit["state"], limit["limit_w"], limit["kind"]) == ("init", 6000.0, "self_imposed")
            assert run.gateway.status()["control_box"]["ski"] == box.ski
            await house.until_register("wallbox", CURRENT_REGISTER, 86, since)
            assert all(raw <= 130 for raw in _currents_told(house))


async def test_fallbacks_that_exceed_a_failsafe_limit_of_the_box_are_shown_at_once(tmp_path: Path) -> None:
    """The inverter keeps its last value without the gateway; a box may allow less than that in failsafe."""
    box = Box()
    async with (
        simulated_house() as house,
        running_gateway(write_configuration(tmp_path, house.port)) as run,
    ):
        await run.gateway.accept(box.ski, PeerRole.CONTROL_BOX, replace=False)
        async with box.dialling(run.ski, run.port) as simulator:
            await simulator.ready(wait_s=PATIENCE_S)
            assert (await simulator.deactivate(direction=Direction.PRODUCTION)).accepted
            assert not any("failsafe" in warning for warning in run.gateway.status()["warnings"])
            assert (await simulator.failsafe(production_w=0.0)).accepted
            assert any("failsafe limit of 0 W" in warning for warning in run.gateway.status()["warnings"])
        await run.gateway.factory_reset(forget_peers=False)
        assert not any("failsafe" in warning for warning in run.gateway.status()["warnings"])


async def test_the_first_set_point_leaves_before_the_node_can_be_dialled(tmp_path: Path) -> None:
    async with simulated_house() as house:
        async with running_gateway(write_configuration(tmp_path, house.port)) as run:
            events = run.watched.events
        first_write = next(
            number
            for number, event in enumerate(events)
            if isinstance(event, Progress) and event.milestone is Milestone.FIRST_WRITE
        )
        listening = next(number for number, event in enumerate(events) if isinstance(event, NodeListening))
        assert first_write < listening
        assert _currents_told(house)[0] == 60


async def _unreachable_and_back(run: RunGateway, house: WatchedHouse, box: ControlBoxSimulator) -> None:
    await house.house.command({"cmd": "fault", "unit": "wallbox", "fault": "unreachable"})
    stopwatch = Stopwatch()
    answer = await box.limit(4200.0)
    assert answer.accepted
    assert stopwatch.took_s < 1.0, "a dead device must not delay the answer to the box"
    await eventually(lambda: any("wallbox" in warning for warning in run.gateway.status()["warnings"]))
    since = len(house.watched.events)
    await house.house.command({"cmd": "fault", "unit": "wallbox", "fault": "unreachable", "on": False})
    await house.until_register("wallbox", CURRENT_REGISTER, 60, since)


async def test_an_unreachable_wallbox_is_reported_retried_and_limited_again(tmp_path: Path) -> None:
    async with (
        simulated_house() as house,
        running_gateway(write_configuration(tmp_path, house.port, failsafe_w=9000.0)) as run,
    ):
        await house.until_bounded(130)
        async with trusted_box(run) as box:
            await _unreachable_and_back(run, house, box)
