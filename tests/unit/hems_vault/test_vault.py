"""The identity is made once, kept, and never replaced without consent."""

import asyncio
import json
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eebus.clock import FakeClock
from eebus.ids import Ski, group_ski
from eebus.ship.identity import expires_at, make_identity
from eebus.ship.service import parse_qr
from hems.cli.root import hems as command
from hems.config import Configuration
from hems.store.disk import Disk
from hems.store.state import StateStore, stored_state
from hems.vault import CARD_NAME, IdentityError, expiry_warning, identity_card, open_vault


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
    """Domain trap 15, SHIP 14: a box refuses a new certificate, and only the metering operator can help."""
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


@pytest.mark.parametrize("more", [(), ("--create",)])
def test_identity_show_tells_of_a_lost_key_as_run_does(tmp_path: Path, more: tuple[str, ...]) -> None:
    card = _hems(tmp_path, "identity", "show", "--create").stdout
    for path in (tmp_path / "data").glob("state.db*"):
        path.unlink()
    result = _hems(tmp_path, "identity", "show", *more)
    assert result.exit_code == 1
    assert result.stderr.startswith("The key of this gateway is gone: ")
    assert card.splitlines()[0].removeprefix("SKI      ") in result.stderr


def test_identity_show_tells_of_a_changed_ski_as_run_does(tmp_path: Path) -> None:
    _hems(tmp_path, "identity", "show", "--create")
    asyncio.run(_put_foreign_state(Configuration(data_dir=tmp_path / "data")))
    result = _hems(tmp_path, "identity", "show")
    assert result.exit_code == 1
    assert result.stderr.startswith("The SKI has changed: ")


def test_identity_renew_asks_first(tmp_path: Path) -> None:
    made = _hems(tmp_path, "identity", "show", "--create")
    assert _hems(tmp_path, "identity", "renew").exit_code == 1
    for path in (tmp_path / "data").glob("state.db*"):
        path.unlink()
    renewed = _hems(tmp_path, "identity", "renew", "--yes")
    assert renewed.exit_code == 0
    assert renewed.stdout.splitlines()[0] != made.stdout.splitlines()[0]


# --- export, import, expiry ---

PASSPHRASE = "correct horse battery staple"


