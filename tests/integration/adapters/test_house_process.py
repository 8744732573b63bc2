"""The simulated house as a process of its own, steered through the adapters that a real house has."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.context import Context
from adapters.modbus.settings import ModbusSettings, make_profile_device
from adapters.sunspec.settings import (
    SunSpecInverterSettings,
    SunSpecMeterSettings,
    make_inverter,
    make_meter,
)
from eebus.clock import SystemClock
from hems.devices import Direction, Setpoint


@dataclass
class HouseProcess:
    """The process and its two streams of JSON lines."""

    process: asyncio.subprocess.Process
    port: int

    async def event(self, name: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        while True:
            event: dict[str, Any] = json.loads(await self.process.stdout.readline())
            if event["event"] == name:
                return event

    def command(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")


@asynccontextmanager
async def house(*arguments: str) -> AsyncIterator[HouseProcess]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "adapters.simulated",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    started = HouseProcess(process, 0)
    started.port = (await started.event("listening"))["port"]
    try:
        yield started
    finally:
        process.stdin.close()
        assert await process.wait() == 0
        await process.stdin.wait_closed()


async def test_it_obeys_commands_and_answers_nonsense_in_words() -> None:
    async with house("--sun-w", "5000", "--no-battery") as process:
        process.command('{"cmd": "set", "car_connected": false, "load_w": 700}')
        assert (await process.event("done"))["load_w"] == 700
        process.command("nonsense")
        assert "Expecting value" in (await process.event("error"))["text"]


@pytest.mark.parametrize("inverter_model", ["123", "704"])
async def test_limits_reach_the_registers_of_wallbox_and_inverter_within_a_second(
    inverter_model: str,
) -> None:
    async with house("--inverter", inverter_model, "--sun-w", "9000", "--no-battery") as process:
        context = Context(clock=SystemClock())
        where: dict[str, Any] = {"host": "127.0.0.1", "port": process.port}
        wallbox = make_profile_device(
            "wallbox",
            ModbusSettings(type="modbus", profile="heidelberg-energy-control", unit=1, **where),
            context,
        )
        inverter = make_inverter(
            "inverter", SunSpecInverterSettings(type="sunspec", unit=2, **where), context
        )
        meter = make_meter("meter", SunSpecMeterSettings(type="sunspec-meter", unit=3, **where), context)
        await asyncio.gather(wallbox.connect(), inverter.connect(), meter.connect())
        await wallbox.read()
        async with asyncio.timeout(1.0):
            await asyncio.gather(
                wallbox.write(Setpoint(Direction.CONSUMPTION, 4200.0)),
                inverter.write(Setpoint(Direction.PRODUCTION, 6000.0)),
            )
        missing = {"maximum current 6.0 A", "production limit 60 %", "production limit on"}
        async with asyncio.timeout(5.0):
            while missing:
                missing.discard((await process.event("register"))["meaning"])
        assert (await meter.read()).frequency_hz == 50.0
        await context.buses.close()
