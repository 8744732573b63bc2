"""What is right in its form is examined beside what is not: nobody mends one mistake to be told the next."""

from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import ConfigError, load
from hems.config.well_formed import well_formed
from hems.equipment import settings_that_cannot_work

DATA: dict[str, object] = {"site": {"name": 1}, "devices": ["a", "b", "c", "d"], "relays": ["r"]}


def mistakes(folder: Path, text: str) -> list[str]:
    path = folder / "hems.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(
            path,
            DEFAULT_REGISTRY,
            examine=lambda configuration: settings_that_cannot_work(configuration, DEFAULT_REGISTRY),
        )
    return [f"{mistake.line} {mistake.path}: {mistake.problem}" for mistake in caught.value.mistakes]


def test_entries_and_sections_with_a_mistake_are_left_out() -> None:
    part = well_formed(DATA, [("devices", 0, "adapter", "modbus", "host"), ("devices", 2), ("site", "name")])
    assert part is not None
    assert part.data == {"devices": ["b", "d"], "relays": ["r"]}


def test_of_a_device_only_the_key_is_left_out_unless_it_is_name_or_adapter() -> None:
    device: dict[str, object] = {"name": "box", "priority": 0, "adapter": {}}
    part = well_formed({"devices": [device, device]}, [("devices", 0, "priority"), ("devices", 1, "name")])
    assert part is not None
    assert part.data == {"devices": [{"name": "box", "adapter": {}}]}


def test_what_is_left_is_found_again_in_the_file() -> None:
    part = well_formed(DATA, [("devices", 0, "name"), ("devices", 2)])
    assert part is not None
    assert part.in_file(("devices", 1, "adapter")) == ("devices", 3, "adapter")
    assert part.in_file(("relays", 0)) == ("relays", 0)
    assert part.in_file(("data_dir",)) == ("data_dir",)


def test_a_list_that_is_wrong_itself_is_left_out_whole() -> None:
    part = well_formed(DATA, [("devices",), ("devices", 0)])
    assert part is not None
    assert "devices" not in part.data


@pytest.mark.parametrize("section", ["mqtt", "profile_folders"])
def test_nothing_is_left_when_devices_could_not_be_made_rightly(section: str) -> None:
    assert well_formed({**DATA, section: [1]}, [(section, 0)]) is None


def test_a_device_that_cannot_work_is_told_together_with_mistakes_of_form(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        "devices:\n"
        "  - {name: sun, adapter: {type: modbuss, host: a}}\n"
        "  - {name: box, priority: 0, adapter: {type: modbus, profile: heidelburg, host: b}}\n"
        "  - {name: box, adapter: {type: sunspec, host: c}}\n"
        "site: {nmae: Home}\n",
    )
    assert [line.split(";")[0] for line in told] == [
        "2 devices[0].adapter.type: 'modbuss' is not known",
        "3 devices[1].adapter: there is no profile 'heidelburg'",
        "3 devices[1].priority: 0 is not right here",
        "4 devices[2].name: the name is taken by devices[1]",
        "5 site.nmae: the key 'nmae' is not known here",
    ]


def test_a_device_by_mqtt_is_not_blamed_for_a_mistake_in_the_section_of_the_broker(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path, "mqtt: {hots: a}\ndevices: [{name: box, adapter: {type: mqtt, kind: wallbox}}]\n"
    )
    assert not [line for line in told if "devices" in line]
