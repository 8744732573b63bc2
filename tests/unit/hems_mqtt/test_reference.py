"""The tables in the documentation follow from the code, and the commands print them."""

import json
from pathlib import Path

from click.testing import CliRunner

from hems.cli.root import hems
from hems.northbound.mqtt.reference import with_generated_part
from hems.northbound.mqtt.topics import gateway_id

PAGE = Path(__file__).parents[3] / "docs" / "mqtt.md"
CONFIGURATION = """
data_dir: data
mqtt: {host: localhost, gateway_id: home, home_assistant: {language: de}}
grid_connection_point: {meter: {type: mqtt-meter}}
devices:
  - name: pump
    adapter: {type: mqtt, kind: heat_pump}
"""


def test_the_documentation_is_not_stale() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_generated_part(page) == page, "run: hems mqtt topics --docs docs/mqtt.md"


def test_topics_are_printed_without_a_configuration() -> None:
    outcome = CliRunner().invoke(hems, ["mqtt", "topics"])
    assert outcome.exit_code == 0, outcome.output
    assert "| `hems/<id>/status` | from the gateway |" in outcome.output


def test_topics_and_documents_of_a_configuration_are_printed(tmp_path: Path) -> None:
    path = tmp_path / "hems.yaml"
    path.write_text(CONFIGURATION)
    topics = CliRunner().invoke(hems, ["mqtt", "topics", "--json", "--config", str(path)])
    assert topics.exit_code == 0, topics.output
    entities = [row["entity_id"] for row in json.loads(topics.stdout)["entities"]]
    assert "sensor.hems_pump_power" in entities
    printed = CliRunner().invoke(hems, ["mqtt", "documents", "--config", str(path)])
    assert printed.exit_code == 0, printed.output
    document = json.loads(printed.stdout)["homeassistant/device/hems_home_pump/config"]
    assert document["device"]["model"] == "Wärmepumpe"


def test_a_configuration_without_a_broker_has_no_topics(tmp_path: Path) -> None:
    path = tmp_path / "hems.yaml"
    path.write_text("site: {name: x}\n")
    outcome = CliRunner().invoke(hems, ["mqtt", "documents", "--config", str(path)])
    assert outcome.exit_code == 1
    assert "no section 'mqtt'" in outcome.output


def test_the_gateway_id_follows_from_the_identity_unless_it_is_given() -> None:
    assert gateway_id("", "ABCDEF0123456789") == "abcdef01"
    assert gateway_id("home", "ABCDEF0123456789") == "home"
