"""`hems journal`: orders for people, and the proof that nothing was altered; without a running gateway."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from hems.cli.root import hems as command
from hems.journal.file import JOURNAL_NAME, append_all, open_journal
from hems.journal.record import Entry, Step

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)


def entry(step: Step, event: UUID, text: str, after_ms: int = 0) -> Entry:
    return Entry(step, event, NOW_MS + after_ms, after_ms, text, {})


def write(directory: Path, *entries: Entry) -> None:
    with closing(open_journal(directory, "hems-1", NOW)) as connection, connection:
        connection.execute("BEGIN")
        append_all("hems-1", entries, connection)


def alter(directory: Path) -> None:
    with closing(sqlite3.connect(directory / JOURNAL_NAME)) as connection, connection:
        connection.execute("DROP TRIGGER record_is_final")
        (body,) = connection.execute("SELECT body FROM record WHERE number = 2").fetchone()
        forged = body.replace(b"limits", b"lifted")
        connection.execute("UPDATE record SET body = ? WHERE number = 2", (forged,))


def hems(directory: Path, *arguments: str) -> Result:
    options = ["journal", *arguments, "--data-dir", str(directory)]
    result = CliRunner().invoke(
        command, options, env={"HEMS_CONFIG": None, "HEMS_DATA_DIR": None, "TZ": "UTC"}
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    first, second = uuid4(), uuid4()
    write(
        tmp_path,
        entry(Step.SELF_BEGAN, first, "power-up"),
        entry(Step.RECEIVED, second, "the control box limits consumption to 4200 W"),
        entry(Step.ACCEPTED, second, "accepted", 3),
        entry(Step.RENEWED, second, "renewed", 60_000),
        entry(Step.RENEWED, second, "renewed", 120_000),
        entry(Step.SELF_ENDED, first, "an order arrived", 70_000),
    )
    return tmp_path


def test_orders_are_told_with_their_steps_and_renewals_in_one(filled: Path) -> None:
    text = hems(filled, "show").stdout
    assert "Order, 2026-03-01" in text
    assert ", not over" in text
    assert "+0 ms  the control box limits consumption to 4200 W" in text
    assert "+3 ms  accepted" in text
    assert "+1 min  renewed (2 times, last 2026-03-01" in text
    assert "Self-imposed, 2026-03-01" in text


def test_the_newest_event_alone_and_all_as_json(filled: Path) -> None:
    assert hems(filled, "show", "--last", "1").stdout.startswith("Self-imposed")
    events = json.loads(hems(filled, "show", "--json").stdout)
    assert [event["self_imposed"] for event in events] == [True, False]


def test_a_whole_chain_is_told_with_the_hash_that_stands_for_it(filled: Path) -> None:
    result = hems(filled, "verify")
    assert result.exit_code == 0
    assert "6 records from 2026-03-01" in result.stdout
    assert "form a whole chain" in result.stdout


def test_a_noted_hash_is_found_again_after_more_records(filled: Path) -> None:
    noted = json.loads(hems(filled, "verify", "--json").stdout)["last_sha256"]
    write(filled, entry(Step.RECEIVED, uuid4(), "another order"))
    result = hems(filled, "verify", "--noted", noted.upper())
    assert result.exit_code == 0
    assert "The noted hash is that of record 6" in result.stdout


def test_an_altered_record_and_all_that_follows_prove_nothing(filled: Path) -> None:
    alter(filled)
    result = hems(filled, "verify")
    assert result.exit_code == 1
    assert "record 3 is wrong" in result.stdout
    told = json.loads(hems(filled, "verify", "--json").stdout)
    assert (told["good"], told["records"], told["first_bad"]) == (False, 2, 3)


def test_a_chain_that_was_made_anew_does_not_have_the_noted_hash(
    filled: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    noted = json.loads(hems(filled, "verify", "--json").stdout)["last_sha256"]
    forged = tmp_path_factory.mktemp("forged")
    write(forged, *(entry(Step.RECEIVED, uuid4(), "nothing happened") for _ in range(6)))
    assert hems(forged, "verify").exit_code == 0
    result = hems(forged, "verify", "--noted", noted)
    assert result.exit_code == 1
    assert "No record has the noted hash" in result.stdout


def test_a_journal_that_was_set_aside_is_named_and_can_be_looked_at(filled: Path) -> None:
    aside = "journal-damaged-20260301T000000Z.db"
    (filled / JOURNAL_NAME).rename(filled / aside)
    write(filled, entry(Step.RECEIVED, uuid4(), "a new chain"))
    assert f"look with --file: {aside}" in hems(filled, "verify").stdout
    assert "6 records" in hems(filled, "verify", "--file", aside).stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (["show"], 1, "does not exist yet; the gateway makes it at its first start"),
        (["verify"], 1, "does not exist yet"),
        (["verify", "--file", "../state.db"], 2, "takes the name of a file"),
        (["verify", "--noted", "abc"], 2, "is not a SHA-256"),
        (["show", "--last", "0"], 2, "--last"),
    ],
)
def test_mistakes_are_told_in_plain_words(
    tmp_path: Path, arguments: list[str], exit_code: int, text: str
) -> None:
    result = hems(tmp_path, *arguments)
    assert result.exit_code == exit_code
    assert text in result.stderr


def test_a_file_that_is_no_journal_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).write_bytes(b"no database at all, but long enough to look like one" * 50)
    result = hems(tmp_path, "verify")
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr


def test_an_empty_journal_has_nothing_on_record(tmp_path: Path) -> None:
    write(tmp_path)
    assert "Nothing is on record yet" in hems(tmp_path, "show").stdout
    assert "nothing is on record yet" in hems(tmp_path, "verify").stdout
