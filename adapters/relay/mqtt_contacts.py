"""Input contacts that a module publishes by MQTT: one topic an input, or a member of its JSON.

A message tells a change; that nothing has changed since is known only from a module that repeats itself or
whose absence the broker tells. One of both rules must be chosen, so that no silence is taken for a release.
"""

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.context import Context, Sleep
from adapters.mqtt.broker import Broker, Message
from adapters.mqtt.inbox import value_at
from adapters.mqtt.link import FIRST_MESSAGE_S, LOOK_AGAIN_S
from adapters.mqtt.profile import Topic
from adapters.settings import AdapterSettings, SettingsError
from eebus.clock import Clock
from hems.devices import ContactState, DeviceUnreachable

MQTT_CONTACTS_TYPE = "mqtt-contacts"
SETTLE_S = 1.0
"""How long `connect` waits for what the broker retains or the module repeats."""
MOST_UNREAD = 16
"""Messages of one input that may wait for the next reading; the oldest give way."""
_LONGEST_WORD = 32

Word = Annotated[str, Field(min_length=1, max_length=_LONGEST_WORD)]
Words = Annotated[tuple[Word, ...], Field(min_length=1, max_length=8)]


class MqttInputSettings(BaseModel):
    """Where one input is published."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    topic: Topic = Field(description="Topic on which the module publishes the state of the input")
    path: str = Field(
        default="",
        max_length=128,
        description="Member of a JSON payload, such as 'state' or 'inputs.0'; empty: the payload itself",
    )


class MqttContactsSettings(AdapterSettings):
    """`adapter: {type: mqtt-contacts, inputs: {dim: {topic: …}}, availability_topic: …}`."""

    type: Literal["mqtt-contacts"] = Field(description="Input contacts of a module behind the MQTT broker")
    inputs: dict[str, MqttInputSettings] = Field(
        min_length=1, max_length=16, description="Name of each input and where it is published"
    )
    closed: Words = Field(
        default=("on", "true", "1", "closed"), description="Payloads of a closed contact, in any case"
    )
    open: Words = Field(
        default=("off", "false", "0", "open"),
        description="Payloads of an open contact, in any case; all others are no state",
    )
    silent_after_s: float | None = Field(
        default=None,
        ge=1.0,
        le=86_400.0,
        description="The module repeats its states; after so much silence one is not known any more",
    )
    availability_topic: Topic | None = Field(
        default=None, description="Where the module, or the broker for it, tells whether it is there"
    )
    available: Words = Field(
        default=("online", "true", "1"), description="Payloads there that mean so, in any case"
    )
    accept_retained: bool = Field(
        default=False,
        description="Whether a state counts that lies at the broker, of unknown age, when we connect",
    )

    def notes(self) -> tuple[str, ...]:
        known = []
        if self.availability_topic is not None:
            known.append(f"while {self.availability_topic} says that the module is there")
        if self.silent_after_s is not None:
            known.append(f"for {self.silent_after_s:g} s after each message")
        retained = (
            "what the broker retains counts at the start, however old it is"
            if self.accept_retained
            else "what the broker retains does not count: nothing is known before the module publishes"
        )
        return (f"states by MQTT are known {' and '.join(known)}", retained)

    @model_validator(mode="after")
    def _silence_is_noticed(self) -> Self:
        if self.silent_after_s is None and self.availability_topic is None:
            raise ValueError(
                "a silent module must be noticed: silent_after_s or availability_topic is needed"
            )
        return self

    @model_validator(mode="after")
    def _states_are_told_apart(self) -> Self:
        if both := _lower(self.closed) & _lower(self.open):
            raise ValueError(f"{', '.join(sorted(both))} cannot mean both closed and open")
        if len({(each.topic, each.path) for each in self.inputs.values()}) < len(self.inputs):
            raise ValueError("two inputs have the same topic and path")
        return self


@dataclass(frozen=True, slots=True)
class _Heard:
    """One message. `word`: what was published, in lower case. `session`: the connection it came with."""

    word: str
    at_s: float
    session: int


class _Input:
    """The messages of one input: those that no reading has seen yet, and the newest."""

    def __init__(self, settings: MqttInputSettings) -> None:
        self.settings = settings
        self.untaken = ""
        """Why the last message was not taken."""
        self._unread: deque[_Heard] = deque(maxlen=MOST_UNREAD)
        self._newest: _Heard | None = None

    def put(self, heard: _Heard) -> None:
        self.untaken = ""
        repeated = self._newest is not None and self._newest.word == heard.word
        if repeated and self._unread:
            self._unread[-1] = heard
        elif not repeated:
            self._unread.append(heard)
        self._newest = heard

    def is_known(self, session: int) -> bool:
        return self._newest is not None and self._newest.session == session

    def next(self, session: int) -> _Heard | None:
        """What the next reading shows: a pulse that came and went between two of them is not lost."""
        if not self.is_known(session):
            self._unread.clear()
            return None
        while self._unread:
            heard = self._unread.popleft()
            if heard.session == session:
                return heard
        return self._newest

    def is_up_to_date(self) -> bool:
        return not self._unread


class MqttContacts:
    """A :class:`hems.devices.Contacts` behind the broker."""

    def __init__(
        self, name: str, settings: MqttContactsSettings, broker: Broker, clock: Clock, sleep: Sleep
    ) -> None:
        self._name = name
        self._settings = settings
        self._closed, self._open = _lower(settings.closed), _lower(settings.open)
        self._broker = broker
        self._clock = clock
        self._sleep = sleep
        self._inputs = {each: _Input(where) for each, where in settings.inputs.items()}
        self._available: _Heard | None = None
        for topic in sorted({each.topic for each in settings.inputs.values()}):
            broker.listen(topic, self._hear)
        if settings.availability_topic is not None:
            broker.listen(settings.availability_topic, self._hear_availability)

    @property
    def name(self) -> str:
        return self._name

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self._inputs)

    async def connect(self) -> None:
        """Wait for the broker, and shortly for the first states; the connection is the gateway's."""
        since_s = self._clock.monotonic()
        while self._broker.trouble:
            if self._clock.monotonic() - since_s >= FIRST_MESSAGE_S:
                self._require_broker()
            await self._sleep(LOOK_AGAIN_S)
        since_s = self._clock.monotonic()
        while not self._all_heard() and self._clock.monotonic() - since_s < SETTLE_S:
            await self._sleep(LOOK_AGAIN_S)

    async def read(self) -> dict[str, ContactState]:
        self._require_broker()
        now = self._clock.monotonic()
        return {name: self._state(each, now) for name, each in self._inputs.items()}

    async def close(self) -> None:
        """The connection is the gateway's; there is nothing to release."""

    def _require_broker(self) -> None:
        if self._broker.trouble:
            raise DeviceUnreachable(f"{self._name}: no MQTT broker: {self._broker.trouble}")

    def _all_heard(self) -> bool:
        session = self._broker.sessions
        return all(each.is_known(session) for each in self._inputs.values())

    # What comes in.

    def _hear(self, message: Message) -> None:
        for each in self._inputs.values():
            if each.settings.topic == message.topic:
                self._take(each, message)

    def _take(self, each: _Input, message: Message) -> None:
        """A message without the member of an input says nothing; an empty one says that the state is gone."""
        if message.retained and not self._settings.accept_retained:
            each.untaken = "; what lies at the broker is not taken (accept_retained)"
            return
        value = value_at(message.payload, each.settings.path)
        if value is not None or not message.payload:
            each.put(self._heard(value))

    def _hear_availability(self, message: Message) -> None:
        """It is told once and lies at the broker from then on, so that a retained message is the rule."""
        self._available = self._heard(value_at(message.payload, ""))

    def _heard(self, value: object) -> _Heard:
        word = "" if value is None else str(value).strip()[:_LONGEST_WORD].lower()
        return _Heard(word, self._clock.monotonic(), self._broker.sessions)

    # What it means.

    def _state(self, each: _Input, now: float) -> ContactState:
        heard = each.next(self._broker.sessions)
        if heard is None:
            return ContactState(None, 0.0, f"nothing was heard on {each.settings.topic}{each.untaken}")
        problem = self._absence(heard, each, now)
        if problem:
            return ContactState(None, heard.at_s, problem)
        if heard.word in self._closed or heard.word in self._open:
            return ContactState(heard.word in self._closed, now if each.is_up_to_date() else heard.at_s)
        return ContactState(
            None, heard.at_s, f"'{heard.word}' on {each.settings.topic} is neither closed nor open"
        )

    def _absence(self, heard: _Heard, each: _Input, now: float) -> str:
        """Why what was heard need not hold any more; empty when it does."""
        silent_after_s = self._settings.silent_after_s
        if silent_after_s is not None and now - heard.at_s > silent_after_s:
            return f"nothing new on {each.settings.topic} for more than {silent_after_s:g} s"
        topic = self._settings.availability_topic
        return "" if topic is None or self._is_available() else f"{topic} does not say that it is there"

    def _is_available(self) -> bool:
        told = self._available
        is_present = told is not None and told.session == self._broker.sessions
        return is_present and told is not None and told.word in _lower(self._settings.available)


def _lower(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word.lower() for word in words)


def make_mqtt_contacts(name: str, settings: MqttContactsSettings, context: Context) -> MqttContacts:
    """The factory for the registry. Raises SettingsError."""
    if context.broker is None:
        raise SettingsError(f"{name}: contacts by MQTT need a section 'mqtt' with the broker")
    return MqttContacts(name, settings, context.broker, context.clock, context.sleep)
