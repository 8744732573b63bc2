"""The identity is made once, kept, and never replaced without consent."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eebus.clock import FakeClock
from eebus.ids import group_ski
from eebus.ship.identity import make_identity
from eebus.ship.service import parse_qr
from hems.cli.root import hems as command
from hems.config import Configuration
from hems.store.disk import Disk
from hems.store.state import StateStore, stored_state
from hems.vault import CARD_NAME, IdentityError, identity_card, open_vault


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration(data_dir=tmp_path / "data")


async def _put_foreign_state(configuration: Configuration) -> None:
    for path in configuration.data_dir.glob("state.db*"):
        path.unlink()
    disk = Disk(FakeClock())
    store = await StateStore.open(configuration.data_dir, disk, FakeClock())
    await store.put_identity(make_identity("foreign", now=FakeClock().utc_now()))
    await store.close()
    disk.close()


async def test_the_identity_survives_restarts(configuration: Configuration) -> None:
    first = await open_vault(configuration, FakeClock())
    again = await open_vault(configuration, FakeClock())
    assert again.ski == first.ski
    assert again.key_pem == first.key_pem


async def test_the_card_tells_people_what_the_installer_needs(configuration: Configuration) -> None:
    identity = await open_vault(configuration, FakeClock())
    path = configuration.data_dir / CARD_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines()[0] == f"SKI      {group_ski(identity.ski)}"
    code = parse_qr(identity_card(identity.ski, configuration).qr)
    assert (code.ski, code.ship_id) == (identity.ski, f"EEBUS-HEMS-{identity.ski[:16].upper()}")


async def test_a_lost_state_db_is_noticed_and_not_papered_over(configuration: Configuration) -> None:
    identity = await open_vault(configuration, FakeClock())
    for path in configuration.data_dir.glob("state.db*"):
        path.unlink()
    with pytest.raises(IdentityError, match=f"names SKI {group_ski(identity.ski)}, state.db none"):
        await open_vault(configuration, FakeClock())
    assert stored_state(configuration.data_dir).identity is None


async def test_a_changed_ski_is_refused_until_a_person_consents(configuration: Configuration) -> None:
    await open_vault(configuration, FakeClock())
    await _put_foreign_state(configuration)
    with pytest.raises(IdentityError, match="The SKI has changed"):
        await open_vault(configuration, FakeClock())
    renewed = await open_vault(configuration, FakeClock(), renew=True)
    assert (await open_vault(configuration, FakeClock())).ski == renewed.ski


async def test_a_lost_card_is_written_again(configuration: Configuration) -> None:
    identity = await open_vault(configuration, FakeClock())
    (configuration.data_dir / CARD_NAME).unlink()
    await open_vault(configuration, FakeClock())
    assert group_ski(identity.ski) in (configuration.data_dir / CARD_NAME).read_text()


@pytest.mark.parametrize("content", [b"", b"hello\n", b"SKI      ABCD\n", b"\xff\n"])
async def test_an_unreadable_card_is_no_consent(configuration: Configuration, content: bytes) -> None:
    await open_vault(configuration, FakeClock())
    (configuration.data_dir / CARD_NAME).write_bytes(content)
    with pytest.raises(IdentityError, match="Restore it from the backup"):
        await open_vault(configuration, FakeClock())


async def test_a_damaged_key_is_refused(configuration: Configuration) -> None:
    from hems.vault import claim_identity

    identity = await open_vault(configuration, FakeClock())
    damaged = replace(identity, key_pem=make_identity("other", now=FakeClock().utc_now()).key_pem)
    disk = Disk(FakeClock())
    store = await StateStore.open(configuration.data_dir, disk, FakeClock())
    with pytest.raises(IdentityError, match="do not belong together"):
        await claim_identity(store, damaged, configuration, FakeClock())
    await store.close()
    disk.close()


def _hems(folder: Path, *arguments: str) -> Result:
    (folder / "hems.yaml").write_text("site: {name: Test}\n")
    result = CliRunner().invoke(command, [*arguments, "--config", str(folder / "hems.yaml")])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_identity_show_makes_nothing_by_itself(tmp_path: Path) -> None:
    result = _hems(tmp_path, "identity", "show")
    assert result.exit_code == 1
    assert result.stderr == (
        f"There is no identity in {tmp_path / 'data'} yet. The first 'hems run' makes it, "
        "or now: hems identity show --create\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["hems.yaml"]


def test_identity_show_create_then_show_print_the_same(tmp_path: Path) -> None:
    made = _hems(tmp_path, "identity", "show", "--create")
    assert made.exit_code == 0
    assert made.stdout.startswith("SKI      ")
    assert f"Kept in  {tmp_path / 'data'}" in made.stdout
    assert _hems(tmp_path, "identity", "show").stdout == made.stdout
    as_json = _hems(tmp_path, "identity", "show", "--json")
    assert '"qr_text": "SHIP;SKI:' in as_json.stdout


def test_identity_renew_asks_first(tmp_path: Path) -> None:
    made = _hems(tmp_path, "identity", "show", "--create")
    assert _hems(tmp_path, "identity", "renew").exit_code == 1
    for path in (tmp_path / "data").glob("state.db*"):
        path.unlink()
    renewed = _hems(tmp_path, "identity", "renew", "--yes")
    assert renewed.exit_code == 0
    assert renewed.stdout.splitlines()[0] != made.stdout.splitlines()[0]
