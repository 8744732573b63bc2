"""What an event says, in one sentence for people, English and German. Pure."""

from datetime import datetime

from eebus.usecases.limitation import Direction
from hems.limits.reason import watts
from hems.northbound.home_assistant.words import Language
from hems.northbound.mqtt.commands import MOST_COMMANDS, Cause

_WHAT = {
    (Direction.CONSUMPTION, Language.EN): "consumption",
    (Direction.CONSUMPTION, Language.DE): "den Bezug",
    (Direction.PRODUCTION, Language.EN): "feed-in",
    (Direction.PRODUCTION, Language.DE): "die Einspeisung",
}
_ITS_LIMIT = {
    (Direction.CONSUMPTION, Language.EN): "the limit on consumption",
    (Direction.CONSUMPTION, Language.DE): "die Begrenzung des Bezugs",
    (Direction.PRODUCTION, Language.EN): "the limit on feed-in",
    (Direction.PRODUCTION, Language.DE): "die Begrenzung der Einspeisung",
}


class Sentences:
    """The sentences of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def limited(
        self, direction: Direction, value_w: float | None, until: datetime | None, now: datetime
    ) -> str:
        """An order limits, until then. Dates are shown in their own time zone."""
        what, end = self._what(direction), self._end(until, now)
        to = "" if value_w is None else self._pick(" to ", " auf ") + self._power(value_w)
        return self._pick(
            f"The grid operator limits {what}{to}{end}", f"Der Netzbetreiber begrenzt {what}{to}{end}"
        )

    def released(self, direction: Direction) -> str:
        """An order lifts its limit."""
        what = self._what(direction)
        return self._pick(
            f"The grid operator no longer limits {what}", f"Der Netzbetreiber begrenzt {what} nicht mehr"
        )

    def refused(self, direction: Direction | None, value_w: float | None, rule: str) -> str:
        """An order was refused. `value_w`: None where it would not limit, or has no value."""
        if direction is None or value_w is None:
            return self._pick(
                f"An order of the grid operator was refused ({rule})",
                f"Eine Anweisung des Netzbetreibers wurde abgelehnt ({rule})",
            )
        what, power = self._what(direction), self._power(value_w)
        return self._pick(
            f"The grid operator wanted to limit {what} to {power}, that was refused ({rule})",
            f"Der Netzbetreiber wollte {what} auf {power} begrenzen, das wurde abgelehnt ({rule})",
        )

    def limit_ended(self, direction: Direction) -> str:
        """The time of a limit is over."""
        its_limit = _ITS_LIMIT[direction, self._language]
        return _capital(self._pick(f"{its_limit} has ended", f"{its_limit} ist zu Ende"))

    def failsafe(self, direction: Direction, value_w: float | None) -> str:
        """The Steuerbox has fallen silent. `value_w`: the failsafe limit, None where it does not limit."""
        what = self._what(direction)
        if value_w is None:
            return self._pick(
                f"The Steuerbox is silent: failsafe without a limit for {what}",
                f"Die Steuerbox schweigt: Notbetrieb ohne Grenze für {what}",
            )
        power = self._power(value_w)
        return self._pick(
            f"The Steuerbox is silent: failsafe limits {what} to {power}",
            f"Die Steuerbox schweigt: Der Notbetrieb begrenzt {what} auf {power}",
        )

    def failsafe_ended(self, direction: Direction) -> str:
        """Failsafe is over."""
        what = self._what(direction)
        return self._pick(f"Failsafe for {what} has ended", f"Der Notbetrieb für {what} ist zu Ende")

    def own_limit(self, value_w: float | None) -> str:
        """An own limit was taken by MQTT, or lifted."""
        if value_w is None:
            return self._pick(
                "The own limit was lifted by MQTT", "Die eigene Grenze wurde über MQTT aufgehoben"
            )
        power = self._power(value_w)
        return self._pick(
            f"An own limit of {power} for consumption was set by MQTT",
            f"Eine eigene Grenze von {power} für den Bezug wurde über MQTT gesetzt",
        )

    def own_limit_refused(self, cause: Cause, detail: str, most_w: int) -> str:
        """A command was refused. `detail`: what it said, or what failed; `most_w`: the largest own limit."""
        reasons = {
            Cause.RETAINED: (
                "a retained command could be old; send it without the retain flag",
                "ein gespeicherter Befehl kann alt sein; ohne Retain senden",
            ),
            Cause.NO_NUMBER: (
                f"'{detail}' is not a number of watts",
                f"'{detail}' ist keine Zahl in Watt",
            ),
            Cause.OUT_OF_RANGE: (
                f"{detail} W is not between 0 and {most_w} W",
                f"{detail} W liegt nicht zwischen 0 und {most_w} W",
            ),
            Cause.TOO_MANY: (
                f"more than {MOST_COMMANDS} commands a minute",
                f"mehr als {MOST_COMMANDS} Befehle in der Minute",
            ),
            Cause.NOT_STORED: (
                f"it could not be stored: {detail}",
                f"sie konnte nicht gespeichert werden: {detail}",
            ),
        }
        reason = self._pick(*reasons[cause])
        return self._pick(
            f"The own limit was refused: {reason}", f"Die eigene Grenze wurde abgelehnt: {reason}"
        )

    # --- parts of sentences --------------------------------------------------------------------------------

    def _pick(self, english: str, german: str) -> str:
        return german if self._language is Language.DE else english

    def _what(self, direction: Direction) -> str:
        return _WHAT[direction, self._language]

    def _power(self, value_w: float) -> str:
        return self._pick(watts(value_w), watts(value_w).replace(".", ","))

    def _end(self, until: datetime | None, now: datetime) -> str:
        if until is None:
            return ""
        if until.date() == now.date():
            return self._pick(f" until {until:%H:%M}", f" bis {until:%H:%M} Uhr")
        return self._pick(f" until {until:%Y-%m-%d %H:%M}", f" bis {until:%d.%m.%Y %H:%M} Uhr")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
