"""What events say: a sentence that can be sent to somebody as it is, in two languages."""

from datetime import UTC, datetime, timedelta

import pytest

from eebus.usecases.limitation import Direction
from hems.northbound.home_assistant.sentences import Sentences
from hems.northbound.home_assistant.words import Language
from hems.northbound.mqtt.commands import Cause

EN, DE = Sentences(Language.EN), Sentences(Language.DE)
DRAW, FEED_IN = Direction.CONSUMPTION, Direction.PRODUCTION
NOW = datetime(2026, 1, 31, 18, 20, tzinfo=UTC)
SOON, TOMORROW = NOW + timedelta(minutes=10), NOW + timedelta(hours=10)


def test_a_limit_names_direction_value_and_end() -> None:
    assert EN.limited(DRAW, 4200.0, SOON, NOW) == (
        "The grid operator limits consumption to 4.20 kW until 18:30"
    )
    assert DE.limited(DRAW, 4200.0, SOON, NOW) == (
        "Der Netzbetreiber begrenzt den Bezug auf 4,20 kW bis 18:30 Uhr"
    )
    assert EN.limited(FEED_IN, 0.0, None, NOW) == "The grid operator limits feed-in to 0 W"
    assert DE.limited(FEED_IN, 0.0, None, NOW) == "Der Netzbetreiber begrenzt die Einspeisung auf 0 W"


def test_an_end_on_another_day_names_the_day() -> None:
    assert EN.limited(DRAW, 4200.0, TOMORROW, NOW).endswith("to 4.20 kW until 2026-02-01 04:20")
    assert DE.limited(DRAW, 4200.0, TOMORROW, NOW).endswith("auf 4,20 kW bis 01.02.2026 04:20 Uhr")


@pytest.mark.parametrize(
    ("english", "german", "says"),
    [
        (
            EN.released(DRAW),
            DE.released(DRAW),
            (
                "The grid operator no longer limits consumption",
                "Der Netzbetreiber begrenzt den Bezug nicht mehr",
            ),
        ),
        (
            EN.refused(DRAW, 4200.0, "LPC-TS-036"),
            DE.refused(DRAW, 4200.0, "LPC-TS-036"),
            (
                "The grid operator wanted to limit consumption to 4.20 kW, that was refused (LPC-TS-036)",
                "Der Netzbetreiber wollte den Bezug auf 4,20 kW begrenzen, das wurde abgelehnt (LPC-TS-036)",
            ),
        ),
        (
            EN.refused(None, None, "003/1"),
            DE.refused(None, None, "003/1"),
            (
                "An order of the grid operator was refused (003/1)",
                "Eine Anweisung des Netzbetreibers wurde abgelehnt (003/1)",
            ),
        ),
        (
            EN.limit_ended(FEED_IN),
            DE.limit_ended(FEED_IN),
            ("The limit on feed-in has ended", "Die Begrenzung der Einspeisung ist zu Ende"),
        ),
        (
            EN.failsafe(DRAW, 4200.0),
            DE.failsafe(DRAW, 4200.0),
            (
                "The Steuerbox is silent: failsafe limits consumption to 4.20 kW",
                "Die Steuerbox schweigt: Der Notbetrieb begrenzt den Bezug auf 4,20 kW",
            ),
        ),
        (
            EN.failsafe(FEED_IN, None),
            DE.failsafe(FEED_IN, None),
            (
                "The Steuerbox is silent: failsafe without a limit for feed-in",
                "Die Steuerbox schweigt: Notbetrieb ohne Grenze für die Einspeisung",
            ),
        ),
        (
            EN.failsafe_ended(FEED_IN),
            DE.failsafe_ended(FEED_IN),
            ("Failsafe for feed-in has ended", "Der Notbetrieb für die Einspeisung ist zu Ende"),
        ),
        (
            EN.own_limit(6000.0),
            DE.own_limit(6000.0),
            (
                "An own limit of 6.00 kW for consumption was set by MQTT",
                "Eine eigene Grenze von 6,00 kW für den Bezug wurde über MQTT gesetzt",
            ),
        ),
    ],
)
def test_every_event_says_in_both_languages_what_happened(
    english: str, german: str, says: tuple[str, str]
) -> None:
    assert (english, german) == says


@pytest.mark.parametrize("cause", list(Cause))
def test_every_refused_command_has_words_in_both_languages(cause: Cause) -> None:
    english = EN.own_limit_refused(cause, "abc", 24_150)
    german = DE.own_limit_refused(cause, "abc", 24_150)
    assert english.startswith("The own limit was refused: ")
    assert german.startswith("Die eigene Grenze wurde abgelehnt: ")
