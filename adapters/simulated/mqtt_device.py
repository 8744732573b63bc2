"""A simulated device at an MQTT broker: what it publishes, and what it makes of commands. No input or output.

Whatever a device does there it does at its beat: it takes over what it was told since the last one, and
publishes. A command that comes between two beats waits for the next, unless the device is a prompt one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.simulated.faults import Fault
from adapters.simulated.unit import Settable

FOR_EVER_S = float("inf")
Payloads = dict[str, str]
"""By topic, what a device shows."""


@dataclass(frozen=True, slots=True)
class CommandTaken:
    """A command that a device has taken over; `meaning` says it in words."""

    unit: str
    topic: str
    payload: str
    meaning: str


class MqttDevice(ABC):
    """One device. Subclasses lay out the topics of one vendor or profile.

    `beat_s`: time between two beats. `prompt`: a command makes a beat at once. `retained`: the broker keeps
    what it publishes. `only_changes`: it repeats no value. `faults`: what it does wrong now; a slow one has
    its beats `delay_s` apart and is prompt no more.
    """

    beat_s = 1.0
    prompt = True
    retained = False
    only_changes = False

    def __init__(self, name: str, on_command: Callable[[CommandTaken], None]) -> None:
        self.name = name
        self.faults: set[Fault] = set()
        self.delay_s = 8.0
        self._on_command = on_command
        self._back_at_s = -FOR_EVER_S
        self._waiting: list[tuple[str, str]] = []
        self._published: Payloads = {}
        self._stuck: Payloads | None = None

    # What a kind of device is made of.

    @property
    @abstractmethod
    def commands(self) -> tuple[str, ...]:
        """The topics on which it is told something."""

    @abstractmethod
    def shown(self, now: float) -> Payloads:
        """Everything it shows now."""

    def _heard(self, now: float) -> None:  # noqa: ARG002 - a hook
        """A command has come, whatever is made of it; means nothing to most devices."""
        return

    def _obey(self, topic: str, payload: str) -> str:  # noqa: ARG002 - a hook
        """Take a command over; returns it in words, empty for one that it does not understand."""
        return ""

    def live(self, now: float) -> None:  # noqa: ARG002 - a hook
        """Do what it does by itself; called at each beat, and as often while it is not at the broker."""
        return

    @abstractmethod
    def _forget(self, now: float) -> None:
        """Forget what a power failure forgets."""

    @property
    def own_doing(self) -> str:
        """What it does by itself now, in words; reported when it changes."""
        return ""

    @property
    def settable(self) -> Settable:
        """What of it and its surroundings a person may set."""
        return {}

    # Presence.

    def away_s(self, now: float) -> float:
        """For how long it will not be at the broker; 0 while it is."""
        if Fault.UNREACHABLE in self.faults:
            return FOR_EVER_S
        return max(0.0, self._back_at_s - now)

    def restart(self, now: float, boot_s: float) -> None:
        """Lose its power: it forgets what it was told, and is away for a while."""
        self._back_at_s = now + boot_s
        self._waiting.clear()
        self._forget(now)

    def join(self) -> None:
        """It has come to the broker, for the first time or again, and shows everything anew."""
        self._published.clear()

    # Beats.

    @property
    def pause_s(self) -> float:
        """Time from one beat to the next."""
        return max(self.beat_s, self.delay_s) if Fault.SLOW in self.faults else self.beat_s

    def hear(self, topic: str, payload: str) -> bool:
        """Remember a command; True when a beat is due at once."""
        self._waiting.append((topic, payload))
        return self.prompt and Fault.SLOW not in self.faults

    def beat(self, now: float) -> Payloads:
        """Take over what waits; returns what is to be published."""
        self._get_stuck(now)
        waiting, self._waiting = self._waiting, []
        for topic, payload in waiting:
            self._heard(now)
            if Fault.IGNORE_WRITES not in self.faults and (meaning := self._obey(topic, payload)):
                self._on_command(CommandTaken(self.name, topic, payload, meaning))
        self.live(now)
        return {} if Fault.MUTE in self.faults else self._news(now)

    def _get_stuck(self, now: float) -> None:
        """From the first beat with the fault on it shows what was true before."""
        if Fault.STUCK not in self.faults:
            self._stuck = None
        elif self._stuck is None:
            self._stuck = self.shown(now)

    def _news(self, now: float) -> Payloads:
        shown = self._stuck or self.shown(now)
        before, self._published = self._published, shown
        if not self.only_changes:
            return shown
        return {topic: payload for topic, payload in shown.items() if before.get(topic) != payload}


def numbers(topic: str, values: Mapping[str, float]) -> Payloads:
    """Numbers by their place below a topic."""
    return {f"{topic}/{name}": plain(value) for name, value in values.items()}


def plain(number: float) -> str:
    """A number with no more decimals than needed, two at most."""
    return f"{round(number, 2):.12g}"
