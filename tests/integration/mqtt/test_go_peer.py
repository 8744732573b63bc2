"""A limit of the Go peer, visible at the broker with state, event and reason within 200 ms."""

import json
import sys
from pathlib import Path

import pytest

from tests.integration.mqtt.gateways import TOPICS, write_configuration
from tests.integration.mqtt.mosquitto import Mosquitto
from tests.interop.conftest import StartGo
from tests.interop.gateway_peer import PROJECT, Gateway
from tests.interop.go_peer import Partner
from tests.interop.json_peer import LineProgram
from tests.interop.netns import Network
from tests.waiting import Stopwatch

pytestmark = [pytest.mark.interop, pytest.mark.netns, pytest.mark.alone]

BOX, HOUSE, PORT = "10.77.0.2", "10.77.0.3", 4712
VISIBLE_NS = 200_000_000
NS_PER_S = 1e9
LIMITS_W = (4000.0, 3500.0, 3000.0, 2500.0, 2000.0)


async def test_a_limit_of_the_go_peer_is_visible_within_200_ms(
    network: Network, go: StartGo, tmp_path: Path
) -> None:
    house, place = network.host("house", HOUSE), network.host("box", BOX)
    mosquitto = Mosquitto(tmp_path, prefix=house.command())
    mosquitto.launch()
    command = house.command(sys.executable, "-m", "tests.integration.mqtt.listener", str(mosquitto.port))
    listener = await LineProgram.launch(command, tmp_path / "listener.log", folder=PROJECT)
    gateway = None
    try:
        await listener.wait_for("listening")
        box = await go("box", place)
        partner = f"peers: [{{ski: {box.ski}, host: {BOX}, port: {PORT}}}]"
        path = write_configuration(tmp_path, mosquitto.port, failsafe_w=5000.0)
        path.write_text(path.read_text().replace("host: 127.0.0.1\n  port: 0", f"port: {PORT}\n  {partner}"))
        gateway = await Gateway.run(tmp_path, house)
        ski = (await gateway.status())["ski"]
        await box.start(port=PORT, partners=[Partner(ski)], dial=False)
        await gateway.command("pair", "accept", box.ski, "--as", "control-box")
        await box.ready_to_control(ski)
        delays_ns = []
        for limit_w in LIMITS_W:
            since, stopwatch = listener.now, Stopwatch(gateway.pid)
            written = await box.limit("consumption", limit_w)
            assert written.accepted
            state = await listener.wait_for(
                "message", since=since, topic=TOPICS.state, payload=_shows(limit_w)
            )
            event = await listener.wait_for("message", since=since, topic=TOPICS.event)
            assert json.loads(event["payload"])["event_type"] == "limit"
            assert json.loads(event["payload"])["limit_w"] == limit_w
            took_ns = max(state["at_ns"], event["at_ns"]) - written.sent_ns
            delays_ns.append(took_ns - stopwatch.waited_s * NS_PER_S)
        assert sorted(delays_ns)[len(delays_ns) // 2] < VISIBLE_NS, delays_ns
        assert max(delays_ns) < 2 * VISIBLE_NS, delays_ns
    finally:
        if gateway is not None:
            await gateway.kill()
        await listener.kill()
        mosquitto.kill()


def _shows(limit_w: float) -> object:
    def judge(payload: str) -> bool:
        state = json.loads(payload)
        return (
            state["consumption_limit_w"] == limit_w
            and f"{limit_w / 1000:.2f} kW" in state["consumption_reason"]
        )

    return judge
