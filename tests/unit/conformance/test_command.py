"""`hems conformance`: what it does before and without a device."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from eebus.conformance.sheet import make_sheet
from eebus.ids import Ski
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from hems.cli.conformance import conformance, with_ship_id
from hems.cli.conformance_gateway import GatewayOperator


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(conformance, arguments)


def test_the_list_tells_what_would_run_and_how_long_it_takes() -> None:
    result = _call("--list", "--cases", "ATC_LPC_COM_PT_CSInit_*,ATC_LPC_COM_PT_EGHeartbeat_001")
    assert result.exit_code == 0
    assert "role EG of LPC=no" in result.output
    assert "3 of 4 cases apply; about 2 min." in result.output


def test_a_parameter_file_can_be_filled_in(tmp_path: Path) -> None:
    printed = _call("--print-parameters").output
    sheet = make_sheet(YAML(typ="safe").load(printed))
    assert sheet == make_sheet({})
    path = tmp_path / "sheet.yaml"
    path.write_text("roles: [LPC/EG]\nLPC: {A5: no}\n", encoding="utf-8")
    result = _call("--list", "--parameters", str(path), "--cases", "ATC_LPC_COM_PT_EGMessages_00[12]")
    assert "A5=no" in result.output
    assert "1 of 2 cases apply" in result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--cases", "TC_NOTHING"), "No case matches"),
        (("--cases", "TC_SHIP_CMI_001"), "Name the device"),
        (("--cases", "TC_SHIP_CMI_001", "--target", "somewhere"), "not of the form HOST:PORT"),
        (("--cases", "TC_SHIP_CMI_001", "--target", "somewhere:65536"), "not of the form HOST:PORT"),
    ],
)
def test_wrong_usage_is_told_in_one_line(arguments: tuple[str, ...], text: str) -> None:
    result = _call(*arguments)
    assert result.exit_code == 1
    assert text in result.output


def test_a_device_without_anybody_at_it_ends_each_case_in_plain_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = _call(
        "--target", "127.0.0.1:1", "--cases", "TC_SHIP_AM_001", "--identities", str(tmp_path / "tester")
    )
    assert result.exit_code == 1
    assert "inconclusive: nobody answers: the standard input has ended" in result.output
    assert not caplog.records


def test_a_wrong_SKI_is_told_before_anything_is_dialled() -> None:
    result = _call("--target", "127.0.0.1:1", "--ski", "xx", "--cases", "TC_SHIP_AM_001")
    assert result.exit_code == 2
    assert "'xx' is not an SKI" in result.output


def test_real_devices_belong_to_a_gateway_that_is_started() -> None:
    result = _call("--gateway", ".", "--with-devices", "--cases", "TC_SHIP_AM_001")
    assert result.exit_code == 2
    assert "--with-devices belongs to --run-gateway" in result.output


def test_mistakes_in_a_parameter_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "sheet.yaml"
    for content in ("LPX: {}", "a: [", "LPC: {APCLmx: 1}"):
        path.write_text(content, encoding="utf-8")
        result = _call("--parameters", str(path), "--list")
        assert result.exit_code == 1
        assert str(path) in result.output


def test_the_gateway_tells_its_ship_id_itself() -> None:
    assert with_ship_id(make_sheet({}), "i:1").section("SHIP")["PAR_shipId"] == "i:1"
    declared = make_sheet({"SHIP": {"PAR_shipId": "i:2"}})
    assert with_ship_id(declared, "i:1").section("SHIP")["PAR_shipId"] == "i:2"


class _Calls(GatewayOperator):
    """The local interface, answered from memory."""

    def __init__(self, limits: list[dict[str, object]]) -> None:
        super().__init__(Path("nowhere"), None)
        self.limits = limits
        self.seen: list[tuple[str, str, object]] = []

    async def call(self, method: str, target: str, body: object = None) -> dict[str, object]:
        self.seen.append((method, target, body))
        return {"limits": self.limits}


async def test_the_buttons_of_the_gateway_are_its_local_interface() -> None:
    gateway = _Calls([{"direction": "production", "state": "limited", "limit_w": 0.0}])
    ski = Ski("ab" * 20)
    await gateway.trust(ski, as_control_box=True)
    await gateway.distrust(ski)
    await gateway.factory_reset()
    assert gateway.seen == [
        ("POST", f"/pairing/{ski}", {"role": "control-box", "replace": True}),
        ("DELETE", f"/pairing/{ski}", None),
        ("POST", "/factory-reset", {"confirm": "factory-reset", "forget_peers": False}),
    ]
    shown = await gateway.limit_display(Direction.PRODUCTION)
    assert (shown.state, shown.effective_limit_w) == (LimitState.LIMITED, 0.0)