def _invoke(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(command, arguments, input=text)


def _configured(folder: Path) -> tuple[str, str]:
    folder.mkdir(exist_ok=True)
    path = folder / "hems.yaml"
    path.write_text("data_dir: data\n")
    return "--config", str(path)


def _exported(tmp_path: Path) -> tuple[Path, str]:
    config = _configured(tmp_path / "old")
    shown = json.loads(_invoke("identity", "show", "--create", "--json", *config).stdout)
    file = tmp_path / "identity.pem"
    result = _invoke("identity", "export", str(file), *config, text=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert result.exit_code == 0, result.output
    return file, shown["ski"]


def test_an_exported_identity_is_the_same_on_another_machine(tmp_path: Path) -> None:
    """SHIP 14: boxes know us by key and SHIP ID."""
    file, ski = _exported(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert f"SKI: {group_ski(Ski(ski))}\n" in text
    assert "BEGIN ENCRYPTED PRIVATE KEY" in text
    assert "BEGIN PRIVATE KEY" not in text
    config = _configured(tmp_path / "new")
    result = _invoke("identity", "import", str(file), *config, text=f"{PASSPHRASE}\n")
    assert result.exit_code == 0, result.output
    shown = json.loads(_invoke("identity", "show", "--json", *config).stdout)
    assert (shown["ski"], shown["ship_id"]) == (ski, f"EEBUS-HEMS-{ski[:16].upper()}")
    old = stored_state(tmp_path / "old" / "data").identity
    new = stored_state(tmp_path / "new" / "data").identity
    assert old is not None
    assert new is not None
    assert (new.ski, new.certificate_pem) == (old.ski, old.certificate_pem)


def test_importing_the_same_identity_again_changes_nothing(tmp_path: Path) -> None:
    file, _ = _exported(tmp_path)
    config = _configured(tmp_path / "old")
    assert _invoke("identity", "import", str(file), *config, text=f"{PASSPHRASE}\n").exit_code == 0


def test_an_import_never_replaces_another_identity_silently(tmp_path: Path) -> None:
    file, ski = _exported(tmp_path)
    config = _configured(tmp_path / "new")
    other = json.loads(_invoke("identity", "show", "--create", "--json", *config).stdout)["ski"]
    refused = _invoke("identity", "import", str(file), *config, text=f"{PASSPHRASE}\n")
    assert refused.exit_code == 1
    assert group_ski(Ski(other)) in refused.stderr
    assert "hems identity import --replace" in refused.stderr
    assert json.loads(_invoke("identity", "show", "--json", *config).stdout)["ski"] == other
    taken = _invoke("identity", "import", str(file), "--replace", *config, text=f"{PASSPHRASE}\n")
    assert taken.exit_code == 0, taken.output
    assert json.loads(_invoke("identity", "show", "--json", *config).stdout)["ski"] == ski


def test_an_import_into_a_lost_state_file_asks_for_consent_unless_it_is_the_known_identity(
    tmp_path: Path,
) -> None:
    """The card beside a state.db that is gone tells which identity was registered."""
    file, _ = _exported(tmp_path)
    config = _configured(tmp_path / "new")
    other = json.loads(_invoke("identity", "show", "--create", "--json", *config).stdout)["ski"]
    (tmp_path / "new" / "data" / "state.db").unlink()
    refused = _invoke("identity", "import", str(file), *config, text=f"{PASSPHRASE}\n")
    assert refused.exit_code == 1
    assert group_ski(Ski(other)) in refused.stderr
    (tmp_path / "old" / "data" / "state.db").unlink()
    config = _configured(tmp_path / "old")
    assert _invoke("identity", "import", str(file), *config, text=f"{PASSPHRASE}\n").exit_code == 0


def test_a_wrong_passphrase_a_short_one_and_other_files_are_told_in_one_line(tmp_path: Path) -> None:
    file, _ = _exported(tmp_path)
    config = _configured(tmp_path / "new")
    wrong = _invoke("identity", "import", str(file), *config, text="wrong horse battery staple\n")
    assert wrong.exit_code == 1
    assert "the passphrase is wrong" in wrong.stderr
    junk = tmp_path / "junk"
    junk.write_text("hello")
    assert "no EEBUS identity" in _invoke("identity", "import", str(junk), *config, text="x\n").stderr
    short = tmp_path / "short"
    short.write_text("too short\n")
    target = str(tmp_path / "never.pem")
    old = _configured(tmp_path / "old")
    result = _invoke("identity", "export", target, "--passphrase-file", str(short), *old)
    assert result.exit_code == 1
    assert "at least 16 characters" in result.stderr
    assert not Path(target).exists()


def test_an_export_overwrites_no_file(tmp_path: Path) -> None:
    file, _ = _exported(tmp_path)
    config = _configured(tmp_path / "old")
    again = _invoke("identity", "export", str(file), *config, text=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert again.exit_code == 1
    assert "cannot be written: File exists" in again.stderr


def test_an_identity_with_a_foreign_SHIP_ID_is_refused(tmp_path: Path) -> None:
    file, _ = _exported(tmp_path)
    file.write_text(file.read_text().replace("SHIP ID: EEBUS-HEMS-", "SHIP ID: OTHER-"))
    config = _configured(tmp_path / "new")
    refused = _invoke("identity", "import", str(file), *config, text=f"{PASSPHRASE}\n")
    assert refused.exit_code == 1
    assert "names the SHIP ID OTHER-" in refused.stderr


@pytest.mark.parametrize(
    ("days", "told"),
    [(400, ""), (366, ""), (365, "ends on"), (1, "ends on"), (0, "has ended on"), (-10, "has ended on")],
)
def test_the_end_of_the_certificate_is_told_a_year_before(days: int, told: str) -> None:
    now = FakeClock().utc_now()
    warnings = expiry_warning(now + timedelta(days=days), now)
    assert bool(warnings) is bool(told)
    assert all(told in text for text in warnings)


def test_our_own_certificates_last_for_decades() -> None:
    now = FakeClock().utc_now()
    assert expires_at(make_identity("x", now=now)) > now + timedelta(days=40 * 365)


async def test_the_last_year_of_the_certificate_is_told_at_every_start(
    configuration: Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    await open_vault(configuration, FakeClock())
    assert "certificate" not in caplog.text
    late = FakeClock()
    late.advance((50 * 365 - 100) * 86400.0)
    await open_vault(configuration, late)
    assert "The certificate of this gateway ends on" in caplog.text
