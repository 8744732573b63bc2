"""A real Home Assistant reads our documents: entities, states, energy, restarts, removal, no complaint."""

import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.hems.support import running_gateway, simulated_house, trusted_box
from tests.integration.home_assistant.environment import (
    RELEASES,
    HomeAssistantUnavailable,
    Release,
    interpreter,
)
from tests.integration.home_assistant.running import HomeAssistant, Picture, home_assistant
from tests.integration.mqtt.gateways import write_configuration
from tests.integration.mqtt.mosquitto import Mosquitto, broker, missing, retained_at

pytestmark = pytest.mark.slow

CHOSEN = RELEASES if os.environ.get("HOME_ASSISTANT") == "all" else RELEASES[:1]
"""The release for the oldest Python that we run on; newer ones need a newer Python and minutes to install."""

COUNTERS = (
    "sensor.hems_grid_imported",
    "sensor.hems_grid_exported",
    "sensor.hems_inverter_production_energy",
    "sensor.hems_battery_charged_energy",
    "sensor.hems_battery_discharged_energy",
    "sensor.hems_wallbox_energy",
)
LIMIT = "sensor.hems_consumption_limit"
OWN_LIMIT = "number.hems_own_limit"


@dataclass(frozen=True)
class Place:
    """Everything around Home Assistant in one test."""

    release: Release
    python: Path
    broker: Mosquitto
    folder: Path
    house_port: int

    def home_assistant(self) -> Any:
        """Start it; the same configuration every time."""
        return home_assistant(self.python, self.folder / "home-assistant", self.broker.port)

    def configuration(self, *, battery: str = "battery", language: str = "en") -> Path:
        """A house with meter, wallbox, inverter and battery."""
        options = f"{{form: {self.release.form}, language: {language}}}"
        return write_configuration(
            self.folder,
            self.broker.port,
            name=battery,
            failsafe_w=9000.0,
            mqtt=f", home_assistant: {options}",
            meter=f"  meter: {{type: sunspec-meter, host: 127.0.0.1, port: {self.house_port}, unit: 3}}",
            devices=f"""
  - name: wallbox
    adapter: {{type: modbus, profile: heidelberg-energy-control, host: 127.0.0.1, port: {self.house_port},
      unit: 1, request_gap_ms: 0}}
  - name: inverter
    adapter: {{type: sunspec, host: 127.0.0.1, port: {self.house_port}, unit: 2}}
""",
        )

    async def components(self) -> dict[str, Any]:
        """What the gateway has announced, by entity id."""
        found = {}
        for payload in (await retained_at(self.broker.port, "homeassistant/#")).values():
            document = json.loads(payload)
            for component in document.get("components", {"": document}).values():
                if "unique_id" in component:
                    found[component["default_entity_id"]] = component
        return found

    async def values(self) -> dict[str, Any]:
        """The newest documents of values, by topic."""
        return {
            topic: json.loads(payload)
            for topic, payload in (await retained_at(self.broker.port, "hems/#")).items()
            if payload.startswith("{")
        }


