"""state.db: who we are, whom we trust, what the control box wrote, and the energy counters.

Integers only (mW, ms, mWh); times are Unix milliseconds.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from eebus.clock import Clock
from eebus.ids import PeerRole, Ski
from eebus.ship.identity import Identity
from eebus.ship.pairing_service import ControlUnit, PairingMemory
from eebus.ship.trust import TrustEntry, TrustList
from eebus.usecases.events import OrderReceived, PersistFailsafe, StoredFailsafe
from hems.metering.energy import EnergyCounter
from hems.store.database import (
    FileId,
    Migration,
    file_id,
    in_newest_form,
    open_database,
    open_read_only,
    open_unchanging,
    require_still_there,
)
from hems.store.disk import Disk, Job, Undo, Work
from hems.store.errors import DamagedError, LostFileError, StoreError, UnavailableError, store_error

_log = logging.getLogger(__name__)

STATE_NAME = "state.db"
WRITE_TIMEOUT_S = 5.0
_MOST = 2**63 - 1
"""A write that must be on disk before it counts is refused after this time; control boxes wait 10 s."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        """CREATE TABLE identity (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            key_pem BLOB NOT NULL,
            certificate_pem BLOB NOT NULL,
            ski TEXT NOT NULL,
            public_key_sha256 TEXT NOT NULL,
            made_ms INTEGER NOT NULL
        )""",
        """CREATE TABLE trust (
            ski TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            accepted_ms INTEGER NOT NULL,
            public_key_sha256 TEXT,
            ship_id TEXT
        )""",
        """CREATE TABLE failsafe (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            consumption_mw INTEGER,
            production_mw INTEGER,
            duration_ms INTEGER,
            by_ski TEXT NOT NULL,
            written_ms INTEGER NOT NULL
        )""",
        """CREATE TABLE limit_write (
            direction TEXT PRIMARY KEY,
            value_mw INTEGER,
            active INTEGER NOT NULL,
            duration_ms INTEGER,
            by_ski TEXT NOT NULL,
            written_ms INTEGER NOT NULL
        )""",
        """CREATE TABLE energy (
            name TEXT PRIMARY KEY,
            total_mwh INTEGER NOT NULL,
            base_mwh INTEGER,
            changed_ms INTEGER
        )""",
    ),
    (
        """CREATE TABLE own_limit (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            value_mw INTEGER,
            set_ms INTEGER NOT NULL
        )""",
    ),
    (
        """CREATE TABLE pairing_switch (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            is_on INTEGER NOT NULL,
            secret BLOB NOT NULL
        )""",
        """CREATE TABLE pairing_digest (
            number INTEGER PRIMARY KEY,
            digest TEXT NOT NULL
        )""",
        """CREATE TABLE pairing_unit (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            ship_id TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            accepted_ms INTEGER NOT NULL,
            ski TEXT,
            replaces TEXT
        )""",
    ),
    (
        """CREATE TABLE relay_pulse (
            relays TEXT PRIMARY KEY,
            input TEXT NOT NULL,
            given_ms INTEGER NOT NULL
        )""",
    ),
    (
        "ALTER TABLE failsafe ADD COLUMN consumption_scale INTEGER",
        "ALTER TABLE failsafe ADD COLUMN production_scale INTEGER",
    ),
)


@dataclass(frozen=True, slots=True)
class LimitWrite:
    """The last limit that the control box wrote and we accepted, in one direction."""

    value_w: float | None
    active: bool
    duration_s: float | None
    by_ski: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPairing:
    """The SHIP Pairing Service: whether a person switched it on, its secret, and what was announced."""

    is_on: bool = False
    secret: bytes = field(default=b"", repr=False)
    memory: PairingMemory = field(default_factory=PairingMemory)


@dataclass(frozen=True, slots=True)
class StoredState:
    """Everything that outlives a restart."""

    identity: Identity | None = None
    trust: TrustList = field(default_factory=TrustList)
    failsafe: StoredFailsafe = field(default_factory=StoredFailsafe)
    limits: Mapping[str, LimitWrite] = field(default_factory=dict)
    energies: Mapping[str, EnergyCounter] = field(default_factory=dict)
    own_limit_w: float | None = None
    relay_pulses: Mapping[str, str] = field(default_factory=dict)
    """Which input of a group of relays was pulsed last, for groups that keep it."""
    pairing: StoredPairing = field(default_factory=StoredPairing)


class StateStore:
    """The gateway's access to state.db. `put_…` return after the change is on disk, or raise StoreError.

    On a disk that is full or read-only what was stored before counts, and every change is refused until the
    disk lets us write again.
    """

    def __init__(self, path: Path, disk: Disk, clock: Clock) -> None:
        self._path = path
        self._disk = disk
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._file: FileId | None = None
        self._opening: asyncio.Task[sqlite3.Connection] | None = None
        self.trouble = ""
        """Why nothing can be stored at the moment."""

    @classmethod
    async def open(cls, directory: Path, disk: Disk, clock: Clock) -> "StateStore":
        """Open or make it in the data directory. Raises StoreError with one plain line.

        A damaged file is never replaced: with another key every peer would have to accept us anew.
        """
        store = cls(directory / STATE_NAME, disk, clock)
        try:
            await store._writable()
        except DamagedError as error:
            raise _with_remedy(error) from error
        except UnavailableError as error:
            _log.error("%s; what was stored before counts, and nothing can be changed", error)
        return store

    async def close(self) -> None:
        """Close the file; everything put is on disk already."""
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            await self._disk.leave(self._connection)

    async def look(self) -> None:
        """See whether the file still has its name; from then on changes are refused until a restart."""
        if self._connection is None or self.trouble:
            return
        try:
            await self._disk.call(self._require_file)
        except LostFileError as error:
            self.trouble = str(error)
            _log.error("nothing can be stored: %s", error)
        except StoreError as error:
            _log.warning("%s", error)

    async def load(self) -> StoredState:
        """Everything stored. Raises DamagedError when it makes no sense."""
        connection = self._connection
        try:
            if connection is None:
                return await self._disk.call(lambda: _unchanging_state(self._path))
            return await self._disk.call(partial(read_state, connection))
        except DamagedError as error:
            raise _with_remedy(error) from error

    async def put_identity(self, identity: Identity) -> None:
        """Keep our identity for good. Raises StoreError when there is another: it is never replaced."""
        row = (identity.key_pem, identity.certificate_pem, identity.ski, identity.public_key_sha256)

        def work(connection: sqlite3.Connection) -> Undo | None:
            stored = connection.execute("SELECT ski FROM identity").fetchone()
            if stored is not None and stored[0] != identity.ski:
                raise StoreError(f"there is an identity already, with SKI {stored[0]}; it is never replaced")
            insert = "INSERT OR IGNORE INTO identity VALUES (1, ?, ?, ?, ?, ?)"
            connection.execute(insert, (*row, self._now_ms()))
            return None

        await self._put(work, WRITE_TIMEOUT_S)

    async def replace_identity(self, identity: Identity) -> None:
        """Keep another identity, after a person has agreed to that."""
        row = (1, identity.key_pem, identity.certificate_pem, identity.ski, identity.public_key_sha256)
        await self._put(_replace_rows("identity", [(*row, self._now_ms())]), WRITE_TIMEOUT_S)

    async def put_trust(self, trust: TrustList, timeout_s: float = WRITE_TIMEOUT_S) -> None:
        """Replace the trusted peers."""
        rows = [_trust_row(entry) for entry in trust]
        await self._put(_replace_rows("trust", rows), timeout_s)

    async def put_failsafe(self, values: PersistFailsafe, timeout_s: float = WRITE_TIMEOUT_S) -> None:
        """Keep what the control box wrote. Raises StoreTimeoutError: then nothing changed, also not later."""
        row = (
            1,
            _milli(values.consumption_w),
            _milli(values.production_w),
            _milli(values.duration_s),
            values.by_ski,
            self._now_ms(),
            values.consumption_scale,
            values.production_scale,
        )
        await self._put(_replace_rows("failsafe", [row]), timeout_s)

    async def put_pairing_switch(self, is_on: bool, secret: bytes) -> None:
        """Keep whether announcements of control units are heard, and the secret of the QR code."""
        await self._put(_replace_rows("pairing_switch", [(1, int(is_on), secret)]), WRITE_TIMEOUT_S)

    async def put_pairing_memory(self, memory: PairingMemory) -> None:
        """Keep used announcements and the announced control unit: both or neither."""
        rows: dict[str, Iterable[tuple[object, ...]]] = {
            "pairing_digest": enumerate(memory.used_digests),
            "pairing_unit": [] if memory.unit is None else [_unit_row(memory.unit)],
        }
        await self._put(_replace_tables(rows), WRITE_TIMEOUT_S)

    def note_order(self, order: OrderReceived) -> None:
        """Keep an accepted limit without waiting; `Disk.flush` tells when it is on disk."""
        if order.direction is None or not order.accepted:
            return
        row = (
            order.direction.value,
            _milli(order.value_w),
            int(order.active),
            _milli(order.duration_s),
            order.peer_ski,
            self._now_ms(),
        )
        self._note(_insert_rows("limit_write", [row]))

    def note_energies(self, counters: Mapping[str, EnergyCounter]) -> "asyncio.Future[None]":
        """Keep the energy counters without waiting; done once they are on disk."""
        rows = [
            (name, _milli(c.total_wh), _milli(c.base_wh), _milli(c.unix_s)) for name, c in counters.items()
        ]
        return self._note(_insert_rows("energy", rows)).future

    def note_own_limit(self, value_w: float | None) -> None:
        """Keep the own limit of the people of the house without waiting; None lifts it."""
        self._note(_insert_rows("own_limit", [(1, _milli(value_w), self._now_ms())]))

    async def keep_relay_pulse(self, relays: str, name: str, grace_s: float) -> bool:
        """Keep which input of a group of relays was pulsed, and wait until it is on disk, at most so long.

        False when it is not (yet): unlike `put_…` it will still be stored. Raises StoreError.
        """
        job = self._note(_insert_rows("relay_pulse", [(relays, name, self._now_ms())]))
        done, _ = await asyncio.wait({job.future}, timeout=grace_s)
        return bool(done) and job.future.exception() is None

    async def forget_what_the_box_wrote(self) -> None:
        """Factory reset of failsafe values and limits: the configuration counts again."""

        def work(connection: sqlite3.Connection) -> Undo | None:
            connection.execute("DELETE FROM failsafe")
            connection.execute("DELETE FROM limit_write")
            return None

        await self._put(work, WRITE_TIMEOUT_S)

    async def _put(self, work: Work, timeout_s: float) -> None:
        await self._disk.transact(await self._writable(), self._kept(work), timeout_s)

    async def _writable(self) -> sqlite3.Connection:
        """The connection; where there is none yet, it is tried again. Raises StoreError."""
        if self._connection is not None:
            self._refuse_lost()
            return self._connection
        return await asyncio.shield(self._open_again())

    def _open_again(self) -> "asyncio.Task[sqlite3.Connection]":
        """One attempt at a time, for all who need it."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._opening

    async def _open(self) -> sqlite3.Connection:
        try:
            opened, self._file = await self._disk.call(
                lambda: (open_database(self._path, MIGRATIONS), file_id(self._path))
            )
        except StoreError as error:
            self.trouble = str(error)
            raise
        self._connection, self.trouble = opened, ""
        return opened

    def _note(self, work: Work) -> Job:
        if self._connection is None:
            self._open_again()
            raise UnavailableError(self.trouble)
        self._refuse_lost()
        job = self._disk.submit(self._connection, self._kept(work))
        job.future.add_done_callback(lambda future: future.cancelled() or future.exception())
        return job

    def _refuse_lost(self) -> None:
        """With a connection there is only one trouble: its file is gone."""
        if self.trouble:
            raise LostFileError(self.trouble)

    def _kept(self, work: Work) -> Work:
        """The work, refused where the file has lost its name: it would be acknowledged and never be seen."""

        def checked(connection: sqlite3.Connection) -> Undo | None:
            self._require_file()
            return work(connection)

        return checked

    def _require_file(self) -> None:
        require_still_there(self._path, self._file)

    def _now_ms(self) -> int:
        return _milli_of(self._clock.utc_now().timestamp())


