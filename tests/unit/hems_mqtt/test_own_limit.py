"""The own limit: one more source that can only lower, and that outlives a restart."""

from pathlib import Path

from eebus.clock import FakeClock
from hems.limits.arbiter import Arbiter
from hems.limits.ceilings import Basis, CeilingKind
from hems.limits.sources.user import USER_SOURCE, user_ceiling
from hems.store.database import open_database
from hems.store.disk import Disk
from hems.store.state import MIGRATIONS, STATE_NAME, StateStore, stored_state
from tests.unit.hems_mqtt.house import BY_BOX


def test_an_own_limit_bounds_the_controllable_devices_and_says_who_set_it() -> None:
    ceiling = user_ceiling(3000.0, "MQTT", 5.0)
    assert (ceiling.value_w, ceiling.basis, ceiling.kind) == (3000.0, Basis.CONTROLLABLE, CeilingKind.USER)
    assert ceiling.reason.text == "an own limit of 3.00 kW was set by MQTT"
    assert ceiling.at(1e9) == ceiling, "a wish stands until it is changed"


def test_lifting_the_own_limit_releases_nothing_of_the_grid_operator() -> None:
    arbiter = Arbiter()
    arbiter.put(BY_BOX)
    arbiter.put(user_ceiling(3000.0, "MQTT", 5.0))
    assert {c.source for c in arbiter.in_force(10.0)} == {"eebus/lpc", USER_SOURCE}
    arbiter.put(user_ceiling(None, "MQTT", 6.0))
    assert [c.source for c in arbiter.in_force(10.0)] == ["eebus/lpc"]


async def _store(folder: Path, *values_w: float | None) -> float | None:
    """Keep these values one after another; what the next start finds."""
    clock = FakeClock()
    disk = Disk(clock)
    try:
        store = await StateStore.open(folder, disk, clock)
        for value_w in values_w:
            store.note_own_limit(value_w)
        assert await disk.flush(5.0)
        await store.close()
    finally:
        disk.close()
    return stored_state(folder).own_limit_w


async def test_the_own_limit_outlives_a_restart(tmp_path: Path) -> None:
    assert await _store(tmp_path) is None
    assert await _store(tmp_path, 3000.0, 2500.5) == 2500.5
    assert await _store(tmp_path) == 2500.5
    assert await _store(tmp_path, 0.0) == 0.0
    assert await _store(tmp_path, None) is None


def test_a_file_of_an_older_version_has_none(tmp_path: Path) -> None:
    open_database(tmp_path / STATE_NAME, MIGRATIONS[:1]).close()
    assert stored_state(tmp_path).own_limit_w is None
