"""The one connection to the MQTT broker, shared by northbound and MQTT devices, made again when it breaks.

A broker that is away, refuses us or is frozen costs nothing but its own messages: nobody waits for it but the
tasks in here, and what waits meanwhile is bounded.
"""

import asyncio
import contextlib
import logging
import random
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from aiomqtt import Client, MqttError, ProtocolVersion, Topic, Will
from aiomqtt import Message as Arrived
from paho.mqtt.subscribeoptions import SubscribeOptions

from adapters.mqtt.broker import BrokerUnavailable, Listener, Message
from eebus.clock import Clock
from hems.config import MqttSettings, MqttTlsSettings
from hems.northbound.mqtt.address import address_of, port_of
from hems.northbound.mqtt.outbox import Outbox, Outgoing
from hems.northbound.mqtt.retries import Retries
from hems.northbound.mqtt.troubles import explain, is_wrong_password, is_wrong_version

ONLINE, OFFLINE = "online", "offline"
ANSWER_S = 5.0
"""An acknowledgement that takes longer means that the broker does not answer any more."""
GOODBYE_S = 2.0
LONGEST_PAYLOAD = 256 * 1024
MOST_INCOMING = 10_000
_PENDING_CALLS = 1000
_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Small messages must not wait for the acknowledgement of the one before: that costs 40 ms each."""
_FILTERS_AT_ONCE = 50

_log = logging.getLogger(__name__)


class BrokerConnection:
    """Holds the connection while `run` runs. `status_topic` tells everybody whether we are there.

    `on_session` is called at every new connection, before anything is subscribed: what was known of the
    broker no longer counts. States that wait are dropped then, events are kept.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        status_topic: str,
        clock: Clock,
        *,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._status_topic = status_topic
        self._outbox = Outbox()
        self._news = asyncio.Event()
        self._stop = asyncio.Event()
        self._client: Client | None = None
        self._exact: dict[str, list[Listener]] = {}
        self._wild: list[tuple[str, Listener]] = []
        self._commands: set[str] = set()
        self._retries = Retries(clock, spread)
        self._protocol = ProtocolVersion.V311 if settings.protocol == "3.1.1" else ProtocolVersion.V5
        self._trouble = "not connected yet"
        self._sessions = 0
        self.on_session: list[Callable[[], None]] = []

    # --- what others use -----------------------------------------------------------------------------------

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty while there is one."""
        return self._trouble

    @property
    def sessions(self) -> int:
        """How many connections there have been."""
        return self._sessions

    @property
    def address(self) -> str:
        """Where the broker is dialled."""
        return address_of(self._settings)

    @property
    def hides_retained(self) -> bool:
        """Whether retained messages that come at once look like others: MQTT 3.1.1 drops the flag."""
        return self._protocol is not ProtocolVersion.V5

    @property
    def waiting(self) -> int:
        """How many messages wait to be published."""
        return len(self._outbox)

    def listen(self, topic_filter: str, listener: Listener, *, commands: bool = False) -> None:
        """Let `listener` hear what matches from the next connection on.

        `commands`: nothing may get lost, and a retained one must be known as such (with MQTT 5 also at once).
        """
        if commands:
            self._commands.add(topic_filter)
        if "+" in topic_filter or "#" in topic_filter:
            self._wild.append((topic_filter, listener))
        else:
            self._exact.setdefault(topic_filter, []).append(listener)

    def put(self, message: Outgoing) -> None:
        """Publish as soon as possible; never waits."""
        self._outbox.put(message)
        self._news.set()

    async def send(self, topic: str, payload: str) -> None:
        """Send a command once, acknowledged and not retained; raises BrokerUnavailable."""
        client = self._client
        if client is None:
            raise BrokerUnavailable(f"no connection to the MQTT broker: {self._trouble}")
        try:
            await client.publish(topic, payload, qos=1)
        except MqttError as error:
            raise BrokerUnavailable(f"the MQTT broker did not take {topic}: {explain(error)}") from error

    def stop(self) -> None:
        """Publish what waits, say goodbye and let `run` end."""
        self._stop.set()

    async def run(self) -> None:
        """Keep the connection until `stop`."""
        with _quiet_client_callbacks():
            while not self._stop.is_set():
                try:
                    await self._one_connection()
                except (MqttError, BrokerUnavailable, OSError) as error:
                    await self._pause_after(error)

    # --- one connection ------------------------------------------------------------------------------------

    async def _one_connection(self) -> None:
        async with await self._new_client() as client:
            jobs = [
                asyncio.create_task(job)
                for job in (self._serve(client), self._read(client), _ended(self._stop.wait()))
            ]
            try:
                await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                _raise_first(jobs)
            finally:
                self._client = None
                broken = _broken(jobs)
                await _cancelled(jobs)
                if broken:
                    self._trouble = "the connection is gone"
                else:
                    await self._say_goodbye(client)

    async def _new_client(self) -> Client:
        settings = self._settings
        password, context = await asyncio.to_thread(_credentials, settings)
        client = Client(
            settings.host,
            port_of(settings),
            username=settings.username,
            password=password,
            identifier=self._client_id,
            protocol=self._protocol,
            will=Will(self._status_topic, OFFLINE, qos=1, retain=True),
            keepalive=settings.keepalive_s,
            timeout=ANSWER_S,
            tls_context=context,
            max_queued_incoming_messages=MOST_INCOMING,
            socket_options=_AT_ONCE,
        )
        client.pending_calls_threshold = _PENDING_CALLS
        return client

    async def _serve(self, client: Client) -> None:
        self._sessions += 1
        self._outbox.forget_states()
        for tell in self.on_session:
            tell()
        await self._subscribe(client)
        self._client = client
        self._trouble = ""  # before anybody shows states: they name the trouble of the broker
        await client.publish(self._status_topic, ONLINE, qos=1, retain=True)
        self._retries.connected()
        _log.info("The MQTT broker %s is connected", self.address)
        while True:
            await self._publish_waiting(client)
            self._news.clear()
            await self._news.wait()

    async def _subscribe(self, client: Client) -> None:
        filters = [*self._exact, *dict.fromkeys(topic_filter for topic_filter, _ in self._wild)]
        for first in range(0, len(filters), _FILTERS_AT_ONCE):
            some = filters[first : first + _FILTERS_AT_ONCE]
            codes = await client.subscribe([(each, self._options(each)) for each in some])
            for topic_filter, code in zip(some, codes, strict=True):
                if _is_refusal(code):
                    _log.warning("The MQTT broker does not let us read %s; see its access list", topic_filter)

    def _options(self, topic_filter: str) -> Any:
        """All but commands come with QoS 0: then a broker tells what it retains before anything newer."""
        is_command = topic_filter in self._commands
        if self.hides_retained:
            return int(is_command)
        return SubscribeOptions(qos=int(is_command), retainAsPublished=is_command)

    async def _publish_waiting(self, client: Client) -> None:
        while (message := self._outbox.first()) is not None:
            await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
            self._outbox.done(message)

    async def _read(self, client: Client) -> None:
        async for message in client.messages:
            self._hand_out(message)

    def _hand_out(self, arrived: Arrived) -> None:
        topic = arrived.topic.value
        payload = arrived.payload if isinstance(arrived.payload, bytes) else b""
        if len(payload) > LONGEST_PAYLOAD:
            _log.warning("A message on %s is ignored: %d bytes", topic, len(payload))
            return
        message = Message(topic, payload, bool(arrived.retain))
        for listener in self._exact.get(topic, ()):
            listener(message)
        for topic_filter, listener in self._wild:
            if Topic(topic).matches(topic_filter):
                listener(message)

    async def _say_goodbye(self, client: Client) -> None:
        """A clean end makes no last will act, so we tell ourselves that we are gone."""
        with contextlib.suppress(MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._publish_waiting(client)
                await client.publish(self._status_topic, OFFLINE, qos=1, retain=True)

    # --- when it fails -------------------------------------------------------------------------------------

    async def _pause_after(self, error: Exception) -> None:
        if is_wrong_version(error) and self._settings.protocol == "auto":
            self._protocol = ProtocolVersion.V311
        self._trouble = explain(error)
        pause_s = self._retries.pause_s(hopeless=is_wrong_password(error))
        if self._retries.worth_telling(self._trouble):
            _log.warning(
                "MQTT broker %s: %s. It is tried again; limits by EEBUS do not depend on it",
                self.address,
                self._trouble,
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stop.wait()


def _is_refusal(code: object) -> bool:
    number = getattr(code, "value", code)
    return isinstance(number, int) and number >= 128


def _credentials(settings: MqttSettings) -> tuple[str | None, ssl.SSLContext | None]:
    """Read anew for each connection, so that a changed password or certificate counts without a restart."""
    password = None
    if settings.password_file is not None:
        try:
            password = settings.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BrokerUnavailable(f"mqtt.password_file cannot be read: {error}") from error
    return password, None if settings.tls is None else _tls_context(settings.tls)


def _tls_context(settings: MqttTlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:  # ssl.SSLError is one
        raise BrokerUnavailable(f"a file of mqtt.tls cannot be used: {error}") from error
    if not settings.check_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _ended(waiting: Coroutine[Any, Any, object]) -> None:
    await waiting


def _broken(jobs: list["asyncio.Task[None]"]) -> bool:
    return any(job.done() and not job.cancelled() and job.exception() is not None for job in jobs)


def _raise_first(jobs: list["asyncio.Task[None]"]) -> None:
    for job in jobs:
        if job.done():
            job.result()


async def _cancelled(jobs: list["asyncio.Task[None]"]) -> None:
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


@contextlib.contextmanager
def _quiet_client_callbacks() -> Any:
    """Callbacks of the client that come too late for a socket that has gone make one line, no traceback."""
    loop = asyncio.get_running_loop()
    former = loop.get_exception_handler()

    def handle(loop_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        late = isinstance(error, OSError | ValueError) and "Client._on_socket" in repr(context.get("handle"))
        if late or isinstance(error, MqttError):
            _log.debug("A late call of the MQTT client: %s", error)
        elif former is not None:
            former(loop_, context)
        else:
            loop_.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(former)
