"""From the Steuerbox to the registers of the devices, over real sockets."""

from pathlib import Path

from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity
from hems.control.progress import Milestone, Progress
from hems.journal.reading import JournalReader
from tests.integration.hems.support import (
    CURRENT_REGISTER,
    eventually,
    running_gateway,
    simulated_house,
    trusted_box,
    write_configuration,
)
from tests.waiting import Stopwatch


async def test_a_consumption_limit_reaches_the_wallbox_register_within_a_second(tmp_path: Path) -> None:
    async with (
        simulated_house() as house,
        running_gateway(write_configuration(tmp_path, house.port, failsafe_w=9000.0)) as run,
    ):
        await house.until_bounded(130)
        async with trusted_box(run) as box:
            stopwatch = Stopwatch()
            answer = await box.limit(4200.0)
            assert answer.accepted, answer.text
            await house.until_register("wallbox", CURRENT_REGISTER, 60)
            assert stopwatch.took_s < 1.0
            status = run.gateway.status()
    limit = status["limits"][0]
    assert (limit["direction"], limit["state"], limit["limit_w"]) == ("consumption", "limited", 4200.0)
    assert limit["kind"] == "grid_operator"


async def test_0_w_is_a_limit(tmp_path: Path) -> None:
    async with simulated_house() as house, running_gateway(write_configuration(tmp_path, house.port)) as run:
        await house.until_register("wallbox", CURRENT_REGISTER, 60)
        async with trusted_box(run) as box:
            assert (await box.limit(0.0)).accepted
            await house.until_register("wallbox", CURRENT_REGISTER, 0, 1)


async def test_a_negative_limit_is_refused_and_the_house_is_free_by_rule_902(tmp_path: Path) -> None:
    async with (
        simulated_house() as house,
        running_gateway(write_configuration(tmp_path, house.port)) as run,
        trusted_box(run) as box,
    ):
        answer = await box.limit(-1000.0)
        assert not answer.accepted
        assert run.gateway.status()["limits"][0]["state"] == "unlimited/controlled"


async def test_a_feed_in_limit_reaches_the_inverter(tmp_path: Path) -> None:
    async with (
        simulated_house(sun_w=8000.0) as house,
        running_gateway(write_configuration(tmp_path, house.port)) as run,
        trusted_box(run) as box,
    ):
        assert (await box.limit(3000.0, direction=Direction.PRODUCTION)).accepted
        await house.watched.until(dict, lambda e: e["event"] == "register" and e["unit"] == "inverter")
        assert run.gateway.status()["limits"][1]["limit_w"] == 3000.0


async def test_the_box_reads_the_meter_with_the_right_sign(tmp_path: Path) -> None:
    async with (
        simulated_house(sun_w=8000.0, load_w=500.0) as house,
        running_gateway(write_configuration(tmp_path, house.port)) as run,
    ):
        house.house.house.wallbox.car.connected = False
        async with trusted_box(run) as box:
            await eventually(lambda: box.grid_values(run.ski).get(Quantity.POWER, 0.0) < -1000.0)
            assert box.grid_values(run.ski)[Quantity.POWER] > -8000.0


async def test_an_order_that_is_renewed_is_decided_and_proven_once_and_each_renewal_is_recorded(
    tmp_path: Path,
) -> None:
    async with (
        simulated_house() as house,
        running_gateway(write_configuration(tmp_path, house.port, failsafe_w=9000.0)) as run,
        trusted_box(run) as box,
    ):
        await box.limit(4200.0, duration_s=600.0)
        await run.watched.until(Progress, lambda step: step.milestone is Milestone.CONFIRMED)
        for _ in range(5):
            assert (await box.limit(4200.0, duration_s=600.0)).accepted
        await run.watched.until(
            Progress, lambda step: step.milestone is Milestone.MEASURED_BELOW and step.allowed_w == 4200.0
        )
        assert (await box.limit(4200.0, duration_s=900.0)).accepted
        orders = await run.gateway.orders(10)
    order = next(order for order in orders if not order["self_imposed"])
    steps = [step["step"] for step in order["steps"]]
    assert sorted(steps) == sorted(
        ["order.received", "order.accepted", "decided", "first_write", "confirmed", "measured_below",
         "order.renewed", "order.changed"]
    )  # fmt: skip
    (renewals,) = [step["renewals"] for step in order["steps"] if step["renewals"] is not None]
    assert renewals["count"] == 5
    assert JournalReader(tmp_path / "data").verify().good


async def test_every_order_is_in_the_history_with_its_steps(tmp_path: Path) -> None:
    async with (
        simulated_house() as house,
        running_gateway(write_configuration(tmp_path, house.port, failsafe_w=9000.0)) as run,
        trusted_box(run) as box,
    ):
        await house.until_bounded(130)
        await box.limit(4200.0)
        await house.until_register("wallbox", CURRENT_REGISTER, 60)
        await box.deactivate()
        orders = await run.gateway.orders(10)
    order = next(order for order in orders if not order["self_imposed"])
    steps = [step["step"] for step in order["steps"]]
    assert steps[:4] == ["order.received", "order.accepted", "decided", "first_write"]
    assert steps[-1] == "order.released"
