"""The cases of MPC and MGCP with the monitoring appliance under test."""

from typing import Final

from eebus.conformance.cases.names import has_direction, ids_of, magnitudes, quantity_of
from eebus.conformance.registry import case
from eebus.conformance.stage import Stage
from eebus.conformance.tester.meter import MeterTester
from eebus.conformance.verdict import check, precondition
from eebus.spine.model.common import Classifier
from eebus.spine.model.measurement import MeasurementListData
from eebus.usecases.monitoring_data import Quantity

_TAKEN_S: Final = 120.0
_NAMES: Final = (
    "TotalActivePower",
    "PhaseActivePower",
    "TotalConsumedEnergy",
    "TotalProducedEnergy",
    "TotalFeedInEnergy",
    "ActiveACCurrent",
    "ACVoltage",
    "Frequency",
)


async def _meter(stage: Stage) -> MeterTester:
    meter = MeterTester(await stage.established(), stage.dut, stage.monitoring)
    precondition(await meter.subscribed(_TAKEN_S), "the device does not subscribe and read within 120 s")
    return meter


async def _expect_held(stage: Stage, meter: MeterTester, quantity: Quantity, value: float) -> None:
    """The device holds a value within 120 s; a counter of produced energy is shown as a magnitude."""
    shown = abs(value) if quantity is Quantity.ENERGY_PRODUCED else value
    until = stage.dut.now() + _TAKEN_S
    held = (await stage.dut.held_values(stage.monitoring.short)).get(quantity)
    while held != shown and stage.dut.now() < until:
        await meter.peer.run(1.0)
        held = (await stage.dut.held_values(stage.monitoring.short)).get(quantity)
    check(held == shown, f"the device holds {held} for {quantity}, {value:g} was delivered")


def _signs(quantity: Quantity) -> tuple[int, ...]:
    if has_direction(quantity):
        return (1, -1)
    return (-1,) if quantity is Quantity.ENERGY_PRODUCED else (1,)


@case("ATC_MPC_COM_PT_MAPolling_001", "ATC_MGCP_COM_PT_MAPolling_001")
async def polling(stage: Stage) -> None:
    meter = await _meter(stage)
    for number in range(5):
        check(await _another_read(meter), f"request {number + 1} of 5 did not come within 120 s")


async def _another_read(meter: MeterTester) -> bool:
    before = len(_reads(meter))
    return await meter.peer.until(lambda: len(_reads(meter)) > before, _TAKEN_S)


def _reads(meter: MeterTester) -> list[float]:
    return [
        incoming.at
        for incoming in meter.peer.received
        if incoming.header.cmd_classifier == Classifier.READ
        and isinstance(incoming.data, MeasurementListData)
    ]


@case("ATC_MPC_COM_PT_MANotification_001", "ATC_MGCP_COM_PT_MANotification_001")
async def notification(stage: Stage) -> None:
    meter = await _meter(stage)
    for number in range(5):
        value = 1000.0 + 250.0 * number
        await meter.report(Quantity.POWER, value)
        await _expect_held(stage, meter, Quantity.POWER, value)
        await meter.peer.run(60.0)


@case(*ids_of(("MA",), "PT", *_NAMES))
async def normal_value(stage: Stage) -> None:
    """A value with state normal is taken over, and so is a changed one, in each direction."""
    quantity, meter = quantity_of(stage.entry.id), await _meter(stage)
    for sign in _signs(quantity):
        for magnitude in magnitudes(quantity):
            await meter.report(quantity, sign * magnitude)
            await _expect_held(stage, meter, quantity, sign * magnitude)


@case(*ids_of(("MA",), "NT", *_NAMES))
async def flagged_value(stage: Stage) -> None:
    """A value flagged outOfRange or error is discarded: the last good one stays."""
    quantity, meter = quantity_of(stage.entry.id), await _meter(stage)
    for sign in _signs(quantity):
        good, bad = (sign * magnitude for magnitude in magnitudes(quantity))
        await meter.report(quantity, good)
        await _expect_held(stage, meter, quantity, good)
        for state in ("outOfRange", "error"):
            await meter.report(quantity, bad, state)
            await meter.peer.run(10.0)
            await _expect_held(stage, meter, quantity, good)


@case("ATC_MGCP_SCE1_PT_MAPowerLimitFactor_001", sets=("percent", "fraction"))
async def factor(stage: Stage) -> None:
    """The device shows the factor in percent, whichever way it is announced."""
    given = (70.0, "pct") if stage.data_set == "percent" else (0.7, None)
    meter = MeterTester(await stage.established(), stage.dut, stage.monitoring, factor=given)
    precondition(await meter.subscribed(_TAKEN_S), "the device does not subscribe and read within 120 s")
    await _expect_held(stage, meter, Quantity.PV_LIMIT_FACTOR, 70.0)
