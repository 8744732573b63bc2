"""A grid meter that publishes its values by MQTT."""

from adapters.mqtt.link import MqttLink
from hems.devices import DeviceUnreachable, MeterSample


class MqttMeter:
    """A :class:`hems.devices.Meter` behind MQTT."""

    def __init__(self, link: MqttLink) -> None:
        self._link = link

    @property
    def name(self) -> str:
        return self._link.name

    async def connect(self) -> None:
        await self._link.connect()

    async def read(self) -> MeterSample:
        heard_s = self._link.require_fresh()
        inbox = self._link.inbox
        power_w = inbox.number("power_w")
        if power_w is None:
            raise DeviceUnreachable(f"{self.name}: what it publishes as power is no believable number")
        return MeterSample(
            at_s=heard_s,
            power_w=power_w,
            energy_consumed_wh=inbox.number("energy_consumed_wh"),
            energy_fed_in_wh=inbox.number("energy_fed_in_wh"),
            powers_w=inbox.numbers("powers_w"),
            currents_a=inbox.numbers("currents_a"),
            voltages_v=inbox.numbers("voltages_v"),
        )

    async def close(self) -> None:
        """The connection is the gateway's; there is nothing to release."""
