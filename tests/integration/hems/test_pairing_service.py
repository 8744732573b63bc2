"""`hems pair service` in a running gateway: off at first, kept over restarts, its secret only when asked."""

import asyncio
import re
from pathlib import Path

from click.testing import CliRunner, Result

from hems.cli.root import hems as command
from tests.integration.hems.support import running_gateway, write_configuration


async def _service(folder: Path, word: str) -> Result:
    whole = ["pair", "service", word, "--data-dir", str(folder / "data")]
    return await asyncio.to_thread(lambda: CliRunner().invoke(command, whole))


def _secret(result: Result) -> str:
    found = re.search(r"SPSEC:([0-9A-F]{32});", result.output)
    assert found, result.output
    return found[1]


async def test_the_pairing_service_is_off_until_switched_on_and_stays_so(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, 1)
    async with running_gateway(path):
        assert "are not trusted" in (await _service(tmp_path, "show")).output
        switched = await _service(tmp_path, "on")
        assert "But nothing is heard: 'eebus.announce: false'" in switched.output
        secret = _secret(switched)
    async with running_gateway(path) as run:
        assert _secret(await _service(tmp_path, "show")) == secret
        assert secret not in str(run.gateway.status()) + str(run.gateway.identity())
        assert secret not in (tmp_path / "data" / "identity.txt").read_text()
        assert "are not trusted" in (await _service(tmp_path, "off")).output
    async with running_gateway(path):
        assert "are not trusted" in (await _service(tmp_path, "show")).output
        assert _secret(await _service(tmp_path, "on")) == secret


async def test_what_the_configuration_switches_on_only_it_switches_off(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, 1)
    text = path.read_text()
    assert "\neebus:\n" in text
    path.write_text(text.replace("\neebus:\n", "\neebus:\n  pairing_service: true\n"))
    async with running_gateway(path):
        shown = await _service(tmp_path, "show")
        assert "by the configuration" in shown.output
        refused = await _service(tmp_path, "off")
        assert refused.exit_code == 1
        assert _secret(await _service(tmp_path, "show")) == _secret(shown)