@pytest.fixture(params=CHOSEN, ids=lambda release: release.number)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A release of Home Assistant with a broker and a simulated house."""
    try:
        python = interpreter(request.param, install=os.environ.get("STRICT") == "1")
    except HomeAssistantUnavailable as error:
        missing(f"no Home Assistant {request.param.number}: {error}")
    async with broker(tmp_path) as mosquitto, simulated_house(sun_w=2000.0) as house:
        yield Place(request.param, python, mosquitto, tmp_path, house.port)


def is_complete(picture: Picture) -> bool:
    """Every device has been read."""
    powers = ("grid_power", "wallbox_power", "inverter_production_power", "battery_battery_power")
    return all(picture.number(f"sensor.hems_{power}") is not None for power in powers)


def nothing_is_available(picture: Picture) -> bool:
    """The gateway has gone."""
    return bool(picture.entities) and all(
        entity["state"] == "unavailable" for entity in picture.entities.values()
    )


async def test_every_entity_appears_as_announced_with_its_state_and_without_a_complaint(
    place: Place,
) -> None:
    async with running_gateway(place.configuration()), place.home_assistant() as ha:
        await ha.until(is_complete)
        announced, values = await place.components(), await place.values()
        picture = await ha.picture()
        assert picture.entities.keys() == announced.keys()
        assert picture.device_names() == {"HEMS Test", "Battery", "Wallbox", "Inverter"}
        for entity_id, component in announced.items():
            entity = picture.entities[entity_id]
            assert entity["unique_id"] == component["unique_id"]
            assert entity["name"] == component["name"]
            assert entity["category"] == component.get("entity_category")
            for key in ("unit_of_measurement", "device_class", "state_class"):
                assert entity["attributes"].get(key) == component.get(key), (entity_id, key)
            member = re.search(r"value_json\.(\w+)", component.get("value_template", ""))
            if member is not None and component["state_topic"].endswith("/state"):
                assert_same(entity["state"], values[component["state_topic"]][member[1]], entity_id)
        assert picture.complaints == []


def assert_same(state: str | None, value: object, entity_id: str) -> None:
    """A value of ours against the state that it became."""
    match value:
        case None:
            assert state == "unknown", entity_id
        case int() | float():
            assert state is not None
            assert float(state) == pytest.approx(value), entity_id
        case "ON" | "OFF":
            assert state == value.lower(), entity_id
        case str():
            # reasons may count seconds, and a time has one more way to be written
            assert state is not None
            assert without_digits(state) == without_digits(value), entity_id
        case _:
            raise AssertionError(entity_id)


def without_digits(text: str) -> str:
    """The words of a text."""
    return re.sub(r"\d+", "#", text)


async def test_names_are_german_by_a_setting_and_entity_ids_stay(place: Place) -> None:
    async with place.home_assistant() as ha:
        async with running_gateway(place.configuration()):
            english = await ha.until(is_complete)
        async with running_gateway(place.configuration(language="de")):
            german = await ha.until(
                lambda now: is_complete(now) and name_of(now, LIMIT).endswith("Bezugsgrenze")
            )
        assert name_of(english, LIMIT) == "HEMS Test Consumption limit"
        assert german.entities.keys() == english.entities.keys()
        assert german.complaints == []


def name_of(picture: Picture, entity_id: str) -> str:
    """What people see: the names of device and entity."""
    name: str = picture.entities[entity_id]["attributes"]["friendly_name"]
    return name


async def test_limits_orders_and_the_own_limit_reach_home_assistant_and_back(place: Place) -> None:
    async with (
        running_gateway(place.configuration()) as run,
        place.home_assistant() as ha,
        trusted_box(run) as box,
    ):
        await ha.until(is_complete)
        assert (await box.limit(4200.0, duration_s=600.0)).accepted
        limited = await ha.until(lambda now: now.number(LIMIT) == 4200.0)
        assert limited.state("sensor.hems_consumption_source") == "grid operator"
        assert limited.state("binary_sensor.hems_limited") == "on"
        ordered = await ha.until(lambda now: told(now) == "limit")
        assert ordered.entities["event.hems_order"]["attributes"]["reason"]
        await ha.call("number", "set_value", entity_id=OWN_LIMIT, value=2000)
        lowered = await ha.until(lambda now: now.number(LIMIT) == 2000.0)
        assert lowered.number(OWN_LIMIT) == 2000.0
        assert lowered.state("sensor.hems_consumption_source") == "own limit"
        await ha.call("number", "set_value", entity_id=OWN_LIMIT, value=9000)
        back = await ha.until(lambda now: now.number(LIMIT) == 4200.0)
        assert back.complaints == []


def told(picture: Picture) -> str | None:
    """What the newest order was."""
    kind: str | None = picture.entities["event.hems_order"]["attributes"].get("event_type")
    return kind


async def test_restarts_of_gateway_broker_and_home_assistant_leave_everything_in_its_place(
    place: Place,
) -> None:
    path = place.configuration()
    async with place.home_assistant() as ha:
        async with running_gateway(path):
            first = await ha.until(is_complete)
        await ha.until(nothing_is_available)
        async with running_gateway(path):
            await ha.until(is_complete)
            place.broker.kill()
            await ha.until(nothing_is_available)
            place.broker.start()  # it comes back empty
            again = await ha.until(is_complete, 30.0)
            log = await ha.stop()
            async with place.home_assistant() as restarted:
                after = await restarted.until(is_complete)
                assert after.complaints == []
    assert first.entities.keys() == again.entities.keys() == after.entities.keys()
    assert first.device_names() == after.device_names()
    assert [line for line in again.complaints if not is_about_the_broker(line)] == []
    assert [line for line in Picture({}, {}, tuple(log)).complaints if not is_about_the_broker(line)] == []


def is_about_the_broker(line: str) -> bool:
    """Home Assistant says, in one way or another, that it has lost its broker: that is true."""
    return "onnect" in line and "hems" not in line


async def test_a_renamed_device_leaves_no_orphan(place: Place) -> None:
    async with place.home_assistant() as ha:
        async with running_gateway(place.configuration()):
            await ha.until(is_complete)
        async with running_gateway(place.configuration(battery="storage")):
            after = await ha.until(
                lambda now: (
                    now.number("sensor.hems_storage_battery_power") is not None
                    and "Battery" not in now.device_names()
                )
            )
        assert after.device_names() == {"HEMS Test", "Storage", "Wallbox", "Inverter"}
        assert not [name for name in after.entities if "hems_battery" in name]
        assert after.complaints == []


async def test_the_energy_dashboard_takes_our_counters(place: Place) -> None:
    async with place.home_assistant() as ha:
        async with running_gateway(place.configuration()):
            await ha.until(is_complete)
        async with running_gateway(place.configuration()):  # what was counted is stored when it stops
            await ha.until(
                lambda now: is_complete(now) and all(now.number(each) is not None for each in COUNTERS)
            )
            assert await energy_issues(ha) == []


async def energy_issues(ha: HomeAssistant) -> list[Any]:
    """What the check of the Energy dashboard says about a house that is set up from our entities."""
    preferences = {
        "energy_sources": [
            {
                "type": "grid",
                "flow_from": [grid("stat_energy_from", "sensor.hems_grid_imported")],
                "flow_to": [grid("stat_energy_to", "sensor.hems_grid_exported")],
                "cost_adjustment_day": 0,
            },
            {
                "type": "solar",
                "stat_energy_from": "sensor.hems_inverter_production_energy",
                "config_entry_solar_forecast": None,
            },
            {
                "type": "battery",
                "stat_energy_from": "sensor.hems_battery_discharged_energy",
                "stat_energy_to": "sensor.hems_battery_charged_energy",
            },
        ],
        "device_consumption": [{"stat_consumption": "sensor.hems_wallbox_energy"}],
    }
    issues = (await ha.ask(do="energy", preferences=preferences))["issues"]
    return [issue for group in issues.values() for source in group for issue in source]


def grid(role: str, statistic: str) -> dict[str, str | float | None]:
    """One direction of the grid, without prices."""
    cost = "stat_cost" if role == "stat_energy_from" else "stat_compensation"
    return {role: statistic, cost: None, "entity_energy_price": None, "number_energy_price": None}
