"""The cases of MPC and MGCP with the reporting device under test: monitored unit, grid connection point."""

from typing import Final

from eebus.conformance.cases.names import has_direction, ids_of, magnitudes, quantity_of
from eebus.conformance.registry import case
from eebus.conformance.stage import Stage
from eebus.conformance.tester.meter_reader import MeterReaderTester, Shown
from eebus.conformance.verdict import check
from eebus.usecases.monitoring_data import Quantity, Reading

_DELIVERED_S: Final = 120.0
_LOOK_S: Final = 2.0
_ACTORS: Final = ("MU", "GCP")


async def _reader(stage: Stage) -> MeterReaderTester:
    return await MeterReaderTester(await stage.established(), stage.dut, stage.monitoring).set_up()


async def _measure(stage: Stage, values: dict[Quantity, float]) -> None:
    await stage.dut.measure(
        stage.monitoring.short, {quantity: Reading(value) for quantity, value in values.items()}
    )


async def _expect_reading(reader: MeterReaderTester, quantity: Quantity, value: float) -> None:
    """A value that is measured now can be read, once the meter may tell it; within 120 s like any change."""
    until = reader.peer.dut.now() + _DELIVERED_S
    await reader.peer.run(_LOOK_S)
    while not _is(await reader.shown(quantity), value) and reader.peer.dut.now() < until:
        await reader.peer.run(_LOOK_S)
    _check_shown(await reader.read(quantity), value, quantity)


async def _expect_delivery(stage: Stage, reader: MeterReaderTester, quantity: Quantity, value: float) -> None:
    """A changed value comes within 120 s: by itself, or where it is polled, when it is read."""
    since = stage.dut.now()

    def came() -> bool:
        return any(_is(shown, value) for shown in reader.notified(quantity, since))

    if stage.sheet.says(stage.entry.layer, "notification"):
        check(await reader.peer.until(came, _DELIVERED_S), f"{quantity} {value:g} was not notified in 120 s")
        return
    await reader.peer.run(_DELIVERED_S)
    _check_shown(await reader.read(quantity), value, quantity)


def _is(shown: Shown | None, value: float) -> bool:
    return shown is not None and shown.value == value and shown.state in (None, "normal")


def _check_shown(shown: Shown, value: float, quantity: Quantity) -> None:
    check(shown.state in (None, "normal"), f"{quantity} has the state {shown.state}")
    check(shown.value == value, f"{quantity} is {shown.value}, the meter shows {value:g}")


@case("ATC_MPC_COM_PT_MUPolling_001", "ATC_MGCP_COM_PT_GCPPolling_001")
async def polling(stage: Stage) -> None:
    reader = await _reader(stage)
    for number in range(5):
        value = 1000.0 + 250.0 * number
        await _measure(stage, {Quantity.POWER: value})
        await _expect_reading(reader, Quantity.POWER, value)


@case("ATC_MPC_COM_PT_MUNotification_001", "ATC_MGCP_COM_PT_GCPNotification_001")
async def notification(stage: Stage) -> None:
    reader = await _reader(stage)
    for number in range(5):
        value = 1000.0 + 250.0 * number
        await _measure(stage, {Quantity.POWER: value})
        await _expect_delivery(stage, reader, Quantity.POWER, value)
        await reader.peer.run(60.0)


@case(*ids_of(_ACTORS, "PT", "TotalActivePower", "PhaseActivePower", "ActiveACCurrent"))
async def value_with_direction(stage: Stage) -> None:
    """Positive while consuming, negative while producing, and each change is delivered."""
    quantity, reader = quantity_of(stage.entry.id), await _reader(stage)
    assert has_direction(quantity)
    for sign, flows in ((1, "dir.consume"), (-1, "dir.produce")):
        if not stage.sheet.says(stage.entry.layer, flows):
            continue
        first, changed = (sign * value for value in magnitudes(quantity))
        await _measure(stage, {quantity: first})
        await _expect_reading(reader, quantity, first)
        await _measure(stage, {quantity: changed})
        await _expect_delivery(stage, reader, quantity, changed)


@case(*ids_of(_ACTORS, "PT", "ACVoltage", "Frequency"))
async def value_without_direction(stage: Stage) -> None:
    """Without sign whatever the energy direction; a change is delivered."""
    quantity, reader = quantity_of(stage.entry.id), await _reader(stage)
    first, changed = magnitudes(quantity)
    await _measure(stage, {Quantity.POWER: 2300.0, quantity: first})
    await _expect_reading(reader, quantity, first)
    await _measure(stage, {Quantity.POWER: -2300.0, quantity: changed})
    await _expect_delivery(stage, reader, quantity, changed)


@case("ATC_MGCP_SCE1_PT_GCPPowerLimitFactor_001")
async def factor(stage: Stage) -> None:
    reader = await _reader(stage)
    await _measure(stage, {Quantity.PV_LIMIT_FACTOR: 70.0})
    await reader.peer.run(2.0)
    value, unit = await reader.factor()
    most = 100.0 if unit == "pct" else 1.0
    check(0.0 <= value <= most, f"the factor is {value:g} of {most:g}")
    check(value == 0.7 * most, f"the factor is {value:g} of {most:g}, 70 % are configured")


_ENERGY: Final = ("TotalConsumedEnergy", "TotalProducedEnergy", "TotalFeedInEnergy")


@case(*ids_of(_ACTORS, "PT", *_ENERGY))
async def energy(stage: Stage) -> None:
    """The counter of the present direction moves away from 0, the other one stands still for 120 s."""
    quantity, reader = quantity_of(stage.entry.id), await _reader(stage)
    consuming = stage.entry.title.endswith("while consuming")
    moving = Quantity.ENERGY_CONSUMED if consuming else Quantity.ENERGY_PRODUCED
    standing = Quantity.ENERGY_PRODUCED if consuming else Quantity.ENERGY_CONSUMED
    first, changed = magnitudes(quantity)
    growth = changed - first
    present = {each: await _counted(reader, each, first) for each in (moving, standing)}
    sign = -1 if quantity is Quantity.ENERGY_PRODUCED else 1
    power_w = 2300.0 if consuming else -2300.0
    await _measure(stage, {Quantity.POWER: power_w, **present})
    await _expect_reading(reader, quantity, sign * present[quantity])
    since = stage.dut.now()
    await _measure(stage, {Quantity.POWER: power_w, **present, moving: present[moving] + growth})
    if quantity is moving:
        await _expect_delivery(stage, reader, quantity, sign * (present[quantity] + growth))
        return
    await reader.peer.run(_DELIVERED_S)
    _check_shown(await reader.read(quantity), sign * present[quantity], quantity)
    moved = [shown for shown in reader.notified(quantity, since) if shown.value != sign * present[quantity]]
    check(not moved, f"{quantity} moved to {moved[0].value if moved else ''}")


async def _counted(reader: MeterReaderTester, quantity: Quantity, first: float) -> float:
    """Where a counter stands, as a magnitude: none can be set back, so a test goes on from there."""
    shown = await reader.shown(quantity)
    return max(first, abs(shown.value or 0.0)) if shown else first
