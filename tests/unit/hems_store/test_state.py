"""state.db: what outlives a restart, and files that cannot be used."""

import asyncio
import errno
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eebus.clock import FakeClock
from eebus.ids import PeerRole, Ski
from eebus.ship.identity import Identity
from eebus.ship.pairing_service import ControlUnit, PairingMemory
from eebus.ship.trust import TrustEntry, TrustList
from eebus.usecases.events import OrderReceived, PersistFailsafe, StoredFailsafe
from eebus.usecases.limitation import Direction
from hems.metering.energy import EnergyCounter
from hems.store.disk import Disk, Work
from hems.store.errors import DamagedError, StoreError, StoreTimeoutError, UnavailableError
from hems.store.state import (
    MIGRATIONS,
    STATE_NAME,
    LimitWrite,
    StateStore,
    StoredPairing,
    StoredState,
    stored_state,
)

BOX = Ski("b" * 40)
IDENTITY = Identity(b"key", b"certificate", Ski("a" * 40), "c" * 64)
FAILSAFE = PersistFailsafe(4200.0, None, 7200.0, BOX)


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[StateStore]:
    clock = FakeClock()
    disk = Disk(clock)
    try:
        store = await StateStore.open(directory, disk, clock)
        yield store
        await store.close()
    finally:
        disk.close()


async def restarted(directory: Path) -> StoredState:
    async with opened(directory) as store:
        return await store.load()


