"""Who presses the buttons and reads the displays of a device that we do not run ourselves."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from eebus.conformance.device import LimitDisplay, LimitOrder, NotPossible
from eebus.ids import Ski, group_ski
from eebus.usecases.limit_rules import LimitState
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring_data import Quantity, Reading


class Operator(Protocol):
    """Buttons and displays. A method raises NotPossible for what cannot be done on this device."""

    async def trust(self, ski: Ski, *, as_control_box: bool) -> None:
        """Trust a tester."""

    async def distrust(self, ski: Ski) -> None:
        """Withdraw the trust in a tester."""

    async def let_it_dial(self, ski: Ski, port: int) -> None:
        """See to it that the device dials the tester, which listens and is announced by mDNS."""

    async def restart(self, off_s: float) -> None:
        """Power off, wait, power on; returns when the device runs again."""

    async def factory_reset(self) -> None:
        """Forget what was written, keep the trust."""

    async def refuse_limits(self, refuse: bool) -> None:
        """Create, or end, a permitted reason to refuse activated limits."""

    async def measure(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        """Make the meter show these values."""

    async def order(self, order: LimitOrder) -> None:
        """Trigger a limit write of the energy guard."""

    async def order_failsafe(
        self, direction: Direction, limit_w: float | None, duration_s: float | None
    ) -> None:
        """Trigger a failsafe write of the energy guard."""

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        """State and effective limit."""

    async def measured_power_w(self, direction: Direction) -> float:
        """What an independent meter shows."""

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        """What the monitoring appliance holds."""


Ask = Callable[[str], Awaitable[str]]
"""Shows a question to a person and returns the answer; empty for "done"."""

_STATES: Mapping[str, LimitState] = {
    "i": LimitState.INIT,
    "c": LimitState.UNLIMITED_CONTROLLED,
    "l": LimitState.LIMITED,
    "f": LimitState.FAILSAFE,
    "a": LimitState.UNLIMITED_AUTONOMOUS,
}


class PersonAtTheDevice:
    """A person who does what is asked and tells what is shown. "n" means: not possible on this device."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def trust(self, ski: Ski, *, as_control_box: bool) -> None:
        role = "as its control box (energy guard)" if as_control_box else ""
        await self._do(f"Trust the tester {group_ski(ski)} in the device {role}".rstrip())

    async def distrust(self, ski: Ski) -> None:
        await self._do(f"Withdraw the trust in the tester {group_ski(ski)} in the device")

    async def let_it_dial(self, ski: Ski, port: int) -> None:
        await self._do(f"Let the device connect to the tester {group_ski(ski)} (port {port})")

    async def restart(self, off_s: float) -> None:
        if off_s:
            await self._do(f"Switch the device off for {off_s:g} s, then on; confirm when it runs again")
        else:
            await self._do("Restart the device; confirm when it runs again")

    async def factory_reset(self) -> None:
        await self._do(
            "Reset the device to its factory settings, but let it trust the tester; confirm when it runs"
        )

    async def refuse_limits(self, refuse: bool) -> None:
        if refuse:
            await self._do("Create a permitted reason to refuse limits, such as self-protection")
        else:
            await self._do("End the reason to refuse limits")

    async def measure(self, use_case: str, sample: Mapping[Quantity, Reading]) -> None:
        values = ", ".join(f"{quantity} {reading.value}" for quantity, reading in sample.items())
        await self._do(f"Let the meter of {use_case} show {values}")

    async def order(self, order: LimitOrder) -> None:
        kind = "an activated" if order.active else "a deactivated"
        end = "without end" if order.duration_s is None else f"for {order.duration_s:g} s"
        await self._do(f"Let the device write {kind} limit ({order.direction}): {order.value_w:g} W {end}")

    async def order_failsafe(
        self, direction: Direction, limit_w: float | None, duration_s: float | None
    ) -> None:
        what = f"limit {limit_w:g} W" if limit_w is not None else f"duration {duration_s or 0.0:g} s"
        await self._do(f"Let the device write the failsafe {what} ({direction})")

    async def limit_display(self, direction: Direction) -> LimitDisplay:
        answer = ""
        while answer not in _STATES:
            answer = await self._answer(
                f"State of the {direction} limit: [i]nit, unlimited/[c]ontrolled, [l]imited, [f]ailsafe, "
                "unlimited/[a]utonomous"
            )
        limit = await self._number(f"Limit of the {direction} in force, in watts (empty: none)")
        return LimitDisplay(_STATES[answer], limit)

    async def measured_power_w(self, direction: Direction) -> float:
        return await self._number(f"{direction} that an independent meter shows, in watts") or 0.0

    async def held_values(self, use_case: str) -> Mapping[Quantity, float]:
        text = await self._answer(
            f"Values of {use_case} that the device shows, as name=number separated by blanks; names: "
            f"{' '.join(Quantity)}"
        )
        pairs = (item.partition("=") for item in text.split())
        return {Quantity(name): float(number) for name, _, number in pairs if name in set(Quantity)}

    async def _number(self, question: str) -> float | None:
        while True:
            answer = await self._answer(question)
            if not answer:
                return None
            try:
                return float(answer)
            except ValueError:
                continue

    async def _do(self, action: str) -> None:
        await self._answer(f"{action}. Done? [Enter, or n: not possible]")

    async def _answer(self, question: str) -> str:
        answer = (await self._ask(question)).strip().lower()
        if answer == "n":
            raise NotPossible(f"the operator could not do this: {question}")
        return answer
