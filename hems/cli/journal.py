"""`hems journal`: the orders on record, and whether the record is whole; needs no running gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hems.cli.client import data_dir_option, find_data_dir
from hems.cli.options import CommandFailed, config_option, json_option, write_json
from hems.cli.words import local_time_of, span

if TYPE_CHECKING:
    from hems.journal.reading import Verification

_SHA256_DIGITS = 64


class _Sha256Type(click.ParamType[str]):
    name = "SHA256"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        digits = str(value).strip().lower()
        if len(digits) != _SHA256_DIGITS or not set(digits) <= set("0123456789abcdef"):
            self.fail(f"'{value}' is not a SHA-256 of {_SHA256_DIGITS} hexadecimal digits", param, ctx)
        return digits


@click.group()
def journal() -> None:
    """Show the orders on record, and whether the record is whole."""


@journal.command()
@click.option("--last", type=click.IntRange(1, 1000), default=10, show_default=True, help="So many events.")
@config_option
@data_dir_option
@json_option
def show(last: int, config_path: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show the newest orders and self-imposed phases with all their steps, the newest first."""
    from hems.journal.reading import JournalReader
    from hems.northbound.view import orders_json

    with _plain_errors():
        orders = orders_json(JournalReader(find_data_dir(config_path, data_dir)).events(most=last))
    if as_json:
        write_json(orders)
    elif not orders:
        click.echo("Nothing is on record yet.")
    for order in orders if not as_json else ():
        for line in _told(order):
            click.echo(line)


def _told(order: dict[str, Any]) -> Iterator[str]:
    first = order["steps"][0]
    what = "Self-imposed" if order["self_imposed"] else "Order"
    yield f"{what}, {local_time_of(first['unix_ms'])}{'' if order['closed'] else ', not over'}"
    for step in order["steps"]:
        again = step["renewals"]
        times = f" ({again['count']} times, last {local_time_of(again['last_unix_ms'])})" if again else ""
        yield f"  {_after(step['after_ms']):>12}  {step['text']}{times}"
    if order["omitted"]:
        yield f"  {order['omitted']} steps in the middle are not shown; they are on record"


@journal.command()
@click.option(
    "--noted",
    type=_Sha256Type(),
    help="A hash that this command told before and that you noted elsewhere.",
)
@click.option("--file", "name", default="", metavar="NAME", help="A journal that was set aside, by its name.")
@config_option
@data_dir_option
@json_option
def verify(
    noted: str | None, name: str, config_path: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """Check that no record is missing or altered. Exit code 1 when one is.

    The hash of the last record stands for all before it: who alters one and all that follow it changes that
    hash. So note it elsewhere from time to time, and let --noted look for it later.
    """
    from hems.journal.file import JOURNAL_NAME, files_set_aside
    from hems.journal.reading import JournalReader

    directory, file_name = find_data_dir(config_path, data_dir), name or JOURNAL_NAME
    if Path(file_name).name != file_name:
        raise click.UsageError(f"--file takes the name of a file in {directory}, not a path")
    with _plain_errors():
        found = JournalReader(directory, file_name).verify(noted or "")
    good = found.good and (not noted or found.noted_at is not None)
    if as_json:
        write_json(_as_json(found, good, noted))
    else:
        for line in _verified(directory / file_name, found, noted):
            click.echo(line)
        if not name and (aside := files_set_aside(directory)):
            click.echo(f"Damaged journals are kept beside it; look with --file: {', '.join(aside)}")
    if not good:
        raise SystemExit(1)


def _verified(path: Path, found: "Verification", noted: str | None) -> Iterator[str]:
    if found.records:
        first, last = local_time_of(found.first_unix_ms or 0), local_time_of(found.last_unix_ms or 0)
        yield f"{path}: {found.records} records from {first} to {last} form a whole chain."
        yield f"SHA-256 of the last one: {found.last_sha256}"
    elif found.good:
        yield f"{path}: nothing is on record yet."
    if not found.good:
        yield f"{path}: record {found.first_bad} is wrong: {found.problem}. From there on it proves nothing."
    if noted and found.noted_at is not None:
        yield f"The noted hash is that of record {found.noted_at}: nothing up to it was altered since."
    elif noted:
        yield "No record has the noted hash: records up to it were altered, or it is that of another journal."


def _as_json(found: "Verification", good: bool, noted: str | None) -> dict[str, object]:
    return {
        "good": good,
        "records": found.records,
        "first_bad": found.first_bad,
        "problem": found.problem or None,
        "first_unix_ms": found.first_unix_ms,
        "last_unix_ms": found.last_unix_ms,
        "last_sha256": found.last_sha256 or None,
        "noted_at": found.noted_at if noted else None,
    }


@contextmanager
def _plain_errors() -> Iterator[None]:
    from hems.store.errors import StoreError

    try:
        yield
    except StoreError as error:
        raise CommandFailed(f"{error}.") from error


def _after(after_ms: int) -> str:
    return f"+{after_ms} ms" if after_ms < 10_000 else f"+{span(after_ms / 1000.0)}"
