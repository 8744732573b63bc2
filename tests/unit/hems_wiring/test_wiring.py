"""A device counts on the phases that it draws on: what file and adapter say of them never contradict."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.registry import DEFAULT_REGISTRY
from hems.config import ConfigError, Configuration, load
from hems.control.rules import Traits
from hems.counting import count_house
from hems.devices import Capabilities, Device, MeterSample
from hems.equipment import make_devices, settings_that_cannot_work, unconnected
from hems.explanation import explain
from hems.limit_sources import fuse_of
from hems.limits.sources.protection import protection_ceilings
from hems.traits import traits_of
from tests.unit.hems_control.house import House, SimulatedDevice, running
from tests.unit.hems_control.virtual_time import run
from tests.unit.hems_explanation.test_examples import TODAY

PROFILES = {
    "alfen-ng9xx": "alfen-ng9xx, host: 192.0.2.1",
    "heidelberg-energy-control": "heidelberg-energy-control, host: 192.0.2.1",
    "keba-p30": "keba-p30, host: 192.0.2.1",
    "keba-p40": "keba-p40, host: 192.0.2.1",
}
FUSED = "grid_connection_point: {protection: {fuse_a: 25}}\n"


class Written:
    """A house in a file: its configuration, its only device, and what `hems check` tells."""

    def __init__(self, path: Path) -> None:
        self.configuration: Configuration = load(
            path, DEFAULT_REGISTRY, examine=lambda read: settings_that_cannot_work(read, DEFAULT_REGISTRY)
        )
        self.devices: Sequence[Device] = make_devices(
            self.configuration, DEFAULT_REGISTRY, unconnected(self.configuration)
        )
        self.explained = explain(self.configuration, self.devices, today=TODAY)

    @property
    def capabilities(self) -> Capabilities:
        return self.devices[0].capabilities

    @property
    def traits(self) -> Traits:
        count = count_house(self.configuration, self.devices)
        return traits_of(self.configuration.devices[0], self.capabilities, count)

    def told(self) -> str:
        return "\n".join([*(text for _, text in self.explained.lines), *self.explained.warnings])


def written(
    folder: Path, profile: str, params: str = "", phases: str = "", device: str = "modbus"
) -> Written:
    path = folder / "hems.yaml"
    path.write_text(
        f"{FUSED}mqtt: {{host: 192.0.2.9}}\n"
        "devices:\n"
        "  - name: box\n"
        f"    adapter: {{type: {device}, profile: {profile}, params: {{{params}}}}}\n"
        f"{f'    phases: {phases}' if phases else ''}\n"
    )
    return Written(path)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_single_phase_device_counts_wholly_on_the_first_phase_unless_told_otherwise(
    tmp_path: Path, profile: str
) -> None:
    assumed = written(tmp_path, PROFILES[profile], "phases: 1")
    assert (assumed.traits.spread, assumed.traits.line) == ((1.0, 0.0, 0.0), 1)
    assert "box: on phase 1 alone (assumed)" in assumed.told()
    assert any("Add 'phases: [1]' to the device" in warning for warning in assumed.explained.warnings)

    told = written(tmp_path, PROFILES[profile], "phases: 1", "[3]")
    assert (told.traits.spread, told.traits.line) == ((0.0, 0.0, 1.0), 3)
    assert "box: on phase 3 alone" in told.told()
    assert not any("nobody has said on which" in warning for warning in told.explained.warnings)


def test_a_device_whose_phases_nobody_knows_spreads_evenly_or_as_the_file_lists(tmp_path: Path) -> None:
    pump = "luxtronik, host: 192.0.2.1"
    assert written(tmp_path, pump).traits.spread == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert "box: counts evenly on all phases" in written(tmp_path, pump).told()
    assert written(tmp_path, pump, phases="[2]").traits.spread == (0.0, 1.0, 0.0)
    assert written(tmp_path, pump, phases="[1, 3]").traits.spread == (0.5, 0.0, 0.5)


def test_a_wallbox_by_mqtt_says_how_many_phases_it_has_where_its_profile_limits_amperes(
    tmp_path: Path,
) -> None:
    assert written(tmp_path, "openwb", "phases: 1", device="mqtt").traits.spread == (1.0, 0.0, 0.0)
    assert written(tmp_path, "generic-device", "topic: x", "[2]", device="mqtt").traits.line == 2


def test_a_box_that_switches_runs_alone_on_the_first_of_three_that_are_listed(tmp_path: Path) -> None:
    box = written(tmp_path, PROFILES["keba-p40"], "switches_phases: 1", "[2, 3, 1]")
    assert box.traits.line == 2
    assert "box: on phases 2, 3 and 1, with little power on phase 2 alone" in box.told()


@pytest.mark.parametrize(
    ("params", "phases", "message"),
    [
        ("phases: 1", "[1, 2, 3]", "lists 3 phases, but by its adapter the device runs on one. List the one"),
        ("phases: 1", "[2, 3]", "lists 2 phases, but by its adapter the device runs on one. List the one"),
        ("phases: 3", "[2]", "lists one phase, but by its adapter the device runs on 3. List all of them"),
        ("switches_phases: 1", "[2]", "lists one phase, but by its adapter the device runs on 3. List all"),
        ("", "[1, 1, 2]", "a phase is listed twice. List each phase once"),
    ],
)
def test_phases_that_contradict_the_adapter_are_a_mistake(
    tmp_path: Path, params: str, phases: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        written(tmp_path, PROFILES["keba-p40"], params, phases)
    assert f"hems.yaml:6: devices[0].phases: {message}" in str(refused.value)


@pytest.mark.parametrize(("volts", "most_w"), [(207.0, 4600.0), (230.0, 4600.0)])
@pytest.mark.parametrize("unbalance", [True, False], ids=["4.6 kVA", "no bound on unbalance"])
def test_32_amperes_on_one_phase_of_a_25_ampere_fuse_are_never_told(
    tmp_path: Path, volts: float, most_w: float, unbalance: bool
) -> None:
    house_a, fuse_a = 3.0, 25.0
    box = written(tmp_path, PROFILES["alfen-ng9xx"], "phases: 1, max_current_a: 32")
    protection = box.configuration.grid_connection_point.protection
    assert protection is not None
    fuse = fuse_of(protection if unbalance else protection.model_copy(update={"unbalance_w": None}))
    assert box.capabilities.nameplate_w == 32 * 230.0

    async def scenario() -> float:
        wants_w = 32 * volts
        device = SimulatedDevice("box", box.capabilities, wants_w)

        def shown(sample: MeterSample) -> MeterSample:
            other_a = house_a
            currents_a = (other_a + device.power_w() / volts, other_a, other_a)
            powers_w = tuple(current_a * volts for current_a in currents_a)
            return replace(sample, currents_a=currents_a, powers_w=powers_w, voltages_v=(volts,) * 3)

        house = House([device], house_w=3 * house_a * volts, traits=box.traits, meter_shows=shown)
        async with running(house):
            house.control.new_ceilings(protection_ceilings(fuse, asyncio.get_running_loop().time()))
            await house.watch(120)
            return device.power_w()

    drawn_w = run(scenario())
    assert drawn_w / volts <= fuse_a - house_a
    assert drawn_w / volts >= 6.0
    if unbalance:
        assert drawn_w <= most_w
        assert "never told more than 4.60 kW (unbalance)" in box.told()


def test_check_tells_the_amperes_of_the_fuse_where_they_are_less_than_the_device_takes(
    tmp_path: Path,
) -> None:
    box = written(tmp_path, PROFILES["alfen-ng9xx"], "phases: 3, max_current_a: 32")
    assert "box: on phases 1, 2 and 3; never told more than 25 A on a phase" in box.told()
