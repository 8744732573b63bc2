"""`hems pair` as people type it: the SKI as it is shown, and refusals that say what to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eebus.ids import PeerRole, Ski, group_ski
from hems.cli.root import hems as command
from tests.integration.hems.support import RunGateway, running_gateway, write_configuration

_SKI = Ski("354dea8a" + "0123456789abcdef" * 2)
_OTHER = Ski("b467a399" + "0123456789abcdef" * 2)


@pytest.fixture
async def run(short_folder: Path) -> AsyncIterator[RunGateway]:
    async with running_gateway(write_configuration(short_folder, 1)) as run:
        yield run


async def _pair(folder: Path, *words: str) -> Result:
    arguments = ["pair", words[0], "--data-dir", str(folder / "data"), *words[1:]]
    result = await asyncio.to_thread(CliRunner().invoke, command, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def _trusted(run: RunGateway) -> list[str]:
    return [peer["ski"] for peer in run.gateway.pairing()["trusted"]]


@pytest.mark.parametrize(
    "words",
    [
        [_SKI],
        group_ski(_SKI).split(),
        [group_ski(_SKI)],
        [group_ski(_SKI).replace(" ", ":")],
        [group_ski(_SKI).replace(" ", "-")],
        ["--", *group_ski(_SKI).split()],
    ],
    ids=["digits", "groups", "quoted groups", "colons", "dashes", "after --"],
)
async def test_an_SKI_is_taken_in_every_form_in_which_it_is_shown(
    words: list[str], run: RunGateway, short_folder: Path
) -> None:
    accepted = await _pair(short_folder, "accept", "--as", "control-box", *words)
    assert accepted.exit_code == 0, accepted.output
    assert _trusted(run) == [_SKI]
    removed = await _pair(short_folder, "remove", *words)
    assert removed.exit_code == 0, removed.output
    assert _trusted(run) == []


async def test_an_SKI_with_a_missing_group_is_refused_before_the_gateway_is_asked(short_folder: Path) -> None:
    result = await _pair(short_folder, "accept", *group_ski(_SKI).split()[:-1], "--as", "control-box")
    assert result.exit_code == 2
    assert "is not an SKI: 40 hexadecimal digits are needed" in result.output


async def test_a_second_steuerbox_is_refused_with_the_way_to_swap_them(
    run: RunGateway, short_folder: Path
) -> None:
    await run.gateway.accept(_OTHER, PeerRole.CONTROL_BOX, replace=False)
    words = ("accept", *group_ski(_SKI).split(), "--as", "control-box")
    refused = await _pair(short_folder, *words)
    assert refused.exit_code == 1
    assert group_ski(_OTHER) in refused.output
    assert f"hems pair accept {_SKI} --as control-box --replace" in refused.output
    assert _trusted(run) == [_OTHER]
    assert (await _pair(short_folder, *words, "--replace")).exit_code == 0
    assert _trusted(run) == [_SKI]


async def test_the_trusted_steuerbox_may_be_accepted_again(run: RunGateway, short_folder: Path) -> None:
    for _ in range(2):
        assert (await _pair(short_folder, "accept", _SKI, "--as", "control-box")).exit_code == 0
    assert _trusted(run) == [_SKI]


async def test_a_PIN_that_cannot_be_given_says_what_to_do(run: RunGateway, short_folder: Path) -> None:
    words = ("pin", *group_ski(_SKI).split())
    stranger = await _pair(short_folder, *words, "12345678")
    assert stranger.exit_code == 1
    assert f"hems pair accept {_SKI}" in stranger.output
    await run.gateway.accept(_SKI, PeerRole.DEVICE, replace=False)
    away = await _pair(short_folder, *words, "12345678")
    assert away.exit_code == 1
    assert "Then call this command again" in away.output
    unusable = await _pair(short_folder, *words, "1234")
    assert unusable.exit_code == 2
    assert "'1234': a PIN has 8 to 16 hexadecimal digits" in unusable.output