def modes_in(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def test_a_new_directory_holds_nothing(tmp_path: Path) -> None:
    state = await restarted(tmp_path)
    assert state.identity is None
    assert len(state.trust) == 0
    assert state.failsafe == StoredFailsafe()


async def test_SHIP_PS_switch_secret_and_used_announcements_survive(tmp_path: Path) -> None:
    unit = ControlUnit("i:1_u:box", "AB" * 32, datetime(2026, 1, 31, 12, tzinfo=UTC), BOX, Ski("d" * 40))
    memory = PairingMemory(("B" * 64, "A" * 64), unit)
    async with opened(tmp_path) as store:
        await store.put_pairing_switch(True, b"s" * 16)
        await store.put_pairing_memory(PairingMemory(("C" * 64,)))
        await store.put_pairing_memory(memory)
    assert (await restarted(tmp_path)).pairing == StoredPairing(True, b"s" * 16, memory)
    async with opened(tmp_path) as store:
        await store.put_pairing_switch(False, b"s" * 16)
        await store.put_pairing_memory(PairingMemory(memory.used_digests))
    stored = (await restarted(tmp_path)).pairing
    assert stored == StoredPairing(False, b"s" * 16, PairingMemory(memory.used_digests))
    assert "sss" not in repr(stored)


class LateDisk(Disk):
    """Stores too late: what was asked for is taken back, as the real one does when it comes round."""

    async def transact(self, connection: sqlite3.Connection, work: Work, timeout_s: float) -> None:
        def late() -> None:
            undo = work(connection)
            assert undo is not None
            undo(connection)

        await self.call(late)
        raise StoreTimeoutError("too late")


async def test_SHIP_PS_what_could_not_be_stored_in_time_is_taken_back_as_a_whole(tmp_path: Path) -> None:
    unit = ControlUnit("i:1_u:box", "AB" * 32, datetime(2026, 1, 31, 12, tzinfo=UTC))
    before = PairingMemory(("A" * 64,), unit)
    async with opened(tmp_path) as store:
        await store.put_pairing_memory(before)
    disk = LateDisk(FakeClock())
    store = await StateStore.open(tmp_path, disk, FakeClock())
    with pytest.raises(StoreTimeoutError):
        await store.put_pairing_memory(PairingMemory(("A" * 64, "B" * 64)))
    await store.close()
    disk.close()
    assert (await restarted(tmp_path)).pairing.memory == before


async def test_another_identity_is_kept_only_when_asked_for(tmp_path: Path) -> None:
    other = Identity(b"key 2", b"certificate 2", Ski("e" * 40), "f" * 64)
    async with opened(tmp_path) as store:
        await store.put_identity(IDENTITY)
        with pytest.raises(StoreError):
            await store.put_identity(other)
        await store.replace_identity(other)
    assert (await restarted(tmp_path)).identity == other


async def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_identity(IDENTITY)
        modes = modes_in(tmp_path)
    assert set(modes) >= {STATE_NAME, f"{STATE_NAME}-wal"}
    assert set(modes.values()) == {0o600}


async def test_the_identity_survives_and_is_never_replaced(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_identity(IDENTITY)
        await store.put_identity(IDENTITY)
        with pytest.raises(StoreError, match="never replaced"):
            await store.put_identity(Identity(b"other", b"other", Ski("d" * 40), "e" * 64))
    assert (await restarted(tmp_path)).identity == IDENTITY


async def test_trust_survives_with_role_and_date(tmp_path: Path) -> None:
    box = TrustEntry(
        ski=BOX,
        role=PeerRole.CONTROL_BOX,
        accepted_at=datetime(2026, 1, 31, 10, 0, tzinfo=UTC),
        ship_id="box",
    )
    async with opened(tmp_path) as store:
        await store.put_trust(TrustList([box]))
    assert list((await restarted(tmp_path)).trust) == [box]
    async with opened(tmp_path) as store:
        await store.put_trust(TrustList())
    assert len((await restarted(tmp_path)).trust) == 0


async def test_trap_20_failsafe_values_written_by_the_box_survive(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_failsafe(FAILSAFE)
        await store.put_failsafe(PersistFailsafe(0.0, 1234.567, 86400.0, BOX))
    assert (await restarted(tmp_path)).failsafe == StoredFailsafe(0.0, 1234.567, 86400.0)


async def test_the_scale_in_which_the_box_wrote_a_failsafe_value_survives(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_failsafe(replace(FAILSAFE, consumption_scale=2))
    assert (await restarted(tmp_path)).failsafe == StoredFailsafe(4200.0, None, 7200.0, 2)


async def test_the_largest_number_of_a_box_is_clamped_to_what_can_be_stored(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_failsafe(PersistFailsafe(9.0e18, None, None, BOX))
    assert (await restarted(tmp_path)).failsafe.consumption_w == pytest.approx(9.2e15, rel=0.01)


async def test_trap_18_a_factory_reset_forgets_what_the_box_wrote_and_nothing_else(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_identity(IDENTITY)
        await store.put_failsafe(FAILSAFE)
        await store.forget_what_the_box_wrote()
    state = await restarted(tmp_path)
    assert (state.identity, state.failsafe) == (IDENTITY, StoredFailsafe())


def order(*, accepted: bool = True, value_w: float | None = 4200.0) -> OrderReceived:
    return OrderReceived(
        Direction.CONSUMPTION, BOX, 7, value_w, True, 900.0, accepted, "accepted", "LPC-910", 100.0
    )


async def test_the_last_accepted_limit_survives(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.note_order(order())
        store.note_order(order(accepted=False, value_w=-1.0))
    limits = (await restarted(tmp_path)).limits
    written_at = FakeClock().utc_now()
    assert limits == {"consumption": LimitWrite(4200.0, True, 900.0, BOX, written_at)}


async def test_the_last_pulse_of_each_group_of_relays_survives(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for name in ("dim", "release"):
            assert await store.keep_relay_pulse("box", name, 5.0)
        assert await store.keep_relay_pulse("other", "p60", 5.0)
    assert (await restarted(tmp_path)).relay_pulses == {"box": "release", "other": "p60"}


async def test_a_pulse_that_a_stuck_disk_delays_is_stored_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        free = threading.Event()
        stuck = asyncio.create_task(store._disk.call(free.wait))
        await asyncio.sleep(0)
        assert not await store.keep_relay_pulse("box", "dim", 0.01)
        free.set()
        await stuck
    assert (await restarted(tmp_path)).relay_pulses == {"box": "dim"}


async def test_energy_counters_survive(tmp_path: Path) -> None:
    counters = {"grid/consumed": EnergyCounter(12.345, 99.5, 1000.0), "box/consumed": EnergyCounter(1.0)}
    async with opened(tmp_path) as store:
        store.note_energies(counters)
    assert (await restarted(tmp_path)).energies == counters


async def test_a_second_connection_reads_beside_the_gateway(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist yet"):
        stored_state(tmp_path)
    async with opened(tmp_path) as store:
        await store.put_failsafe(FAILSAFE)
        assert stored_state(tmp_path).failsafe == FAILSAFE.stored
    assert stored_state(tmp_path).failsafe == FAILSAFE.stored


async def test_every_commit_is_synced(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        connection = store._connection
        assert connection is not None
        pragmas = await store._disk.call(
            lambda: [connection.execute(f"PRAGMA {n}").fetchone()[0] for n in ("synchronous", "journal_mode")]
        )
    assert pragmas == [2, "wal"]


@pytest.mark.parametrize(
    "content", [b"this is not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4096]
)
async def test_a_damaged_file_is_one_plain_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE_NAME).write_bytes(content)
    with pytest.raises(StoreError) as caught:
        await restarted(tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    assert STATE_NAME in text
    assert "backup" in text


async def test_damage_inside_the_file_is_found_at_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(200):
            store.note_energies({f"device {number}/consumed": EnergyCounter(float(number))})
    path = tmp_path / STATE_NAME
    content = bytearray(path.read_bytes())
    content[-4096:-2048] = b"\xff" * 2048
    path.write_bytes(content)
    with pytest.raises(StoreError, match="restore a backup"):
        await restarted(tmp_path)


async def test_an_unusable_directory_is_one_plain_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(StoreError, match="does not let us make it"):
        await restarted(tmp_path / "data")


async def test_a_file_that_cannot_be_written_counts_as_it_was_and_refuses_changes(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_failsafe(FAILSAFE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", _read_only(os.open))
        async with opened(tmp_path) as store:
            assert "Read-only" in store.trouble
            assert (await store.load()).failsafe.consumption_w == 4200.0
            with pytest.raises(UnavailableError, match="Read-only"):
                await store.put_failsafe(replace(FAILSAFE, consumption_w=1.0))
            with pytest.raises(UnavailableError):
                store.note_own_limit(1.0)
            patch.undo()
            await store.put_failsafe(replace(FAILSAFE, consumption_w=5000.0))
            assert store.trouble == ""
    assert (await restarted(tmp_path)).failsafe.consumption_w == 5000.0


def removed(directory: Path) -> None:
    for path in directory.glob(f"{STATE_NAME}*"):
        path.unlink()


def replaced(directory: Path) -> None:
    (directory / "other").write_bytes((directory / STATE_NAME).read_bytes())
    (directory / "other").rename(directory / STATE_NAME)


@pytest.mark.parametrize("lose", [removed, replaced])
async def test_a_write_to_a_file_that_lost_its_name_is_refused_and_not_acknowledged(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    async with opened(tmp_path) as store:
        await store.put_failsafe(FAILSAFE)
        await store.look()
        assert store.trouble == ""
        lose(tmp_path)
        with pytest.raises(UnavailableError, match="removed or replaced"):
            await store.put_failsafe(replace(FAILSAFE, consumption_w=5000.0))
        await store.look()
        assert f"{tmp_path / STATE_NAME} was removed or replaced" in store.trouble
        assert "restart the gateway" in store.trouble
        with pytest.raises(UnavailableError, match="removed or replaced"):
            store.note_own_limit(1.0)
        assert (await store.load()).failsafe.consumption_w == 4200.0


def _read_only(real: Callable[..., int]) -> Callable[..., int]:
    def refuse(path: object, flags: int, *more: object, **named: object) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *more, **named)

    return refuse


async def test_rows_that_no_gateway_wrote_are_damage(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / STATE_NAME) as connection:
        connection.execute("INSERT INTO trust VALUES ('x', 'nobody', 0, NULL, NULL)")
    connection.close()
    with pytest.raises(DamagedError, match="restore a backup"):
        await restarted(tmp_path)


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / STATE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        await restarted(tmp_path)