def _unchanging_state(path: Path) -> StoredState:
    with closing(open_unchanging(path)) as connection:
        try:
            with closing(in_newest_form(connection, path, MIGRATIONS)) as copy:
                return read_state(copy)
        except sqlite3.Error as error:
            raise store_error(f"{path} cannot be read", error) from error


def stored_state(directory: Path) -> StoredState:
    """Read state.db beside a running or stopped gateway. Raises StoreError when there is none."""
    path = directory / STATE_NAME
    with closing(open_read_only(path)) as connection:
        try:
            with closing(in_newest_form(connection, path, MIGRATIONS)) as copy:
                return read_state(copy)
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be read: {error}") from error


def _with_remedy(error: DamagedError) -> DamagedError:
    return DamagedError(
        f"{error}. It holds the key, whom we trust and what the Steuerbox wrote: restore a backup of "
        f"{STATE_NAME}. If there is none, move it away, bring the key back with 'hems identity import' and "
        "accept the Steuerbox again"
    )


def read_state(connection: sqlite3.Connection) -> StoredState:
    """Everything in state.db. Raises DamagedError for rows that no gateway wrote, and sqlite3.Error."""
    try:
        return _state_in(connection)
    except (ValueError, TypeError, OverflowError) as error:
        raise DamagedError(f"{STATE_NAME} holds what cannot be: {error}") from error


