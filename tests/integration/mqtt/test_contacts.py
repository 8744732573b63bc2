"""Relays by MQTT at a real broker: patterns, a dead module, a broker that restarts, pulses and a kill."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiomqtt import Client, Will

from hems.gateway import RunningGateway
from hems.store.state import stored_state
from tests.integration.hems.process import GatewayProcess, gateway_process
from tests.integration.hems.support import PATIENCE_S, eventually, running_gateway
from tests.integration.mqtt.gateways import write_configuration
from tests.integration.mqtt.mosquitto import broker

THERE = "io/there"


@asynccontextmanager
async def module(port: int) -> AsyncIterator[Client]:
    """A relay module; the broker tells when it is gone."""
    async with Client("127.0.0.1", port, will=Will(THERE, "offline", qos=1, retain=True)) as client:
        await client.publish(THERE, "online", qos=1, retain=True)
        yield client


async def show(client: Client, states: dict[str, str], *, retain: bool = False) -> None:
    """Publish states of contacts."""
    for name, state in states.items():
        await client.publish(f"io/{name}", state, qos=1, retain=retain)


async def show_until(client: Client, states: dict[str, str], is_so: Callable[[], bool]) -> None:
    """Repeat states, as a module does that nobody may have heard yet."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await show(client, states)
            await asyncio.sleep(0.1)


def with_relays(path: Path, wiring: str, names: str, *, inputs: str = "", more: str = "") -> Path:
    topics = ", ".join(f"{name}: {{topic: io/{name}}}" for name in names.split())
    path.write_text(
        path.read_text()
        + f"""
generation: {{installed_power_w: 10000, tested_on: 2026-01-01}}
relays:
  - name: box
    wiring: {wiring}
    adapter: {{type: mqtt-contacts, availability_topic: {THERE}, inputs: {{{topics}}}{more}}}
    inputs: {{{inputs}}}
"""
    )
    return path


Shown = tuple[float | None, str]


def shown(status: dict[str, Any], direction: str = "consumption") -> Shown:
    (found,) = [each for each in status["sources"] if each["source"] == f"relay/box/{direction}"]
    return found["limit_w"], found["kind"]


def until(gateway: RunningGateway, consumption: Shown, production: Shown | None = None) -> Callable[[], bool]:
    def is_so() -> bool:
        status = gateway.status()
        fits = shown(status) == consumption
        return fits and (production is None or shown(status, "production") == production)

    return is_so


FOUR, QUICK = "w4 w3 s2 s1", "{unreadable_after_s: 1}"
RESTING = dict.fromkeys(FOUR.split(), "off")
FREE, DIMMED, STANDIN = (None, "grid_operator"), (4200.0, "grid_operator"), (4200.0, "self_imposed")


async def test_four_contacts_a_dead_module_and_a_broker_that_restarts(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto:
        path = with_relays(
            write_configuration(tmp_path, mosquitto.port),
            "four_contacts", FOUR, inputs=", ".join(f"{each}: {QUICK}" for each in FOUR.split()),
        )  # fmt: skip
        async with running_gateway(path) as run:
            gateway = run.gateway
            await eventually(until(gateway, STANDIN))
            async with module(mosquitto.port) as client:
                await show_until(client, RESTING, until(gateway, FREE, FREE))
                await show(client, {"w4": "on", "s2": "on", "s1": "on"})
                await eventually(until(gateway, DIMMED, (3000.0, "grid_operator")))
                await show(client, {"w4": "off", "s2": "off"})
                await eventually(until(gateway, FREE, (6000.0, "grid_operator")))
                client._client._sock_close()  # the cable is pulled: no goodbye
                await eventually(until(gateway, STANDIN))
                assert any(f"{THERE} does not say" in text for text in gateway.status()["warnings"])
            async with module(mosquitto.port) as client:
                await eventually(until(gateway, FREE, (6000.0, "grid_operator")))
                mosquitto.kill()
                await eventually(until(gateway, STANDIN))
                assert any(
                    text.startswith(f"MQTT broker 127.0.0.1:{mosquitto.port}: ")
                    for text in gateway.status()["warnings"]
                )
                await asyncio.to_thread(mosquitto.start)
            async with module(mosquitto.port) as client:
                await eventually(lambda: "nothing was heard on io/w4" in str(gateway.status()["warnings"]))
                await show_until(client, RESTING, until(gateway, FREE, FREE))


async def test_what_the_broker_retains_is_no_release_before_the_module_says_so(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto, module(mosquitto.port) as client:
        await show(client, {"dim": "off"}, retain=True)
        path = with_relays(write_configuration(tmp_path, mosquitto.port), "single_contact", "dim")
        async with running_gateway(path) as run:
            await eventually(lambda: "accept_retained" in str(run.gateway.status()["warnings"]))
            assert shown(run.gateway.status()) == STANDIN
            await show(client, {"dim": "off"}, retain=True)
            await eventually(until(run.gateway, FREE))


async def test_a_pulse_outlives_a_kill_where_the_settings_say_so(tmp_path: Path) -> None:
    kept = "{signal: pulse, debounce_s: 0, at_start: keep}"
    async with broker(tmp_path) as mosquitto, module(mosquitto.port) as client:
        path = with_relays(
            write_configuration(tmp_path, mosquitto.port),
            "dim_and_release", "dim release", inputs=f"dim: {kept}, release: {kept}",
        )  # fmt: skip
        async with gateway_process(path) as first:
            await _until(first, STANDIN)
            await _pulse_until(first, client, "release", FREE)
            await first.end(signal.SIGKILL)
        async with running_gateway(path) as run:
            assert shown(run.gateway.status())[0] is None
            await show_until(client, {"dim": "off", "release": "off"}, until(run.gateway, FREE))
            await show(client, {"dim": "on"})
            await show(client, {"dim": "off"})
            await eventually(until(run.gateway, DIMMED))
            assert stored_state(tmp_path / "data").relay_pulses == {"box": "dim"}


async def _until(process: GatewayProcess, expected: Shown) -> None:
    await process.until_answering()
    async with asyncio.timeout(PATIENCE_S):
        while shown(await process.call("GET", "/status")) != expected:  # noqa: ASYNC110  # it is asked anew
            await asyncio.sleep(0.05)


async def _pulse_until(process: GatewayProcess, client: Client, name: str, expected: Shown) -> None:
    """Both messages of the pulse come at once; the first of a module only shows how its contacts rest."""
    await show(client, {"dim": "off", "release": "off"})
    async with asyncio.timeout(PATIENCE_S):
        while shown(await process.call("GET", "/status")) != expected:
            for state in ("on", "off"):
                await show(client, {name: state})
            await asyncio.sleep(0.3)
