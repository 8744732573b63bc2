"""Shows the gateway at the broker: discovery, states, events, and the one command.

Everything that lies at the broker is retained and told anew at every connection, so it does not matter in
which order gateway, broker and Home Assistant start.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from adapters.mqtt.broker import Listener, Message
from eebus.clock import Clock
from hems.config import HomeAssistantSettings, MqttSettings
from hems.control.status import DeviceStatus
from hems.northbound.home_assistant.documents import documents, to_text
from hems.northbound.home_assistant.housekeeping import (
    MIGRATE,
    Chores,
    Found,
    chores,
    config_filters,
    own_document,
)
from hems.northbound.home_assistant.rules import faults_of_all, faults_of_device, faults_of_single
from hems.northbound.home_assistant.sentences import Sentences
from hems.northbound.home_assistant.site import Site
from hems.northbound.home_assistant.words import Language
from hems.northbound.moment import Moment
from hems.northbound.mqtt.commands import Cause, CommandRefused, Commands, OwnLimit
from hems.northbound.mqtt.connection import OFFLINE, ONLINE
from hems.northbound.mqtt.happenings import Happenings
from hems.northbound.mqtt.house_energy import HouseEnergy
from hems.northbound.mqtt.outbox import Outgoing
from hems.northbound.mqtt.payloads import (
    device_measurement,
    device_state,
    gateway_measurement,
    gateway_state,
    gone_state,
)
from hems.northbound.mqtt.refusals import Refusals
from hems.northbound.mqtt.topics import Topics
from hems.store.errors import StoreError

TICK_S = 1.0
READ_BACK_S = 3.0
"""How long we wait for our own `online` to come back; before it came all that is retained."""
SETTLE_S = 2.0
"""Home Assistant gets so long to take one step of a move or a removal before the next follows."""
BIRTH_SPREAD_S = 2.0
"""After its birth many clients answer Home Assistant; ours waits up to so long."""
REASON_INTERVAL_S = 30.0
"""Shortest time between two messages in which nothing but the figures of a reason differ."""
SIGN_OF_LIFE_S = 10.0
"""An acknowledged message at least this often shows that the broker is not frozen."""

_log = logging.getLogger(__name__)


class Shown(Protocol):
    """The gateway as it is shown."""

    def moment(self) -> Moment:
        """Everything as it stands now."""

    def site(self) -> Site:
        """Its shape: what there is to show."""

    def set_own_limit(self, value_w: float | None, channel: str) -> None:
        """Take an own limit, or lift it. Raises StoreError when the disk is stuck; then nothing changes."""


class Outlet(Protocol):
    """What the service needs of the connection."""

    on_session: list[Callable[[], None]]

    @property
    def hides_retained(self) -> bool:
        """Whether a retained message that comes at once cannot be told from others."""

    def listen(self, topic_filter: str, listener: Listener, *, commands: bool = False) -> None:
        """Let `listener` hear what matches from the next connection on."""

    def put(self, message: Outgoing) -> None:
        """Publish as soon as possible; never waits."""


class MqttService:
    """Runs beside the connection. `hear` takes every event of the gateway and never waits."""

    def __init__(
        self,
        gateway: Shown,
        connection: Outlet,
        settings: MqttSettings,
        topics: Topics,
        most_own_limit_w: int,
        clock: Clock,
        *,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._gateway = gateway
        self._connection = connection
        self._settings = settings
        self._topics = topics
        self._most_own_limit_w = most_own_limit_w
        self._clock = clock
        self._spread = spread
        self._language = Language(settings.home_assistant.language)
        self._commands = Commands(most_own_limit_w)
        self._refusals = Refusals()
        self._happenings = Happenings(Sentences(self._language), most_own_limit_w)
        self._house_energy = HouseEnergy()
        self._news = asyncio.Event()
        self._in_a_hurry = False
        self._session_at_s: float | None = None
        self._read_back = False
        self._announced: Site | None = None
        self._found: dict[str, Found] = {}
        self._leftovers: dict[str, bytes] = {}
        self._published: dict[str, str] = {}
        self._shown: dict[str, tuple[Mapping[str, object], float]] = {}
        self._measured_at_s = 0.0
        self._alive_at_s = 0.0
        self._removed: dict[str, str] = {}
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._listen()

    # --- what comes in -------------------------------------------------------------------------------------

    def _listen(self) -> None:
        connection, home_assistant = self._connection, self._settings.home_assistant
        connection.on_session.append(self._session_began)
        connection.listen(self._topics.status, self._hear_status)
        connection.listen(f"{self._topics.root}/devices/+/+", self._hear_leftover)
        for topic_filter in config_filters(home_assistant.prefix):
            connection.listen(topic_filter, self._hear_document)
        if home_assistant.enabled:
            connection.listen(home_assistant.status_topic, self._hear_home_assistant)
        if self._settings.commands:
            connection.listen(self._topics.own_limit_set, self._hear_own_limit, commands=True)

    def hear(self, event: object) -> None:
        """Something happened at the gateway; it is published at once."""
        told = self._happenings.told(event, self._now())
        if told is not None:
            self._put_event(told)
        self._hurry()

    def _session_began(self) -> None:
        self._session_at_s = self._clock.monotonic()
        self._read_back = False
        self._announced = None
        self._found.clear()
        self._leftovers.clear()
        self._published.clear()
        self._later.clear()
        self._in_a_hurry = True

    def _hear_status(self, message: Message) -> None:
        if message.retained or self._read_back:
            return
        if message.payload == ONLINE.encode():
            self._read_back = True
            self._news.set()

    def _hear_document(self, message: Message) -> None:
        if self._read_back or not message.payload:
            return
        text = message.payload.decode("utf-8", errors="replace")
        found = own_document(message.topic, text, self._settings.home_assistant.prefix, self._topics)
        if found is not None:
            self._found[found.topic] = found

    def _hear_leftover(self, message: Message) -> None:
        if message.retained and message.payload:
            self._leftovers[message.topic] = message.payload

    def _hear_home_assistant(self, message: Message) -> None:
        if message.payload == ONLINE.encode() and self._announced is not None:
            self._do_later(self._spread(0.0, BIRTH_SPREAD_S), self._tell_again)

    def _hear_own_limit(self, message: Message) -> None:
        if not message.payload:
            return
        try:
            wish = self._commands.judge(message, self._clock.monotonic())
            self._obey(wish)
        except CommandRefused as refusal:
            self._refuse(refusal)
        else:
            self._hurry()
        if message.retained or self._connection.hides_retained:
            self._clear((message.topic,))

    def _obey(self, wish: OwnLimit) -> None:
        try:
            self._gateway.set_own_limit(wish.value_w, "MQTT")
        except StoreError as error:
            raise CommandRefused(Cause.NOT_STORED, str(error)) from error
        self._put_event(self._happenings.own_limit(wish.value_w, self._now()))

    def _refuse(self, refusal: CommandRefused) -> None:
        """The true value is shown again in any case; each cause is told once a minute."""
        self._published.pop(self._topics.state, None)
        if not self._refusals.worth_telling(refusal.cause, self._clock.monotonic()):
            return
        english = Sentences(Language.EN)
        text = english.own_limit_refused(refusal.cause, refusal.detail, self._most_own_limit_w)
        _log.warning("A command by MQTT: %s", text)
        self._put_event(self._happenings.own_limit_refused(refusal, self._now()), yields=True)
        self._hurry()

    # --- what goes out -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rest_s()):
                    await self._news.wait()
            self._news.clear()
            self.turn()

    def turn(self) -> None:
        """Put everything that is due into the outbox."""
        now = self._clock.monotonic()
        if self._session_at_s is None:
            return
        if not self._read_back and now < self._session_at_s + READ_BACK_S:
            return
        if not self._read_back:
            self._read_back = True
            _log.warning(
                "The MQTT broker does not return %s; see its access list: old documents cannot be cleaned",
                self._topics.status,
            )
        self._do_what_is_due(now)
        self._announce()
        self._publish_states(now)

    def _rest_s(self) -> float:
        now = self._clock.monotonic()
        return max(0.0, min([TICK_S, *(due_s - now for due_s, _ in self._later)]))

    def _announce(self) -> None:
        site = self._gateway.site()
        if site == self._announced:
            return
        self._announced = site
        if self._settings.home_assistant.enabled:
            self._publish_documents(site)
        else:
            self._clear(tuple(self._found))
            self._found.clear()
        self._clear_leftovers(site)

    def _publish_documents(self, site: Site) -> None:
        settings = self._settings.home_assistant
        due = chores(
            documents(site, self._language),
            tuple(self._found.values()),
            settings.prefix,
            single=settings.form == "single",
        )
        wanted = _without_faults(due.wanted, settings)
        for topic in due.migrate:
            self._connection.put(Outgoing(topic, MIGRATE, retain=False))
        if due.migrate:
            self._do_later(SETTLE_S, lambda: self._publish_wanted(wanted, due))
        else:
            self._publish_wanted(wanted, due)

    def _publish_wanted(self, wanted: Mapping[str, str], due: Chores) -> None:
        prefix = self._settings.home_assistant.prefix
        for topic, payload in wanted.items():
            self._publish(topic, payload)
        self._found = {
            topic: found
            for topic, payload in wanted.items()
            if (found := own_document(topic, payload, prefix, self._topics)) is not None
        }
        if due.obsolete:
            self._do_later(SETTLE_S if due.migrate else 0.0, lambda: self._clear(due.obsolete))
        self._removed |= due.gone

    def _clear(self, topics: tuple[str, ...]) -> None:
        for topic in topics:
            self._connection.put(Outgoing(topic, ""))

    def _clear_leftovers(self, site: Site) -> None:
        """States of devices that are gone; their statuses stay and say `offline`.

        Home Assistant listens to them until it has removed the device, and warns about an empty state. Where
        it keeps the device (the discovery prefix was changed), the device must not look alive for ever.
        """
        present = {self._topics.device(appliance.name).root for appliance in site.appliances}
        gone = {t: said for t, said in self._leftovers.items() if t.rpartition("/")[0] not in present}
        self._leftovers.clear()
        states = tuple(topic for topic in gone if not topic.endswith("/status"))
        for topic in gone.keys() - set(states):
            if gone[topic] != OFFLINE.encode():
                self._connection.put(Outgoing(topic, OFFLINE))
        for topic in states:
            if topic.endswith("/state") and (last := gone_state(gone[topic])) is not None:
                self._connection.put(Outgoing(topic, to_text(last)))
        if states:
            self._do_later(2 * SETTLE_S, lambda: self._clear(states))

    def _tell_again(self) -> None:
        """Home Assistant has started: it gets everything anew, and hears once more of what has been removed.

        When it was away at the removal it still knows the entities; it forgets them only when they are
        announced and removed while it listens.
        """
        removed, self._removed = self._removed, {}
        for topic, payload in removed.items():
            self._connection.put(Outgoing(topic, payload, retain=False))
        if removed:
            self._do_later(SETTLE_S, lambda: self._clear(tuple(removed)))
        self._published.clear()
        self._announced = None
        self._hurry()

    def _publish_states(self, now: float) -> None:
        moment = self._gateway.moment()
        measure = self._in_a_hurry or now >= self._measured_at_s + self._settings.measurement_interval_s
        self._in_a_hurry = False
        if now >= self._alive_at_s + SIGN_OF_LIFE_S:
            self._alive_at_s = now
            self._published.pop(self._topics.measurement, None)
        for device in moment.control.devices:
            self._publish(self._topics.device(device.name).status, ONLINE if device.connected else OFFLINE)
        self._publish(
            self._topics.state, to_text(gateway_state(moment, self._language, self._most_own_limit_w))
        )
        for device in moment.control.devices:
            self._publish_device_state(device, now)
        if measure:
            self._measured_at_s = now
            measured = gateway_measurement(moment, self._house_energy.at(moment))
            self._publish(self._topics.measurement, to_text(measured))
            for device in moment.control.devices:
                self._publish_measurement(device, moment)

    def _publish_device_state(self, device: DeviceStatus, now: float) -> None:
        """At once when anything but a reason has changed: reasons tell measured values, ever new."""
        topic, document = self._topics.device(device.name).state, device_state(device, self._language)
        facts = {key: value for key, value in document.items() if not key.endswith("_setpoint_reason")}
        shown, shown_at_s = self._shown.get(topic, ({}, -REASON_INTERVAL_S))
        if topic in self._published and shown == facts and now < shown_at_s + REASON_INTERVAL_S:
            return
        self._shown[topic] = (facts, now)
        self._publish(topic, to_text(document))

    def _publish_measurement(self, device: DeviceStatus, moment: Moment) -> None:
        topic = self._topics.device(device.name).measurement
        self._publish(topic, to_text(device_measurement(device, moment.energies_wh)), qos=0)

    def _publish(self, topic: str, payload: str, *, qos: int = 1) -> None:
        if self._published.get(topic) == payload:
            return
        self._published[topic] = payload
        self._connection.put(Outgoing(topic, payload, qos=qos))

    def _put_event(self, event: Mapping[str, object], *, yields: bool = False) -> None:
        self._connection.put(Outgoing(self._topics.event, json.dumps(event), retain=False, yields=yields))

    # --- small things --------------------------------------------------------------------------------------

    def _hurry(self) -> None:
        self._in_a_hurry = True
        self._news.set()

    def _do_later(self, seconds: float, action: Callable[[], None]) -> None:
        self._later.append((self._clock.monotonic() + seconds, action))
        self._news.set()

    def _do_what_is_due(self, now: float) -> None:
        due = [action for due_s, action in self._later if due_s <= now]
        self._later = [entry for entry in self._later if entry[0] > now]
        for action in due:
            action()

    def _now(self) -> datetime:
        return self._clock.utc_now().astimezone()


def _without_faults(messages: Mapping[str, str], settings: HomeAssistantSettings) -> dict[str, str]:
    """The documents that Home Assistant takes; others are told in the log and never published."""
    check = faults_of_single if settings.form == "single" else faults_of_device
    good = {}
    for topic, payload in messages.items():
        faults = check(topic, payload)
        if faults:
            _log.error("%s is not announced to Home Assistant: %s", topic, "; ".join(faults))
        else:
            good[topic] = payload
    for fault in faults_of_all(good):
        _log.error("Home Assistant will refuse a component: %s", fault)
    return good
