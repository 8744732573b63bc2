"""One gateway a data directory, and nobody else may look into it."""

import os
import pwd
import shlex
import stat
from pathlib import Path

import pytest

from hems.data_dir import DataDirError, held_data_dir

_NOBODY = 65_534


def test_a_new_data_dir_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with held_data_dir(tmp_path / "data"):
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "data" / "gateway.lock").stat().st_mode) == 0o600


def test_nothing_is_made_where_even_the_parent_is_missing(tmp_path: Path) -> None:
    with (
        pytest.raises(DataDirError, match=r"Make the folder .*/typo first"),
        held_data_dir(tmp_path / "typo/data"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_where_the_user_may_not_write_the_command_that_makes_it_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "our data"
    tmp_path.chmod(0o500)
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(_NOBODY)
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
        with pytest.raises(DataDirError) as refused, held_data_dir(folder):
            pass
    finally:
        if as_root:
            os.seteuid(0)
    assert str(refused.value) == (
        f"The data directory {folder} cannot be made: Permission denied. "
        f"Make it with 'sudo install -d -m 700 -o {user} {shlex.quote(str(folder))}', "
        "or set another data_dir."
    )


def test_a_second_gateway_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with (
        held_data_dir(tmp_path),
        pytest.raises(DataDirError, match="Another gateway already works"),
        held_data_dir(tmp_path),
    ):
        pass
    with held_data_dir(tmp_path):
        pass


def test_an_open_data_dir_is_closed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o755)
    with held_data_dir(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert "was open to others" in caplog.text


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataDirError, match="is a file"), held_data_dir(tmp_path / "data"):
        pass
