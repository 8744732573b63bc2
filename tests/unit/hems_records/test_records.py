"""What the EEBUS node asks to be kept is on disk when `persist` returns."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eebus.clock import FakeClock
from eebus.ids import PeerRole, Ski
from eebus.io.events import PersistTrust
from eebus.ship.trust import TrustEntry, TrustList
from eebus.usecases.events import OrderReceived, PersistFailsafe, PersistOrder
from eebus.usecases.limitation import Direction
from hems.journal.orders import OrderRecorder, Terms
from hems.metering.energies import Energies
from hems.records import Records
from hems.store.disk import Disk
from hems.store.errors import StoreError, UnavailableError
from hems.store.state import StateStore, stored_state

BOX = Ski("aabb" * 10)


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    clock = FakeClock()
    disk = Disk(clock)
    state = await StateStore.open(tmp_path, disk, clock)
    opened = await Records.open(tmp_path, "device", disk, state)
    yield opened
    await opened.close()
    await state.close()
    disk.close()


async def test_failsafe_values_are_on_disk(records: Records, tmp_path: Path) -> None:
    await records.persist(PersistFailsafe(3000.0, None, 7200.0, BOX))
    assert stored_state(tmp_path).failsafe.consumption_w == 3000.0


async def test_trust_is_on_disk(records: Records, tmp_path: Path) -> None:
    entry = TrustEntry(ski=BOX, role=PeerRole.CONTROL_BOX, accepted_at=FakeClock().utc_now())
    await records.persist(PersistTrust(TrustList([entry])))
    box = stored_state(tmp_path).trust.control_box()
    assert box is not None
    assert box.ski == BOX


async def test_an_order_is_on_disk_with_its_history(records: Records, tmp_path: Path) -> None:
    order = OrderReceived(
        Direction.CONSUMPTION, BOX, 7, 4200.0, True, None, True, "activated limit", "LPC-910", 1.0
    )
    OrderRecorder(records.append, FakeClock(), Energies(), Terms(4200.0, "house_first")).order_received(order)
    await records.persist(PersistOrder(order))
    assert stored_state(tmp_path).limits["consumption"].value_w == 4200.0
    (event,) = await records.newest_events(10)
    assert [step.entry.step.value for step in event.steps] == ["order.received", "order.accepted"]
    assert await records.open_events() == [event]


async def test_unknown_records_are_an_error_and_no_silence(records: Records) -> None:
    with pytest.raises(StoreError, match="str is nothing that can be stored"):
        await records.persist("something")


async def test_a_healthy_disk_has_no_troubles(records: Records) -> None:
    assert records.troubles() == []


def take_away(directory: Path) -> None:
    for path in directory.glob("*.db*"):
        path.unlink()


async def test_files_that_somebody_has_taken_away_are_named_each_once(
    records: Records, tmp_path: Path
) -> None:
    take_away(tmp_path)
    with pytest.raises(UnavailableError, match="removed or replaced"):
        await records.persist(PersistFailsafe(3000.0, None, 7200.0, BOX))
    records.look_again()
    assert records._looking is not None
    await records._looking
    state, journal = records.troubles()
    assert f"{tmp_path}/state.db was removed or replaced" in state
    assert f"{tmp_path}/journal.db was removed or replaced" in journal
