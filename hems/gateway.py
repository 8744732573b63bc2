"""The running gateway: its parts, what passes between them, and what it shows of itself.

When the Steuerbox writes a limit, all within one turn of the event loop: the order is recorded, the change of
state is recorded, the devices are told, and only then does the answer leave.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from adapters.context import Context
from adapters.registry import Registry
from eebus.clock import Clock
from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.io.node import Node
from eebus.ship.identity import Identity, expires_at
from eebus.usecases.controllable_system import ControllableSystemStatus
from eebus.usecases.events import FailsafeChanged, LimitStateChanged, OrderReceived, StoredFailsafe
from eebus.usecases.house import build_stack
from eebus.usecases.limitation import Direction
from eebus.usecases.monitoring import MonitoringServer
from hems import __version__
from hems.config import Configuration
from hems.control.allocation import Strategy
from hems.control.budget import Convention
from hems.control.loop import Controlled, ControlLoop
from hems.control.progress import Milestone, Progress
from hems.control.status import ControlStatus
from hems.counting import HouseCount, count_house
from hems.devices import Device
from hems.eebus_side import make_gateway, node_settings, sub_meters_of
from hems.equipment import make_contacts, make_devices, make_meter
from hems.journal.orders import OrderRecorder, Terms
from hems.left_alone import fallback_proofs
from hems.limit_sources import LimitSources
from hems.limits.ceilings import Basis, Ceiling
from hems.limits.sources.eebus import EebusSource
from hems.limits.sources.user import user_ceiling
from hems.metering.connection import connection_point
from hems.metering.energies import Energies
from hems.metering.measurements import Measurements
from hems.northbound.home_assistant.site import Site
from hems.northbound.moment import Moment
from hems.northbound.mqtt.making import appliances_of, make_broker, site_of
from hems.northbound.refusal import RequestRefused
from hems.northbound.view import (
    Instant,
    device_json,
    limits_json,
    meter_json,
    network_warnings,
    orders_json,
    pairing_json,
    peer_warnings,
    sources_json,
    warnings_of,
)
from hems.pairing_service import PairingSwitch
from hems.records import Records
from hems.reporting import device_readings, factor_reading, readings_of
from hems.store.errors import StoreError
from hems.store.state import StoredState
from hems.story import log_event
from hems.supervision import ServiceManager
from hems.traits import traits_of
from hems.vault import expiry_warning, identity_card, ship_id_of

_logger = logging.getLogger(__name__)

ENERGY_PERIOD_S = 60.0
"""How often the energy counters are stored."""

Observer = Callable[[object], None]
"""Hears every event of the EEBUS node and every step of control, in the order of cause and effect."""


class RunningGateway:
    """Built once, before anything is connected; `hems.app` runs its parts. `reserved`: where to listen.

    Raises SettingsError for devices that cannot work, LocalError for EEBUS settings that cannot.
    """

    def __init__(
        self,
        configuration: Configuration,
        identity: Identity,
        stored: StoredState,
        records: Records,
        *,
        registry: Registry,
        clock: Clock,
        service_manager: ServiceManager,
        observer: Observer,
        reserved: socket.socket,
    ) -> None:
        self._configuration = configuration
        self._records = records
        self._clock = clock
        self._service_manager = service_manager
        self._observers = [observer]
        self._started_at = clock.utc_now()
        self._reasons: dict[Direction, str] = {}
        self._energies_stored_at = clock.monotonic()
        self.acted = asyncio.Event()
        """Set as soon as the first set-point has left for a device."""

        self.broker = make_broker(configuration, identity.ski, clock)
        """The connection to the MQTT broker, if the configuration names one."""
        self.context = Context(clock=clock, broker=self.broker, profile_folders=configuration.profile_folders)
        self._devices = devices = make_devices(configuration, registry, self.context)
        self._count = count_house(configuration, devices)
        self._minimum_w = None if self._count.minimum.ems is None else self._count.minimum.ems.power_w
        self._failsafe = stored.failsafe
        self._measurements = Measurements()
        self._energies = Energies(stored.energies)
        self._energies_on_disk = _totals_wh(self._energies)
        self._own_limit_w = stored.own_limit_w
        terms = Terms(self._minimum_w, configuration.rules.convention)
        self._recorder = OrderRecorder(records.append, clock, self._energies, terms)
        self.control = ControlLoop(
            devices=_in_priority_order(configuration, devices, self._count),
            meter=make_meter(configuration, registry, self.context),
            clock=clock,
            measurements=self._measurements,
            energies=self._energies,
            on_cycle=self._cycle_completed,
            on_progress=self._progress,
            strategy=Strategy(configuration.rules.strategy),
            convention=Convention(configuration.rules.convention),
            offer_to_batteries=configuration.rules.offer_to_batteries,
        )
        contacts = make_contacts(configuration, registry, self.context)
        self._sources = LimitSources(
            configuration,
            self._count,
            contacts,
            clock,
            self._take_ceilings,
            stored.relay_pulses,
            records.keep_relay_pulse,
        )
        at_inverter = configuration.rules.production_limit_at == "inverter"
        self._box_limits = EebusSource(Basis.INVERTER if at_inverter else Basis.FEED_IN)
        self._eebus = make_gateway(
            configuration,
            identity.ski,
            stored.failsafe,
            sub_meters_of(devices),
            feed_in_capped=self._sources.feed_in_cap() is not None,
        )
        self._ski = identity.ski
        settings = node_settings(configuration, identity.ski)
        self._peers = settings.peers
        self.node = Node(
            identity=identity,
            ship_id=ship_id_of(identity.ski),
            stack=build_stack(self._eebus, clock.utc_now),
            trust=stored.trust,
            settings=settings,
            clock=clock,
            on_event=self._eebus_event,
            persist=records.persist,
            pairing_memory=stored.pairing.memory,
            reserved=reserved,
        )
        self._pairing_switch = PairingSwitch(
            self.node, identity, configuration, records.state, stored.pairing
        )
        self._certificate_ends = expires_at(identity)

    # --- life ----------------------------------------------------------------------------------------------

    async def enter_init(self) -> None:
        """Power-up: the failsafe limit is in force for the devices from now on, before any communication."""
        self._recorder.close_unfinished(await self._records.open_events())
        self._take_ceilings(self._sources.start(self._clock.monotonic()))
        self.control.promise(self._sources.promised_w())
        if self._own_limit_w is not None:
            self._take_own_limit(self._own_limit_w, "an earlier command")
        for warning in peer_warnings(self.node.snapshot(), self._peers):
            _logger.warning("%s", warning)
        await self._pairing_switch.begin()
        self.node.act(self._eebus.start)

    def stopping(self) -> None:
        """The orderly stop: what is open in the journal is marked, the counters are stored."""
        self._recorder.stop()
        self._keep_energies()

    # --- what passes between the parts ---------------------------------------------------------------------

    def _eebus_event(self, event: object) -> None:
        log_event(event)
        self._tell(event)
        match event:
            case OrderReceived():
                self._recorder.order_received(event)
            case LimitStateChanged():
                self._reasons[event.direction] = event.reason
                self._recorder.state_changed(event)
                self.control.new_ceilings([self._box_limits.take(event)])
            case FailsafeChanged(direction=Direction.CONSUMPTION, value=value_w):
                self._failsafe = replace(self._failsafe, consumption_w=value_w)
            case FailsafeChanged(direction=Direction.PRODUCTION, value=value_w):
                self._failsafe = replace(self._failsafe, production_w=value_w)

    def _progress(self, progress: Progress) -> None:
        self._recorder.progress(progress)
        if progress.milestone is Milestone.FIRST_WRITE:
            self.acted.set()
        self._tell(progress)

    def _tell(self, event: object) -> None:
        for observer in self._observers:
            observer(event)

    def _take_ceilings(self, ceilings: Sequence[Ceiling]) -> None:
        """Sources beside EEBUS have changed what they bound."""
        if not ceilings:
            return
        for ceiling in ceilings:
            _logger.info("%s", ceiling.reason.text)
            self._recorder.ceiling_changed(ceiling)
            self._tell(ceiling)
        self.control.new_ceilings(ceilings)

    def limit_jobs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What reads the relays, by name; each is to be supervised and ends after `stop_limits`."""
        names = [settings.name for settings in self._configuration.relays]
        return {
            f"relays {name}": runner.run for name, runner in zip(names, self._sources.runners, strict=True)
        }

    def stop_limits(self) -> None:
        """No relay is read any more."""
        for runner in self._sources.runners:
            runner.bell.stop()

    def _cycle_completed(self) -> None:
        """A sign of life for the box and the service manager; what time has changed; the newest readings."""
        now = self._clock.monotonic()
        self._take_ceilings(self._sources.due(now))
        self.control.promise(self._sources.promised_w())
        self._eebus.controllable_system.feed(now)
        self._service_manager.alive()
        self._report_connection(now)
        for name, meter in self._eebus.sub_meters.items():
            self._report_device(name, meter, now)
        if now - self._energies_stored_at >= ENERGY_PERIOD_S:
            self._energies_stored_at = now
            self._keep_energies()
            self._records.look_again()

    def _report_connection(self, now: float) -> None:
        readings = {
            **readings_of(connection_point(self._measurements, self._energies, now)),
            **factor_reading(self._sources.feed_in_cap()),
        }
        self.node.act(lambda turn: self._eebus.grid_connection_point.publish(readings, turn))

    def _report_device(self, name: str, meter: MonitoringServer, now: float) -> None:
        readings = device_readings(self._measurements.device(name), now)
        if readings:
            self.node.act(lambda turn: meter.publish(readings, turn))

    def _keep_energies(self) -> None:
        totals_wh = _totals_wh(self._energies)

        def kept(future: "asyncio.Future[None]") -> None:
            if not future.cancelled() and future.exception() is None:
                self._energies_on_disk = totals_wh

        try:
            self._records.state.note_energies(self._energies.counters()).add_done_callback(kept)
        except StoreError as error:  # a stuck disk must not end control; it is shown in the status
            _logger.error("The energy counters cannot be stored: %s", error)

    # --- northbound ----------------------------------------------------------------------------------------

    @property
    def ski(self) -> Ski:
        """Our SKI."""
        return self._ski

    def watch(self, observer: Observer) -> None:
        """Let one more observer hear every event."""
        self._observers.append(observer)

    def moment(self) -> Moment:
        """Everything as it stands now."""
        instant = Instant(self._clock.monotonic(), self._clock.utc_now())
        control = self.control.status()
        system = self._eebus.controllable_system.status(instant.now_s)
        return Moment(
            instant=instant,
            started_at=self._started_at,
            system=system,
            control=control,
            energies_wh=self._energies_on_disk,
            box_connected=self._control_box(system)["connected"],
            own_limit_w=self._own_limit_w,
            warnings=tuple(self._warnings(control)),
        )

    def site(self) -> Site:
        """What there is to show."""
        return site_of(self._configuration, self._ski, appliances_of(self.control.status()))

    def set_own_limit(self, value_w: float | None, channel: str) -> None:
        """Take the own limit of the people of the house, or lift it with None; it survives a restart.

        Raises StoreError when the disk is stuck; then nothing has changed.
        """
        self._records.state.note_own_limit(value_w)
        self._own_limit_w = value_w
        self._take_own_limit(value_w, channel)

    def _take_own_limit(self, value_w: float | None, channel: str) -> None:
        self.control.new_ceilings([user_ceiling(value_w, channel, self._clock.monotonic())])

    # --- what people see and decide (GatewayView) ----------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Limits, states, heartbeat age, devices and reasons."""
        instant = Instant(self._clock.monotonic(), self._clock.utc_now())
        control = self.control.status()
        system = self._eebus.controllable_system.status(instant.now_s)
        snapshot = self.node.snapshot()
        return {
            "site": self._configuration.site.name,
            "version": __version__,
            "ski": self._ski,
            "ship_id": ship_id_of(self._ski),
            "data_dir": str(self._configuration.data_dir),
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "port": snapshot.port,
            "addresses": list(snapshot.announced_addresses),
            "control_box": self._control_box(system),
            "limits": limits_json(system, self._reasons, instant),
            "failsafe_duration_s": system.failsafe_duration_s,
            "sending_heartbeats": system.sending_heartbeats,
            "sources": sources_json(control),
            "own_limit_w": self._own_limit_w,
            "minimum_power_w": self._minimum_w,
            "meter": meter_json(control),
            "devices": [device_json(device) for device in control.devices],
            "pairing_requests": len(snapshot.pairing_requests),
            "warnings": self._warnings(control),
        }

    def identity(self) -> dict[str, Any]:
        """SKI, SHIP ID and QR text."""
        card = identity_card(self._ski, self._configuration)
        return {"ski": card.ski, "ship_id": card.ship_id, "qr_text": card.qr}

    def pairing(self) -> dict[str, Any]:
        """Trusted peers and pairing requests."""
        instant = Instant(self._clock.monotonic(), self._clock.utc_now())
        return pairing_json(self.node.snapshot(), instant, self._peers)

    async def orders(self, count: int) -> list[dict[str, Any]]:
        """The newest orders and self-imposed phases, the newest first."""
        try:
            return orders_json(await self._records.newest_events(count))
        except StoreError as error:
            raise RequestRefused(str(error)) from error

    async def accept(self, ski: Ski, role: PeerRole, *, replace: bool) -> None:
        """Trust a peer. Raises RequestRefused."""
        try:
            await self.node.accept(ski, role, replace=replace)
        except (LocalError, StoreError) as error:
            raise RequestRefused(str(error)) from error

    def enter_pin(self, ski: Ski, pin: str) -> None:
        """Give a peer the PIN that it demands. Raises RequestRefused."""
        try:
            self.node.enter_pin(ski, pin)
        except LocalError as error:
            raise RequestRefused(str(error)) from error

    async def remove(self, ski: Ski) -> None:
        """Trust a peer no longer. Raises RequestRefused."""
        try:
            await self.node.remove(ski)
        except (LocalError, StoreError) as error:
            raise RequestRefused(str(error)) from error

    def pairing_service(self) -> dict[str, Any]:
        """The SHIP Pairing Service; with its secret while it is on."""
        return self._pairing_switch.show()

    async def switch_pairing_service(self, *, on: bool) -> None:
        """Switch it. Raises RequestRefused."""
        await self._pairing_switch.switch(on=on)

    async def factory_reset(self, *, forget_peers: bool) -> None:
        """Forget what the Steuerbox wrote, and with `forget_peers` whom we trust. Raises RequestRefused.

        The defaults act before anything is deleted: a stuck disk must not keep an old failsafe limit alive.
        """
        self.node.act(self._eebus.controllable_system.factory_reset)
        try:
            await self._records.state.forget_what_the_box_wrote()
            for entry in list(self.node.trust) if forget_peers else ():
                await self.node.remove(entry.ski)
        except (LocalError, StoreError) as error:
            raise RequestRefused(
                f"The defaults are in force until the next start, but could not be stored: {error}"
            ) from error
        self._failsafe = StoredFailsafe()

    def _control_box(self, system: ControllableSystemStatus) -> dict[str, Any]:
        box = self.node.trust.control_box()
        connections = self.node.snapshot().connections
        return {
            "ski": None if box is None else box.ski,
            "connected": box is not None and any(c.ski == box.ski and c.carries_spine for c in connections),
            "in_control": system.energy_guard is not None,
            "heartbeat_age_s": system.heartbeat_age_s,
        }

    def _warnings(self, control: ControlStatus) -> list[str]:
        found = warnings_of(control)
        snapshot = self.node.snapshot()
        found += [*peer_warnings(snapshot, self._peers), *network_warnings(snapshot)]
        proofs = fallback_proofs(self._configuration, self._devices, self._failsafe, self._count.controllable)
        found += [proof.reason.text for proof in proofs if not proof.holds]
        found += self._sources.troubles()
        if self.broker is not None and self.broker.trouble:
            found.append(f"MQTT broker {self.broker.address}: {self.broker.trouble}")
        found += self._records.troubles()
        found += expiry_warning(self._certificate_ends, self._clock.utc_now())
        return found


def _in_priority_order(
    configuration: Configuration, devices: Sequence[Device], count: HouseCount
) -> list[Controlled]:
    """The devices with what the configuration says about them; the first is served first."""
    pairs = zip(configuration.devices, devices, strict=True)
    ordered = sorted(pairs, key=lambda pair: pair[0].priority)
    return [
        Controlled(device, traits_of(settings, device.capabilities, count)) for settings, device in ordered
    ]


def _totals_wh(energies: Energies) -> dict[str, float]:
    return {name: counter.total_wh for name, counter in energies.counters().items()}
