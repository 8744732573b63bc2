"""What a device and a meter by MQTT have in common: they listen, and are there while they are heard."""

from adapters.context import Sleep
from adapters.mqtt.broker import Broker, Message
from adapters.mqtt.inbox import Inbox
from adapters.mqtt.profile import MqttProfile
from eebus.clock import Clock
from hems.devices import NotConnected

FIRST_MESSAGE_S = 8.0
"""How long `connect` waits for a sign of life."""
LOOK_AGAIN_S = 0.2


class MqttLink:
    """Listens to the topics of one profile. `connect` only waits: the connection is the gateway's."""

    def __init__(self, name: str, profile: MqttProfile, broker: Broker, clock: Clock, sleep: Sleep) -> None:
        self.name = name
        self.profile = profile
        self.broker = broker
        self.clock = clock
        self.sleep = sleep
        self.inbox = Inbox(profile)
        for topic in sorted(profile.topics):
            broker.listen(topic, self._hear)

    async def connect(self) -> None:
        """Wait for a sign of life. Raises NotConnected."""
        until_s = self.clock.monotonic() + FIRST_MESSAGE_S
        while not self.is_fresh():
            if self.clock.monotonic() >= until_s:
                self.require_fresh()
            await self.sleep(LOOK_AGAIN_S)

    def is_fresh(self) -> bool:
        """Whether it was heard lately."""
        return not self.broker.trouble and self.inbox.is_fresh(self.clock.monotonic())

    def require_fresh(self) -> float:
        """When it was last heard. Raises NotConnected when that is too long ago: we only listen here, and
        nothing that its watchdog could take for a command has left.
        """
        if self.broker.trouble:
            raise NotConnected(f"{self.name}: no MQTT broker: {self.broker.trouble}")
        heard_s = self.inbox.sign_of_life_s()
        if heard_s is None or not self.is_fresh():
            raise NotConnected(f"{self.name}: {self._silence(heard_s)}; {self._look_at()}")
        return heard_s

    def _hear(self, message: Message) -> None:
        self.inbox.put(message, self.clock.monotonic())

    def _silence(self, heard_s: float | None) -> str:
        if heard_s is None:
            return "no message that is not retained"
        return f"no message for {self.clock.monotonic() - heard_s:.0f} s"

    def _look_at(self) -> str:
        power = self.profile.points.get("power_w")
        return f"it should publish on {power.topics[0] if power else min(self.profile.topics)}"
