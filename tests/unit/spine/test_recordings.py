"""Real frames: the captures between two stacks, and what recorded products announced."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from eebus.jsonform import merge_members
from eebus.spine.datagram import Datagram, decode_datagram, encode_datagram
from eebus.spine.device import RemoteDevice
from eebus.spine.functions import FUNCTIONS
from eebus.spine.model.node_management import NodeManagementDetailedDiscoveryData, NodeManagementUseCaseData
from eebus.spine.node_management import learn_discovery, learn_use_cases
from eebus.spine.settings import SpineSettings

ROOT = Path(__file__).parents[3]
CAPTURES = sorted((ROOT / "tests" / "captures").glob("*.jsonl"))
DEVICES = ROOT.parent / "shared" / "devices"
SHIP_HEAD = '{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":'
STRICT = os.environ.get("STRICT") == "1"

needs_devices = pytest.mark.skipif(
    not DEVICES.is_dir() and not STRICT, reason="the recorded devices are not beside the repository"
)


def capture_frames(path: Path) -> list[str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["text"] for line in lines if line.get("type") == 2]


def datagram_of(frame: object) -> object:
    data = merge_members(merge_members(frame)["data"])
    return merge_members(data["payload"])["datagram"]


def recording(path: Path) -> Datagram:
    return decode_datagram(datagram_of(json.loads(path.read_text())))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_captured_frame_survives_decoding_and_encoding_byte_for_byte(path: Path) -> None:
    frames = capture_frames(path)
    assert len(frames) > 70
    for frame in frames:
        datagram = decode_datagram(datagram_of(msgspec.json.decode(frame)))
        assert datagram.command.data is not None, frame
        assert f"{SHIP_HEAD}{encode_datagram(datagram).decode()}}}]}}" == frame


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_element_of_the_captures_is_in_the_model(path: Path) -> None:
    for frame in capture_frames(path):
        datagram = decode_datagram(datagram_of(msgspec.json.decode(frame)))
        assert "unknown" not in _unknown_elements(datagram.command.data), frame


def _unknown_elements(value: object) -> set[str]:
    if isinstance(value, msgspec.Struct):
        found = {"unknown"} if getattr(value, "unknown", ()) else set()
        return found.union(*map(_unknown_elements, msgspec.structs.astuple(value)))
    if isinstance(value, tuple):
        return set().union(*map(_unknown_elements, value))
    return set()


@needs_devices
def test_recorded_devices_are_there() -> None:
    assert len(list(DEVICES.glob("*/discovery-data.json"))) >= 5


@needs_devices
@pytest.mark.parametrize("path", sorted(DEVICES.glob("*/discovery-data.json")), ids=lambda p: p.parent.name)
def test_recorded_discovery_is_understood_completely(path: Path) -> None:
    data = recording(path).command.data
    assert isinstance(data, NodeManagementDetailedDiscoveryData)
    assert not _unknown_elements(data)
    remote = RemoteDevice()
    change = learn_discovery(remote, data, SpineSettings())
    assert remote.address
    assert len(change.added) == len(remote.entities) == len(data.entity_information or ())
    assert len(list(remote.features())) == len(data.feature_information or ())
    assert all(feature.feature_type and feature.role for feature in remote.features())
    functions = {function for feature in remote.features() for function in feature.functions}
    assert functions <= FUNCTIONS.keys()
    assert learn_discovery(remote, data, SpineSettings()).added == ()


@needs_devices
@pytest.mark.parametrize("path", sorted(DEVICES.glob("*/usecase-data.json")), ids=lambda p: p.parent.name)
def test_recorded_use_cases_are_understood_completely(path: Path) -> None:
    data = recording(path).command.data
    assert isinstance(data, NodeManagementUseCaseData)
    assert not _unknown_elements(data)
    remote = RemoteDevice()
    learn_use_cases(remote, data)
    assert remote.use_cases()
    assert all(use_case.name and use_case.actor for use_case in remote.use_cases())


@needs_devices
def test_kostal_announces_its_controllable_system_and_monitored_unit() -> None:
    remote = RemoteDevice()
    folder = DEVICES / "kostal_kostal-smart-energy-meter"
    discovery = recording(folder / "discovery-data.json").command.data
    use_cases = recording(folder / "usecase-data.json").command.data
    assert isinstance(discovery, NodeManagementDetailedDiscoveryData)
    assert isinstance(use_cases, NodeManagementUseCaseData)
    learn_discovery(remote, discovery, SpineSettings())
    learn_use_cases(remote, use_cases)
    systems = remote.use_cases("limitationOfPowerConsumption", "ControllableSystem")
    assert [use_case.entity for use_case in systems] == [(5,)]
    (limits,) = remote.find_features("LoadControl", "server", (5,))
    assert limits.functions["loadControlLimitListData"].write