def _state_in(connection: sqlite3.Connection) -> StoredState:
    return StoredState(
        identity=_identity(connection),
        trust=TrustList(
            _trust_entry(*row) for row in connection.execute("SELECT * FROM trust ORDER BY accepted_ms")
        ),
        failsafe=_failsafe(connection),
        limits={row[0]: _limit_write(*row[1:]) for row in connection.execute("SELECT * FROM limit_write")},
        energies={row[0]: _counter(*row[1:]) for row in connection.execute("SELECT * FROM energy")},
        own_limit_w=_own_limit_w(connection),
        relay_pulses=dict(connection.execute("SELECT relays, input FROM relay_pulse")),
        pairing=_pairing(connection),
    )


def _identity(connection: sqlite3.Connection) -> Identity | None:
    query = "SELECT key_pem, certificate_pem, ski, public_key_sha256 FROM identity"
    row = connection.execute(query).fetchone()
    return None if row is None else Identity(row[0], row[1], Ski(row[2]), row[3])


def _failsafe(connection: sqlite3.Connection) -> StoredFailsafe:
    columns = "consumption_mw, production_mw, duration_ms, consumption_scale, production_scale"
    row = connection.execute(f"SELECT {columns} FROM failsafe").fetchone()
    return StoredFailsafe() if row is None else _stored_failsafe(*row)


