"""The blocks of docs/extending-eebus.md, run one after the other and then used by a peer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.jsonform import Record
from eebus.spine import functions
from eebus.spine.device import LocalDevice
from eebus.spine.events import ResultReceived
from eebus.spine.functions import FUNCTIONS, declare_list, declare_object
from eebus.spine.handler import Handler, Peer
from eebus.spine.stack import SpineStack, Turn
from eebus.spine.update import PARTIAL
from eebus.usecases.monitoring_data import Quantity, Reading
from tests.unit.usecases.twin import Wire

PAGE = Path(__file__).parents[3] / "docs" / "extending-eebus.md"
WALLBOX, CLIENT = Ski("1" * 40), Ski("2" * 40)


@pytest.fixture
def page() -> Iterator[dict[str, Any]]:
    """The names that the page defines; what it declares is forgotten afterwards."""
    known, types = dict(functions._BY_NAME), dict(functions._BY_TYPE)
    names: dict[str, Any] = {"__name__": "extending_eebus"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)
    yield names
    for table, before in ((functions._BY_NAME, known), (functions._BY_TYPE, types)):
        table.clear()
        table.update(before)  # type: ignore[arg-type]


class Remembering(Handler):
    def __init__(self) -> None:
        self.results: list[ResultReceived] = []

    def on_event(self, event: object, turn: Turn) -> None:
        if isinstance(event, ResultReceived):
            self.results.append(event)


def test_the_declared_function_is_served_and_written_like_any_other(page: dict[str, Any]) -> None:
    wire, heard = Wire(), Remembering()
    wire.add(WALLBOX, page["make_stack"](wire.clock.utc_now))
    wire.run(WALLBOX, page["system"].start)
    client_device = LocalDevice("d:_n:Test_Client-1", "EnergyManagementSystem")
    client = client_device.add_entity("CEM").add_feature("HVAC", "client")
    stack = SpineStack(client_device, utc_now=wire.clock.utc_now)
    stack.add_handler(heard)
    wire.add(CLIENT, stack)
    wire.connect(Peer(WALLBOX, PeerRole.DEVICE), Peer(CLIENT, PeerRole.CONTROL_BOX))
    remote = wire.run(CLIENT, lambda turn: turn.remote(WALLBOX))
    assert remote is not None
    [server] = remote.find_features("HVAC", "server")
    wire.run(CLIENT, lambda turn: turn.bind(WALLBOX, client, server.address, "HVAC"))
    wire.run(CLIENT, lambda turn: turn.read(WALLBOX, client, server.address, "hvacOverrunListData"))
    [item] = remote.data(server.address, "hvacOverrunListData").hvac_overrun_data  # type: ignore[union-attr]
    assert (item.overrun_id, item.overrun_status) == (0, "inactive")

    def write(number: int, status: str) -> int:
        data = page["HvacOverrunListData"](
            hvac_overrun_data=(page["HvacOverrunData"](overrun_id=number, overrun_status=status),)
        )
        wire.run(
            CLIENT,
            lambda turn: turn.write(
                WALLBOX, client, server.address, "hvacOverrunListData", data, filters=(PARTIAL,)
            ),
        )
        return heard.results[-1].error_number

    assert write(0, "active") == 0
    assert write(7, "active") == 7
    assert ("boost", "active") in wire.nodes[WALLBOX].log
    [stored] = page["boost"].data("hvacOverrunListData").hvac_overrun_data
    assert (stored.overrun_status, stored.is_overrun_status_changeable) == ("active", True)


def test_the_device_model_of_the_page_plays_its_use_cases(page: dict[str, Any]) -> None:
    actors = {(use_case.actor, use_case.support.use_case_name) for use_case in page["device"].use_cases}
    assert actors == {
        ("ControllableSystem", "limitationOfPowerConsumption"),
        ("MonitoredUnit", "monitoringOfPowerConsumption"),
    }
    wire = Wire()
    wire.add(WALLBOX, page["make_stack"](wire.clock.utc_now))
    wire.run(WALLBOX, lambda turn: page["meter"].publish({Quantity.POWER: Reading(7000.0)}, turn))
    assert page["wallbox"].find_feature("Measurement", "server").data("measurementListData") is not None


def test_a_function_is_declared_once(page: dict[str, Any]) -> None:
    assert "hvacOverrunListData" in FUNCTIONS
    with pytest.raises(LocalError, match="known already"):
        declare_list(page["HvacOverrunListData"], "overrun_id")


def test_an_object_function_is_declared_alike(page: dict[str, Any]) -> None:
    assert page

    class HvacExampleData(Record, frozen=True):
        label: str | None = None

    spec = declare_object(HvacExampleData)
    assert (spec.name, spec.item) == ("hvacExampleData", None)
    assert FUNCTIONS["hvacExampleData"] is spec
