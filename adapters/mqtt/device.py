"""A device that publishes its values and takes its limit by MQTT."""

import json

from adapters.modbus.conversion import LineVoltages, Steps
from adapters.mqtt.broker import BrokerUnavailable
from adapters.mqtt.link import LOOK_AGAIN_S, MqttLink
from adapters.mqtt.profile import Control, CurrentControl, MqttProfile, Reply
from hems.devices import (
    Capabilities,
    DeviceSample,
    DeviceUnreachable,
    Direction,
    Fallback,
    Kind,
    Readback,
    Setpoint,
    WriteRefused,
)

NOMINAL_VOLTAGE_V = 230.0


class MqttDevice:
    """A :class:`hems.devices.Device` behind MQTT. Commands are never retained and never queued."""

    def __init__(self, link: MqttLink, nameplate_w: float | None = None) -> None:
        self._link = link
        self._nameplate_w = nameplate_w
        self._controls = _controls_of(link.profile)
        self._voltages = LineVoltages()
        self._paused_by_us = False

    @property
    def name(self) -> str:
        return self._link.name

    @property
    def capabilities(self) -> Capabilities:
        consumption = self._controls.get(Direction.CONSUMPTION)
        production = self._controls.get(Direction.PRODUCTION)
        control = consumption or production
        kind = self._link.profile.profile.kind
        assert kind != "meter"
        return Capabilities(
            kind=Kind(kind),
            nameplate_w=self._nameplate_w or _largest_power(control),
            consumption=self._steps(consumption).feasible() if consumption else None,
            production=self._steps(production).feasible() if production else None,
            consumption_fallback=_fallback(consumption),
            production_fallback=_fallback(production),
            reaction_s=control.reaction_s if control else 5.0,
            refresh_s=control.refresh_s if control else None,
            write_gap_s=control.min_interval_s if control else 0.0,
            min_run_s=control.min_run_s if control else 0.0,
            accepted_rise_s=control.min_off_s if control else 0.0,
            measures_power="power_w" in self._link.profile.points,
            freed_at_stop=control is None or control.on_shutdown == "release",
            phases=control.phases if isinstance(control, CurrentControl) else None,
        )

    async def connect(self) -> None:
        await self._link.connect()

    async def read(self) -> DeviceSample:
        heard_s = self._link.require_fresh()
        inbox = self._link.inbox
        state = inbox.text("state")
        voltages_v = inbox.numbers("voltages_v")
        self._voltages.add(voltages_v, self._link.clock.monotonic())
        return DeviceSample(
            at_s=heard_s,
            power_w=inbox.number("power_w"),
            ceilings_w=self._held(),
            energy_consumed_wh=inbox.number("energy_consumed_wh"),
            energy_produced_wh=inbox.number("energy_produced_wh"),
            currents_a=inbox.numbers("currents_a"),
            voltages_v=voltages_v,
            demand_w=0.0 if state in self._link.profile.no_demand_states else None,
            state=state,
        )

    async def write(self, setpoint: Setpoint) -> Readback:
        control = self._controls.get(setpoint.direction)
        if control is None:
            raise WriteRefused(f"{self.name}: its profile has no control that limits {setpoint.direction}")
        value = self._value_for(control, setpoint)
        sent_at_s = self._link.clock.monotonic()
        try:
            await self._send(control, value)
        except BrokerUnavailable as error:
            raise DeviceUnreachable(f"{self.name}: {error}") from error
        written_w = None if setpoint.power_w is None else self._steps(control).power_of(value)
        if control.reply is None:
            return Readback(written_w, None, confirmed=False)
        return await self._replied(control, control.reply, value, written_w, sent_at_s)

    async def close(self) -> None:
        """The connection is the gateway's; there is nothing to release."""

    # Writing.

    def _value_for(self, control: Control, setpoint: Setpoint) -> float:
        if setpoint.power_w is None:
            return control.release
        value = self._steps(control).value_at_most(setpoint.power_w)
        if value is None:
            raise WriteRefused(f"{self.name}: it can neither pause nor go as low as {setpoint.power_w:.0f} W")
        return value

    async def _send(self, control: Control, value: float) -> None:
        pause = control.write.pause
        broker = self._link.broker
        if pause is not None and value == control.range.pause:
            await broker.send(pause.topic, pause.pause)
            self._paused_by_us = True
            return
        await broker.send(control.write.topic, _payload(control, value))
        if pause is not None and self._paused_by_us:
            await broker.send(pause.topic, pause.resume)
            self._paused_by_us = False

    async def _replied(
        self, control: Control, reply: Reply, value: float, written_w: float | None, sent_at_s: float
    ) -> Readback:
        """Wait until the device shows that it holds the value, or less. Its silence is no refusal."""
        clock, inbox = self._link.clock, self._link.inbox
        tells_changes_only = self._link.profile.freshness.by == "change"
        while True:
            held = inbox.number(reply.point)
            heard_s = inbox.heard_at_s(reply.point)
            is_new = heard_s is not None and heard_s >= sent_at_s
            if held is not None and held <= value + reply.tolerance and (is_new or tells_changes_only):
                return Readback(written_w, self._power_of(control, held), confirmed=True)
            if clock.monotonic() >= sent_at_s + reply.within_s:
                break
            await self._link.sleep(min(LOOK_AGAIN_S, reply.within_s))
        if not is_new:
            return Readback(written_w, None, confirmed=False)
        raise WriteRefused(
            f"{self.name}: {value:g} was sent to {control.write.topic}, but it shows {held}; "
            "look for another controller or a lock in the device"
        )

    # Converting.

    def _held(self) -> dict[Direction, float | None]:
        """What it shows to hold now, as far as the profile has a reply."""
        held: dict[Direction, float | None] = {}
        for direction, control in self._controls.items():
            value = None if control.reply is None else self._link.inbox.number(control.reply.point)
            if value is not None:
                held[direction] = self._power_of(control, value)
        return held

    def _power_of(self, control: Control, value: float | None) -> float | None:
        return None if value is None else self._steps(control).power_of(value)

    def _steps(self, control: Control) -> Steps:
        bounds = control.range
        return Steps(bounds.min, bounds.max, control.quantize, bounds.pause, self._watts_per_unit(control))

    def _watts_per_unit(self, control: Control) -> float:
        if not isinstance(control, CurrentControl):
            return 1.0
        return self._voltages.together(control.phases, control.assumed_voltage_v)


def _controls_of(profile: MqttProfile) -> dict[Direction, Control]:
    if profile.profile.status == "read_only":
        return {}
    controls = profile.controls
    consumption = controls.max_current_a or controls.max_power_w
    pairs = {Direction.CONSUMPTION: consumption, Direction.PRODUCTION: controls.production_limit_w}
    return {direction: control for direction, control in pairs.items() if control is not None}


def _payload(control: Control, value: float) -> str:
    number = round(value / control.write.scale, 6)
    plain = int(number) if number == int(number) else number
    return json.dumps({control.write.member: plain}) if control.write.member else str(plain)


def _largest_power(control: Control | None) -> float:
    if control is None:
        return 0.0
    return control.range.max * (
        control.phases * NOMINAL_VOLTAGE_V if isinstance(control, CurrentControl) else 1.0
    )


def _fallback(control: Control | None) -> Fallback | None:
    if control is None or control.failsafe is None:
        return None
    highest = control.phases * control.assumed_voltage_v if isinstance(control, CurrentControl) else 1.0
    return Fallback(control.failsafe.after_s, control.failsafe.value * highest)