def _stored_failsafe(
    consumption_mw: int | None,
    production_mw: int | None,
    duration_ms: int | None,
    consumption_scale: int | None,
    production_scale: int | None,
) -> StoredFailsafe:
    values = _unit(consumption_mw), _unit(production_mw), _unit(duration_ms)
    return StoredFailsafe(*values, consumption_scale, production_scale)


def _own_limit_w(connection: sqlite3.Connection) -> float | None:
    row = connection.execute("SELECT value_mw FROM own_limit").fetchone()
    return None if row is None else _unit(row[0])


def _pairing(connection: sqlite3.Connection) -> StoredPairing:
    switch = connection.execute("SELECT is_on, secret FROM pairing_switch").fetchone()
    digests = connection.execute("SELECT digest FROM pairing_digest ORDER BY number").fetchall()
    query = "SELECT ship_id, fingerprint, accepted_ms, ski, replaces FROM pairing_unit"
    row = connection.execute(query).fetchone()
    unit = None if row is None else ControlUnit(row[0], row[1], _date(row[2]), _ski(row[3]), _ski(row[4]))
    memory = PairingMemory(tuple(digest for (digest,) in digests), unit)
    return (
        StoredPairing(memory=memory) if switch is None else StoredPairing(bool(switch[0]), switch[1], memory)
    )


