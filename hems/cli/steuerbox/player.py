"""Plays a scenario and says at each step whether it went as expected."""

import asyncio
from collections.abc import Callable

from eebus.errors import EebusError
from hems.cli.steuerbox.desk import Desk
from hems.cli.steuerbox.language import Condition
from hems.cli.steuerbox.scenario import Scenario, Step

_LOOK_INTERVAL_S = 0.1


class _Failed(Exception):
    """A step did not go as expected."""


async def play(scenario: Scenario, desk: Desk, say: Callable[[str], None]) -> bool:
    """Play all steps, up to the first that fails; True when none did."""
    count = len(scenario.steps)
    say(f"scenario: {scenario.name}")
    for number, step in enumerate(scenario.steps, 1):
        say(f"step {number}/{count}: {step.text}")
        try:
            await _play(step, desk, say)
        except _Failed as failure:
            say(f"FAILED at step {number}: {failure}")
            return False
        except (EebusError, OSError) as error:
            say(f"FAILED at step {number}: {error}")
            return False
    say(f"passed: {count} steps")
    return True


async def _play(step: Step, desk: Desk, say: Callable[[str], None]) -> None:
    if step.command is not None:
        try:
            async with asyncio.timeout(step.within_s):
                outcome = await desk.do(step.command)
        except TimeoutError:
            raise _Failed(f"not done within {step.within_s:g} s") from None
        for line in outcome.lines:
            say(f"  {line}")
        if outcome.accepted is not None and outcome.accepted is not step.wants_accepted:
            raise _Failed(f"expected to be {'accepted' if step.wants_accepted else 'refused'}")
    if step.condition is not None:
        await _until(step.condition, step.within_s, desk)


async def _until(condition: Condition, within_s: float, desk: Desk) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not condition.holds(seen := await desk.see(condition.subject)):
        if loop.time() >= deadline:
            shown = "unknown" if seen is None else seen if isinstance(seen, str) else f"{seen:g}"
            raise _Failed(f"{condition} did not come true within {within_s:g} s, it is {shown}")
        await asyncio.sleep(_LOOK_INTERVAL_S)
