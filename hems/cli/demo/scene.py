"""The script: who does what in which order, and what has to be seen before it goes on."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from eebus.ids import PeerRole, Ski, group_ski
from eebus.usecases.limit_rules import HEARTBEAT_LOSS_S, LimitState
from hems.cli.demo.audience import Audience
from hems.cli.demo.child import Child
from hems.cli.demo.narrator import Narrator
from hems.cli.words import flow
from hems.gateway import RunningGateway

_LOOK_S = 0.1
_PATIENCE_S = 40.0
_LATE_S = 5.0
_SETTLE_S = 2.2
"""Ramps, and readings once a second."""
_CURRENT = ("wallbox", 261)
_FULL_BATTERY_WH = 10_000.0


class SceneError(Exception):
    """What should have been seen did not happen in time."""


@dataclass
class Scene:
    """Everybody on stage, and the acts in their order."""

    narrator: Narrator
    audience: Audience
    house: Child
    box: Child
    box_ski: Ski
    gateway: RunningGateway

    async def pairing(self) -> None:
        """The box is unknown, asks, and is accepted by a person."""
        self.narrator.heading("1. The Steuerbox is unknown and has to be accepted by a person")
        await self.until("the pairing request", lambda: self.box_ski in self.audience.asking)
        self.narrator.say("You", f"hems pair accept {group_ski(self.box_ski)} --as control-box")
        await self.gateway.accept(self.box_ski, PeerRole.CONTROL_BOX, replace=False)
        await self.box.ask({"command": "wait_ready", "timeout_s": _PATIENCE_S})
        self.narrator.say("Steuerbox", "is in control and limits nothing for now")
        await self.box.ask({"command": "deactivate"})
        await self.box.ask({"command": "deactivate", "direction": "production"})
        await self.until("the car charging freely", lambda: self.power("wallbox_w") > 10_000)
        await self.meter()

    async def consumption_limit(self) -> None:
        """A limit arrives, reaches the register, and takes effect at the meter."""
        self.narrator.heading(
            "2. Evening, the grid is short of power: the Steuerbox limits consumption to 4.2 kW"
        )
        await self.box.ask({"command": "limit", "value_w": 4200.0, "duration_s": 900.0})
        await self.until("the wallbox register", lambda: self.register(*_CURRENT) == 60)
        await self.until("the effect at the meter", lambda: self.power("wallbox_w") < 4_200)
        await self.meter()

    async def release(self) -> None:
        """The limit is taken back."""
        self.narrator.heading("3. The Steuerbox releases consumption")
        await self.box.ask({"command": "deactivate"})
        await self.until("the car charging freely", lambda: self.power("wallbox_w") > 10_000)
        await self.meter()

    async def feed_in_limit(self) -> None:
        """The sun shines, the car is gone, and the feed-in is limited."""
        self.narrator.heading(
            "4. Noon, the car is away and the battery full: feed-in is limited to 3 kW, then free"
        )
        await self.house.ask(
            {"cmd": "set", "sun_w": 8000.0, "car_connected": False, "battery_energy_wh": _FULL_BATTERY_WH}
        )
        await self.until("feed-in", lambda: self.power("grid_w") < -5_000)
        await self.meter()
        await self.box.ask({"command": "limit", "direction": "production", "value_w": 3000.0})
        await self.until("the effect at the meter", lambda: -3_050 < self.power("grid_w") < 0)
        await self.meter()
        await self.box.ask({"command": "deactivate", "direction": "production"})
        await self.until("the release", lambda: self.power("grid_w") < -5_000)
        await self.meter()

    async def failsafe(self) -> None:
        """The box is cut off, and 120 s after its last heartbeat the gateway limits itself."""
        self.narrator.heading("5. Evening again, the car charges; somebody pulls the plug of the Steuerbox")
        await self.house.ask({"cmd": "set", "sun_w": 0.0, "car_connected": True, "battery_energy_wh": 0.0})
        await self.until("the car charging freely", lambda: self.power("wallbox_w") > 10_000)
        await self.meter()
        self.box.kill()
        self.narrator.say(
            "Steuerbox", "is cut off; its last heartbeat counts for 120 s, until then nothing changes"
        )
        while self.audience.states.get("consumption") is not LimitState.FAILSAFE:
            if self._silent_s > HEARTBEAT_LOSS_S + _LATE_S:
                raise SceneError(
                    f"the failsafe did not come {HEARTBEAT_LOSS_S:.0f} s after the last heartbeat"
                )
            self._show_countdown()
            await asyncio.sleep(_LOOK_S)
        self.narrator.say("Gateway", f"{self._silent_s:.1f} s after the last heartbeat: failsafe")
        await self.until("the effect at the meter", lambda: self.power("wallbox_w") < 4_200)
        await self.meter()

    @property
    def _silent_s(self) -> float:
        """Time since the last heartbeat of the box reached the gateway."""
        return time.monotonic() - (self.audience.heartbeat_at or 0.0)

    def _show_countdown(self) -> None:
        left_s = max(0.0, HEARTBEAT_LOSS_S - self._silent_s)
        self.narrator.count_down(f"last heartbeat {self._silent_s:3.0f} s ago, failsafe in {left_s:3.0f} s")

    async def meter(self) -> None:
        """Tell what the gateway measures at the grid connection, once everything has settled there."""
        await asyncio.sleep(_SETTLE_S)
        reading = self.gateway.status()["meter"]
        wallbox = next(d for d in self.gateway.status()["devices"] if d["name"] == "wallbox")
        told = "no reading yet" if reading is None else f"the house is {flow(reading['power_w'])}"
        self.narrator.say("Meter", f"{told} (wallbox {flow(wallbox['power_w'])})")

    def register(self, unit: str, address: int) -> int | None:
        """The raw value that a device was told last."""
        return self.audience.registers.get((unit, address))

    def power(self, name: str) -> float:
        """A power of the house as it really is."""
        return self.audience.powers_w.get(name, 0.0)

    async def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Wait until something can be seen. Raises SceneError when it never happens."""
        ends_at = time.monotonic() + _PATIENCE_S
        while not seen():
            if time.monotonic() > ends_at:
                raise SceneError(f"{what} did not happen within {_PATIENCE_S:.0f} s")
            await asyncio.sleep(_LOOK_S)
