"""Sees everything that happens, tells what people should see, and remembers what the script waits for."""

import time

from eebus.ids import Ski
from eebus.io.events import PairingRequested, PeerConnected
from eebus.usecases.events import HeartbeatReceived, LimitStateChanged, OrderReceived
from eebus.usecases.limit_rules import LimitState
from hems.cli.demo.child import Line
from hems.cli.demo.narrator import Narrator
from hems.control.progress import Milestone, Progress
from hems.story import sentence

_WHO = {"wallbox": "Wallbox", "inverter": "Inverter"}
_TOLD = (OrderReceived, LimitStateChanged, PairingRequested, PeerConnected)
_STEPS = {
    Milestone.DECIDED: "decides",
    Milestone.MEASURED_BELOW: "sees",
    Milestone.MEASURED_ABOVE: "sees",
}


class Audience:
    """Listens to the house and to the gateway."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self.registers: dict[tuple[str, int], int] = {}
        """Raw values that the devices were told, by unit and address."""
        self.powers_w: dict[str, float] = {}
        self.asking: set[Ski] = set()
        self.states: dict[str, LimitState] = {}
        self.heartbeat_at: float | None = None

    def house_line(self, line: Line) -> None:
        """Something happened in the house."""
        match line["event"]:
            case "power":
                self.powers_w = {key: float(value) for key, value in line.items() if key.endswith("_w")}
            case "register":
                self._register(line)
            case "device" if line["unit"] == "wallbox" and line["text"].startswith("watchdog"):
                self._narrator.say("Wallbox", line["text"])

    def _register(self, line: Line) -> None:
        key = (line["unit"], line["address"])
        if self.registers.get(key) == line["raw"]:
            return
        self.registers[key] = line["raw"]
        self._narrator.say(
            _WHO.get(str(line["unit"]), "House"),
            f"register {line['address']} holds {line['raw']} now: {line['meaning']}",
        )

    def gateway_event(self, event: object) -> None:
        """Something happened in the gateway."""
        match event:
            case PairingRequested(ski):
                self.asking.add(ski)
            case LimitStateChanged():
                self.states[event.direction.value] = event.after
            case HeartbeatReceived():
                self.heartbeat_at = time.monotonic()
            case Progress():
                self._progress(event)
        text = sentence(event) if isinstance(event, _TOLD) else None
        if text is not None:
            self._narrator.say("Gateway", text)

    def _progress(self, progress: Progress) -> None:
        verb = _STEPS.get(progress.milestone)
        if verb is not None:
            self._narrator.say("Gateway", f"{verb}: {progress.direction} {progress.reason.text}")
