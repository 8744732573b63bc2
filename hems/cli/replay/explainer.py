"""Goes through a recording and explains each entry; keeps what both sides have told so far."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from eebus.errors import DecodeError
from eebus.ship.frames import Data, decode
from eebus.spine.datagram import Command, Datagram, PayloadError, decode_datagram
from eebus.spine.model.common import Classifier, FeatureAddress, ResultData
from eebus.spine.model.node_management import (
    NodeManagementBindingRequestCall,
    NodeManagementSubscriptionRequestCall,
)
from eebus.usecases.heartbeat import HEARTBEAT_FUNCTION
from eebus.usecases.limit_data import LIMIT_FUNCTION
from hems.cli.replay.data_words import RULES, change_lines, function_words
from hems.cli.replay.knowledge import Side
from hems.cli.replay.recording import Entry, Frame, Header, Note
from hems.cli.replay.rules import RuleBook, Verdict
from hems.cli.replay.ship_words import ship_text

_BOUNDS = {"max_bytes": 16 * 1024 * 1024, "max_depth": 64, "max_elements": 1_000_000}
_INDENT = " " * 8


@dataclass(frozen=True, slots=True)
class _Request:
    """Something that waits for its answer."""

    text: str
    at_s: float
    verdict: Verdict | None = None


@dataclass(slots=True)
class _Conversation:
    """One connection between two sides."""

    sides: dict[str, Side]
    requests: dict[tuple[str, int], _Request] = field(default_factory=dict)
    rules: dict[str, RuleBook] = field(default_factory=dict)
    """By the name of each controllable system."""


def explain(entries: Iterable[Entry], *, raw: bool = False) -> Iterator[list[str]]:
    """The lines for each entry. Raises what reading the entries raises."""
    everything = list(entries)
    names = list(dict.fromkeys(entry.sender for entry in everything if isinstance(entry, Frame)))
    conversations: dict[frozenset[str], _Conversation] = {}
    number = 0
    for entry in everything:
        match entry:
            case Header(members):
                yield [f"{name}: {value}" for name, value in members.items()]
            case Note(at_s, text):
                yield [f"{'':>5} {at_s:>10.3f} s  -- {text}"]
            case Frame():
                number += 1
                receiver = entry.receiver or next((name for name in names if name != entry.sender), "?")
                pair = frozenset((entry.sender, receiver))
                if pair not in conversations or _begins(entry, conversations[pair]):
                    conversations[pair] = _Conversation({name: Side(name) for name in pair})
                lines = list(_frame_lines(entry, number, receiver, conversations[pair]))
                if raw:
                    lines.append(_INDENT + entry.message[1:].decode(errors="replace"))
                yield lines


def _begins(frame: Frame, conversation: _Conversation) -> bool:
    """A new connection begins with the initialisation; both sides send one."""
    has_data = any(side.data for side in conversation.sides.values())
    return has_data and frame.message[:1] == b"\x00"


def _frame_lines(frame: Frame, number: int, receiver: str, talk: _Conversation) -> Iterator[str]:
    for name, book in talk.rules.items():
        for at_s, text in book.time_passed(frame.at_s):
            yield f"{'':>5} {at_s:>10.3f} s  >> {name}: {text}"
    text, details = _explain(frame, receiver, talk)
    yield f"#{number:<4} {frame.at_s:>10.3f} s  {frame.sender} → {receiver}: {text}"
    yield from (_INDENT + detail for detail in details)


def _explain(frame: Frame, receiver: str, talk: _Conversation) -> tuple[str, list[str]]:
    try:
        message = decode(frame.message, **_BOUNDS)
    except DecodeError as error:
        return f"sends something unreadable: {error}", []
    if not isinstance(message, Data):
        return ship_text(message), []
    try:
        datagram = decode_datagram(message.datagram)
    except PayloadError as error:
        return f"sends a datagram whose content is unreadable: {error}", []
    except DecodeError as error:
        return f"sends a datagram without readable header: {error}", []
    return _Exchange(frame, talk.sides[frame.sender], talk.sides[receiver], talk).explain(datagram)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One datagram between two sides."""

    frame: Frame
    sender: Side
    receiver: Side
    talk: _Conversation

    def explain(self, datagram: Datagram) -> tuple[str, list[str]]:
        """Headline and details."""
        header, command = datagram.header, datagram.command
        match header.cmd_classifier:
            case Classifier.READ:
                return self._read(datagram)
            case Classifier.REPLY | Classifier.NOTIFY:
                return self._told(datagram)
            case Classifier.WRITE:
                return self._write(datagram)
            case Classifier.CALL:
                return self._call(datagram)
            case Classifier.RESULT:
                return self._result(datagram)
            case other:
                return f"sends {function_words(command.function)} with the unknown classifier '{other}'", []

    def _read(self, datagram: Datagram) -> tuple[str, list[str]]:
        header, command = datagram.header, datagram.command
        words = function_words(command.function)
        text = f"asks {self.receiver.feature_name(header.address_destination)} for {words}"
        part = ", only a part of it" if command.filters else ""
        self._remember(datagram, f"the question for {words}")
        return f"{text}{part}{self._number(datagram)}{_rule(command)}", []

    def _told(self, datagram: Datagram) -> tuple[str, list[str]]:
        header, command = datagram.header, datagram.command
        before, after = self.sender.learn(header.address_source, command)
        place = self.sender.feature_name(header.address_source)
        words = function_words(command.function)
        if header.cmd_classifier == Classifier.REPLY:
            request = self._answered(datagram)
            text = f"{place} answers: {words}{self._after(request)}"
        else:
            text = f"{place} tells {words}{', a part of it' if command.filters else ''}"
        if command.function == HEARTBEAT_FUNCTION:
            self._heartbeat(self.receiver)
        details = change_lines(command.function, before, after, self.sender, header.address_source)
        if command.data is None:
            details = [f"this function is not known here: {str(command.raw)[:200]}"]
        return f"{text}{_rule(command)}", details

    def _write(self, datagram: Datagram) -> tuple[str, list[str]]:
        header, command = datagram.header, datagram.command
        address = header.address_destination
        words = function_words(command.function)
        merged = self.receiver.candidate(address, command)
        known = self.receiver.known(address, command.function)
        details = change_lines(command.function, known, merged, self.receiver, address)
        verdict = None
        if command.function == LIMIT_FUNCTION:
            book = self._book(self.receiver)
            verdict = book.written(command.data, merged, self.receiver, address, self.frame.at_s)
        if verdict is not None:
            details.append(f">> by the rules {'accepted' if verdict.accepted else 'refused'}: {verdict.text}")
        self._remember(datagram, f"the write of {words}", verdict)
        how = _filter_words(command)
        place = self.receiver.feature_name(address)
        return f"writes {words} to {place}{how}{self._number(datagram)}{_rule(command)}", details

    def _call(self, datagram: Datagram) -> tuple[str, list[str]]:
        command = datagram.command
        words = function_words(command.function)
        self._remember(datagram, f"the request for {words}")
        match command.data:
            case NodeManagementSubscriptionRequestCall(subscription_request=request) if request is not None:
                details = [self._relation(request.client_address, request.server_address)]
            case NodeManagementBindingRequestCall(binding_request=request) if request is not None:
                details = [self._relation(request.client_address, request.server_address)]
            case _:
                details = []
        return f"requests {words}{self._number(datagram)}{_rule(command)}", details

    def _relation(self, client: FeatureAddress | None, server: FeatureAddress | None) -> str:
        ours, theirs = self.sender.feature_name(client), self.receiver.feature_name(server)
        return f"its {ours} with {theirs} of {self.receiver.name}"

    def _result(self, datagram: Datagram) -> tuple[str, list[str]]:
        result = datagram.command.data
        request = self._answered(datagram)
        reference = datagram.header.msg_counter_reference
        subject = request.text if request else f"an unknown message {reference}"
        if not isinstance(result, ResultData):
            return f"answers {subject} with a result that says nothing", []
        accepted = not result.error_number
        if accepted:
            text = f"accepts {subject} (number {reference}){self._after(request)}"
        else:
            reason = f": {result.description}" if result.description else ""
            text = f"refuses {subject} (number {reference}) with error {result.error_number}{reason}"
            text += self._after(request)
        if request is None or request.verdict is None or request.verdict.accepted is accepted:
            return text, []
        expected = "accepted" if request.verdict.accepted else "refused"
        return text, [f">> by the rules it should have been {expected}"]

    # -- what is kept --------------------------------------------------------------------------------

    def _remember(self, datagram: Datagram, text: str, verdict: Verdict | None = None) -> None:
        counter = datagram.header.msg_counter
        if counter is not None:
            self.talk.requests[self.sender.name, counter] = _Request(text, self.frame.at_s, verdict)

    def _answered(self, datagram: Datagram) -> _Request | None:
        return self.talk.requests.get((self.receiver.name, datagram.header.msg_counter_reference or 0))

    def _after(self, request: _Request | None) -> str:
        return "" if request is None else f", {(self.frame.at_s - request.at_s) * 1000:.1f} ms later"

    def _number(self, datagram: Datagram) -> str:
        return f" (number {datagram.header.msg_counter})"

    def _book(self, system: Side) -> RuleBook:
        if system.name not in self.talk.rules:
            self.talk.rules[system.name] = RuleBook(self.frame.at_s)
        return self.talk.rules[system.name]

    def _heartbeat(self, hearer: Side) -> None:
        """A heartbeat counts where limits are: at a controllable system."""
        if hearer.tree.find_features("LoadControl", "server"):
            self._book(hearer).heartbeat(self.frame.at_s)


def _rule(command: Command) -> str:
    rule = RULES.get(command.function)
    return f" ({rule})" if rule else ""


def _filter_words(command: Command) -> str:
    controls = [item.cmd_control for item in command.filters if item.cmd_control is not None]
    deletes = any(control.delete is not None for control in controls)
    partial = any(control.partial is not None for control in controls)
    if deletes:
        return ", deleting a part and changing a part" if partial else ", deleting a part"
    return ", only the named parts" if partial else ", as a whole"