def _unit_row(unit: ControlUnit) -> tuple[object, ...]:
    accepted_ms = _milli_of(unit.accepted_at.timestamp())
    return 1, unit.ship_id, unit.fingerprint, accepted_ms, unit.ski, unit.replaces


def _ski(text: str | None) -> Ski | None:
    return None if text is None else Ski(text)


def _trust_row(entry: TrustEntry) -> tuple[object, ...]:
    accepted_ms = _milli_of(entry.accepted_at.timestamp())
    return entry.ski, entry.role.value, accepted_ms, entry.public_key_sha256, entry.ship_id


def _trust_entry(
    ski: str, role: str, accepted_ms: int, public_key_sha256: str | None, ship_id: str | None
) -> TrustEntry:
    return TrustEntry(
        ski=Ski(ski),
        role=PeerRole(role),
        accepted_at=_date(accepted_ms),
        public_key_sha256=public_key_sha256,
        ship_id=ship_id,
    )


def _limit_write(
    value_mw: int | None, active: int, duration_ms: int | None, by_ski: str, written_ms: int
) -> LimitWrite:
    return LimitWrite(_unit(value_mw), bool(active), _unit(duration_ms), by_ski, _date(written_ms))


def _counter(total_mwh: int, base_mwh: int | None, changed_ms: int | None) -> EnergyCounter:
    return EnergyCounter(total_mwh / 1000.0, _unit(base_mwh), _unit(changed_ms))


def _replace_rows(table: str, rows: Iterable[tuple[object, ...]]) -> Work:
    """Put these rows in place of all others of a table; its undo brings the others back."""
    return _replace_tables({table: rows})


def _replace_tables(tables: Mapping[str, Iterable[tuple[object, ...]]]) -> Work:
    """The same for several tables at once."""
    new = {table: list(rows) for table, rows in tables.items()}

    def work(connection: sqlite3.Connection) -> Undo | None:
        old = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in new}
        _fill_all(connection, new)
        return lambda again: _fill_all(again, old)

    return work


def _fill_all(connection: sqlite3.Connection, tables: Mapping[str, list[tuple[object, ...]]]) -> None:
    for table, rows in tables.items():
        _fill(connection, table, rows)


def _fill(connection: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    connection.execute(f"DELETE FROM {table}")
    _insert(connection, table, rows)


def _insert_rows(table: str, rows: Iterable[tuple[object, ...]]) -> Work:
    new = list(rows)

    def work(connection: sqlite3.Connection) -> Undo | None:
        _insert(connection, table, new)
        return None

    return work


def _insert(connection: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    for row in rows:
        places = ", ".join("?" * len(row))
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", row)


def _milli(value: float | None) -> int | None:
    return None if value is None else _milli_of(value)


def _milli_of(value: float) -> int:
    """Thousandths, clamped to what the database can hold: a box may write any number."""
    return max(-_MOST, min(_MOST, round(value * 1000)))


def _unit(milli: int | None) -> float | None:
    return None if milli is None else milli / 1000.0


def _date(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000.0, UTC)
