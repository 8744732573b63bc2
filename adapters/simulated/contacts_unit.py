"""An I/O module with four inputs, at which a Steuerbox closes its relays."""

from collections.abc import Callable
from dataclasses import dataclass

from pymodbus.constants import ExcCodes

from adapters.simulated.unit import RegisterChange, Registers, Settable, SimulatedUnit


@dataclass(slots=True)
class Relays:
    """The contacts of the Steuerbox."""

    contact_0: bool = False
    contact_1: bool = False
    contact_2: bool = False
    contact_3: bool = False

    @property
    def closed(self) -> tuple[bool, ...]:
        """All of them in order."""
        return self.contact_0, self.contact_1, self.contact_2, self.contact_3


class ContactsUnit(SimulatedUnit):
    """Unit with the inputs as discrete inputs 0 to 3; 1 is closed."""

    def __init__(
        self,
        name: str,
        relays: Relays,
        unit_id: int,
        advance: Callable[[], None],
        on_change: Callable[[RegisterChange], None],
    ) -> None:
        super().__init__(name, unit_id, advance, on_change)
        self._relays = relays

    def discretes(self) -> Registers:
        return {address: int(closed) for address, closed in enumerate(self._relays.closed)}

    def write(self, address: int, values: list[int]) -> ExcCodes | None:  # noqa: ARG002 - all is read-only
        return ExcCodes.ILLEGAL_ADDRESS

    def meaning(self, address: int, raw: int) -> str:
        return f"input {address} = {raw}"

    @property
    def settable(self) -> Settable:
        return {f"contact_{number}": (self._relays, f"contact_{number}", bool) for number in range(4)}

    def power_cycle(self) -> None:
        """The contacts belong to the Steuerbox."""
