"""Names and words for people, English and German. Ids and keys are English always and stand elsewhere."""

from enum import StrEnum

from eebus.usecases.limit_rules import LimitState
from hems.control.execution import Obedience
from hems.limits.ceilings import CeilingKind


class Language(StrEnum):
    """The languages of names and words."""

    EN = "en"
    DE = "de"


_NAMES = {
    "consumption_limit": ("Consumption limit", "Bezugsgrenze"),
    "consumption_allowed": ("Allowed consumption", "Erlaubter Bezug"),
    "consumption_source": ("Consumption limit source", "Quelle der Bezugsgrenze"),
    "consumption_reason": ("Consumption limit reason", "Grund der Bezugsgrenze"),
    "consumption_state": ("Consumption control", "Steuerung Bezug"),
    "consumption_until": ("Consumption limit until", "Bezugsgrenze bis"),
    "production_limit": ("Feed-in limit", "Einspeisegrenze"),
    "production_allowed": ("Allowed production", "Erlaubte Erzeugung"),
    "production_source": ("Feed-in limit source", "Quelle der Einspeisegrenze"),
    "production_reason": ("Feed-in limit reason", "Grund der Einspeisegrenze"),
    "production_state": ("Feed-in control", "Steuerung Einspeisung"),
    "production_until": ("Feed-in limit until", "Einspeisegrenze bis"),
    "heartbeat_age": ("Heartbeat age", "Alter des Herzschlags"),
    "control_box_connected": ("Steuerbox", "Steuerbox"),
    "limited": ("Limited", "Begrenzt"),
    "failsafe": ("Failsafe", "Notbetrieb"),
    "problem": ("Problem", "Problem"),
    "started": ("Started", "Gestartet"),
    "order": ("Order", "Anweisung"),
    "own_limit": ("Own limit", "Eigene Grenze"),
    "grid_power": ("Grid power", "Netzleistung"),
    "grid_imported": ("Grid import", "Netzbezug"),
    "grid_exported": ("Grid export", "Netzeinspeisung"),
    "house_power": ("House power", "Hausverbrauch Leistung"),
    "house_energy": ("House energy", "Hausverbrauch Energie"),
    "connected": ("Connection", "Verbindung"),
    "device_state": ("Device state", "Gerätezustand"),
    "power": ("Power", "Leistung"),
    "energy": ("Energy", "Energie"),
    "production_power": ("Production power", "Erzeugungsleistung"),
    "production_energy": ("Produced energy", "Erzeugte Energie"),
    "battery_power": ("Battery power", "Batterieleistung"),
    "charged_energy": ("Charged energy", "Geladene Energie"),
    "discharged_energy": ("Discharged energy", "Entladene Energie"),
    "consumption_setpoint": ("Consumption set-point", "Sollwert Bezug"),
    "consumption_setpoint_reason": ("Consumption set-point reason", "Grund Sollwert Bezug"),
    "consumption_following": ("Consumption set-point effect", "Wirkung Sollwert Bezug"),
    "production_setpoint": ("Production set-point", "Sollwert Erzeugung"),
    "production_setpoint_reason": ("Production set-point reason", "Grund Sollwert Erzeugung"),
    "production_following": ("Production set-point effect", "Wirkung Sollwert Erzeugung"),
}  # fmt: skip

_STATES = {
    LimitState.INIT: ("starting, waits for the Steuerbox", "startet, wartet auf die Steuerbox"),
    LimitState.UNLIMITED_CONTROLLED: ("not limited, Steuerbox in control", "unbegrenzt, Steuerbox führt"),
    LimitState.LIMITED: ("limited by the grid operator", "begrenzt durch den Netzbetreiber"),
    LimitState.FAILSAFE: ("failsafe, the Steuerbox is silent", "Notbetrieb, die Steuerbox schweigt"),
    LimitState.UNLIMITED_AUTONOMOUS: ("not limited, no Steuerbox", "unbegrenzt, keine Steuerbox führt"),
}  # fmt: skip

_SOURCES = {
    CeilingKind.PROTECTION: ("protection", "Schutz"),
    CeilingKind.GRID_OPERATOR: ("grid operator", "Netzbetreiber"),
    CeilingKind.SELF_IMPOSED: ("failsafe value", "Notbetriebswert"),
    CeilingKind.STATUTORY: ("law", "Gesetz"),
    CeilingKind.USER: ("own limit", "eigene Grenze"),
}

_FOLLOWING = {
    Obedience.FREE: ("free", "frei"),
    Obedience.PENDING: ("set-point is on its way", "Sollwert unterwegs"),
    Obedience.APPLIED: ("set-point was sent", "Sollwert gesendet"),
    Obedience.CONFIRMED: ("set-point was read back", "Sollwert zurückgelesen"),
    Obedience.EFFECTIVE: ("measured at or below", "gemessen eingehalten"),
    Obedience.DISOBEYING: ("above its set-point", "über dem Sollwert"),
    Obedience.UNREACHABLE: ("not reachable", "nicht erreichbar"),
}

NOTHING = {Language.EN: "none", Language.DE: "keine"}
"""The source while nothing is limited."""


def name_of(key: str, language: Language) -> str:
    """The name of the entity with this key."""
    return _pick(_NAMES[key], language)


def state_word(state: LimitState, language: Language) -> str:
    """The state of a use case in plain words."""
    return _pick(_STATES[state], language)


def source_word(kind: CeilingKind, language: Language) -> str:
    """Who limits."""
    return _pick(_SOURCES[kind], language)


def following_word(obedience: Obedience, language: Language) -> str:
    """How a device follows its set-point."""
    return _pick(_FOLLOWING[obedience], language)


def _pick(words: tuple[str, str], language: Language) -> str:
    return words[language is Language.DE]
