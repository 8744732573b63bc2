"""Every kind of mistake in a configuration file, with the exact message that a person reads.

Each file in `golden/` is a wrong configuration; the text file beside it holds the expected messages.
"""

from pathlib import Path

import pytest

from hems.config import ConfigError, load
from tests.unit.hems_config.registry import TEST_REGISTRY

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_all_mistakes_are_reported_at_once_with_line_path_and_remedy(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    with pytest.raises(ConfigError) as caught:
        load(path, TEST_REGISTRY)
    told = str(caught.value).replace(str(path), path.name)
    assert told.splitlines() == path.with_suffix(".txt").read_text().splitlines()


def test_each_mistake_is_data_for_machines_too() -> None:
    with pytest.raises(ConfigError) as caught:
        load(GOLDEN / "relations.yaml", TEST_REGISTRY)
    longer = caught.value.mistakes[0]
    assert (longer.line, longer.path) == (3, "eebus.failsafe.duration_s")


def test_a_file_that_is_not_there_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read: No such file or directory\. Name"):
        load(tmp_path / "absent.yaml", TEST_REGISTRY)


def test_a_file_that_is_not_utf8_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"site: {name: M\xfcller}\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 14\)\. Save the file as UTF-8"):
        load(path, TEST_REGISTRY)


def test_control_characters_are_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "control.yaml"
    path.write_bytes(b"site: \x01\n")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        load(path, TEST_REGISTRY)


def test_nesting_beyond_what_the_reader_can_follow_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "abyss.yaml"
    path.write_text("devices: " + "[" * 1200)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load(path, TEST_REGISTRY)


def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "laughs.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="too many values"):
        load(path, TEST_REGISTRY)


def test_deep_nesting_and_loops_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("devices: &a [*a]\n")
    with pytest.raises(ConfigError, match="nested too deeply"):
        load(path, TEST_REGISTRY)


def test_a_data_folder_too_long_for_its_socket_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "hems.yaml"
    path.write_text(f"data_dir: /tmp/{'x' * 90}\n")
    with pytest.raises(ConfigError, match=r"hems\.yaml:1: data_dir: .* too long a path"):
        load(path, TEST_REGISTRY)
