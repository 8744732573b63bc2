"""`hems factory-reset` in a running gateway: defaults at once, on disk too, trust by option."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eebus.ids import Ski
from eebus.usecases.events import StoredFailsafe
from hems.cli.root import hems as command
from hems.store.state import stored_state
from tests.integration.hems.support import (
    PATIENCE_S,
    Box,
    running_gateway,
    simulated_house,
    write_configuration,
)


async def _hems(folder: Path, *arguments: str) -> Result:
    whole = [*arguments, "--data-dir", str(folder / "data")]
    return await asyncio.to_thread(lambda: CliRunner().invoke(command, whole))


@pytest.mark.parametrize("forget", [False, True])
async def test_a_factory_reset_forgets_what_the_box_wrote_and_trust_only_when_asked(
    tmp_path: Path, forget: bool
) -> None:
    box = Box()
    async with (
        simulated_house() as house,
        running_gateway(write_configuration(tmp_path, house.port, failsafe_w=9000.0)) as run,
    ):
        assert (await _hems(tmp_path, "pair", "accept", box.ski, "--as", "control-box")).exit_code == 0
        async with box.dialling(Ski(run.ski), run.port) as simulator:
            await simulator.ready(wait_s=PATIENCE_S)
            assert (await simulator.deactivate()).accepted
            assert (await simulator.failsafe(consumption_w=6000.0)).accepted
            assert stored_state(tmp_path / "data").failsafe.consumption_w == 6000.0
            options = ("--forget-peers",) if forget else ()
            result = await _hems(tmp_path, "factory-reset", "--yes", *options)
        assert result.exit_code == 0, result.output
        limit = run.gateway.status()["limits"][0]
        assert (limit["state"], limit["limit_w"]) == ("init", 9000.0)
    stored = stored_state(tmp_path / "data")
    assert stored.failsafe == StoredFailsafe()
    assert stored.limits == {}
    assert [entry.ski for entry in stored.trust] == ([] if forget else [box.ski])
    assert stored.identity is not None
    assert stored.identity.ski == run.ski


async def test_without_a_yes_nothing_is_reset(tmp_path: Path) -> None:
    result = await asyncio.to_thread(
        lambda: CliRunner().invoke(command, ["factory-reset", "--data-dir", str(tmp_path)], input="n\n")
    )
    assert result.exit_code == 1
