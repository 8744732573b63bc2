"""A heat pump that an energy manager may limit: python heat_pump.py FOLDER SKI_OF_THE_MANAGER [PORT]"""

import asyncio
import sys
from pathlib import Path

from eebus.clock import SystemClock
from eebus.errors import LocalError
from eebus.ids import PeerRole, ShipId, parse_ski
from eebus.io.node import Node, NodeSettings
from eebus.ship.trust import TrustEntry, TrustList
from eebus.simulator.identity_folder import identity_in
from eebus.spine.device import LocalDevice
from eebus.spine.stack import SpineStack
from eebus.usecases.controllable_system import ControllableSystem, ControllableSystemSettings
from eebus.usecases.events import LimitStateChanged, StoredFailsafe

LIMITS = ControllableSystemSettings(
    lpp=False, energy_manager=False, failsafe_consumption_w=1500.0, contractual_consumption_w=3000.0
)


def obey(event: object) -> None:
    """A product tells its compressor here."""
    if isinstance(event, LimitStateChanged):
        print(f"{event.after}: at most {event.effective_limit_w} W, because {event.reason}", flush=True)  # noqa: T201


async def store(_record: object) -> None:
    """A product keeps trust and failsafe values here, and starts with them the next time."""


async def main(folder: Path, partner: str, port: int = 4712) -> None:
    """Serve one partner until the end of the process."""
    clock = SystemClock()
    device = LocalDevice("d:_n:Example_Pump-1", "HeatGenerationSystem")
    system = ControllableSystem(device, device.add_entity("HeatPumpAppliance"), LIMITS, StoredFailsafe())
    stack = SpineStack(device, utc_now=clock.utc_now)
    stack.add_handler(system)
    trusted = TrustEntry(ski=parse_ski(partner), role=PeerRole.CONTROL_BOX, accepted_at=clock.utc_now())
    node = Node(
        identity=identity_in(folder, "heat pump", clock.utc_now()),
        ship_id=ShipId("i:1_u:example-pump-1"),
        stack=stack,
        trust=TrustList([trusted]),
        settings=NodeSettings(port=port),
        clock=clock,
        on_event=obey,
        persist=store,
    )
    node.act(system.start)
    async with node.running() as listening:
        print(f"SKI {node.snapshot().ski} port {listening}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or not all(port.isdecimal() for port in sys.argv[3:]):
        sys.exit(__doc__)
    try:
        asyncio.run(main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])))
    except LocalError as error:
        sys.exit(str(error))
