"""What a manufacturer declares about a device, and which cases a declaration makes not applicable.

One sheet has the sections of the catalogue's layers. A value is a number, a text, or yes/no. ``roles`` says
which actors of which use case the device plays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from eebus.conformance.catalogue import LAYERS, CaseEntry
from eebus.errors import LocalError

Value = str | float | bool
Section = Mapping[str, Value]

_SPINE_SECTION: Final = "SHIP"
"""SPINE shares the sheet of SHIP (chapter 3.1 of the parameter lists)."""
_MEASURED: Final = ("TotalActivePower", "TotalConsumedEnergy", "ActiveACCurrent", "ACVoltage", "Frequency")


def _limitation(
    range_name: str, failsafe: str, low: float, high: float, preset: str, preset_w: float
) -> Section:
    return {
        "CEM": True,
        "StartUpDur_CS": 60.0,
        "StartUpDur_EG": 60.0,
        f"{range_name}min": low,
        f"{range_name}max": high,
        f"{failsafe}min": 0.0,
        f"{failsafe}max": abs(high - low),
        preset: preset_w,
        "PFSDM": 7200.0,
        "MFSDM": 86400.0,
        "A1": True,
        "A2": True,
        "A5": True,
        "B3": False,
        "C3": False,
        "D1": False,
        "D2": True,
        "D3": True,
        "E1": True,
        "E2": True,
        "M1": False,
        "N1": False,
    }


def _monitoring(*extra: str) -> Section:
    return {
        "polling": False,
        "notification": True,
        "phase.A": True,
        "phase.B": True,
        "phase.C": True,
        **{f"dp.{name}": True for name in (*_MEASURED, *extra)},
        "voltage.phaseToPhase": False,
        "dir.consume": True,
        "dir.produce": True,
    }


RECOMMENDED: Final[Mapping[str, Section]] = {
    "SHIP": {
        "PAR_shipSvc": True,
        "PAR_shipId": "",
        "PAR_shipVersion": "1.0",
        "PAR_testToolShipVersion": "1.0",
        "PAR_helloProlongationCount": 2.0,
        "PAR_initiateClose": True,
        "PAR_queryAccessMethods": True,
        "PAR_clientDetailedDiscoverySupported": True,
        "PAR_clientSubscriptionSupported": True,
        "PAR_initialTimeoutSupported": True,
        "PAR_addressChangeRecovery": "session-only",
        "PAR_spineVersion": "1.3.0",
        "PAR_limitationUseCase": "LPC",
        "PAR_lpcLpp_Test_Value1": 4201.0,
        "PAR_lpcLpp_Test_Value2": 7300.0,
    },
    "LPC": _limitation("APCL", "FCAPL", 0.0, 34500.0, "PFCAPL", 4200.0),
    "LPP": _limitation("APPL", "FPAPL", -30000.0, 0.0, "PFPAPL", 30000.0),
    "MPC": _monitoring("PhaseActivePower", "TotalProducedEnergy"),
    "MGCP": {**_monitoring("TotalFeedInEnergy"), "dp.PowerLimitFactor": False},
}
"""What is assumed where a sheet says nothing; the site values are those of a house of 34.5 kW with PV."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The declarations of one device."""

    roles: frozenset[tuple[str, str]]
    """Use case and actor: ``("LPC", "CS")``."""
    sections: Mapping[str, Section]

    def section(self, layer: str) -> Section:
        """The declarations that the cases of a layer speak about."""
        return self.sections[_SPINE_SECTION if layer == "SPINE" else layer]

    def number(self, layer: str, name: str) -> float:
        """A declared number. Raises LocalError when it is none."""
        value = self.section(layer).get(name)
        if isinstance(value, bool) or not isinstance(value, float):
            raise LocalError(f"the parameter sheet must give a number for {layer} {name}")
        return value

    def says(self, layer: str, name: str) -> bool:
        """A declared yes or no."""
        return written(self.section(layer).get(name, False)) == "yes"

    def why_not(self, entry: CaseEntry) -> str | None:
        """The declaration that makes a case not applicable; None when it is applicable."""
        role = self._missing_role(entry)
        if role is not None:
            return role
        found = excluding(entry.condition, self.section(entry.layer))
        return " and ".join(found) if found else None

    def _missing_role(self, entry: CaseEntry) -> str | None:
        if entry.actor is None:
            return None
        layers = ("LPC", "LPP") if entry.layer == "SPINE" else (entry.layer,)
        if any((layer, entry.actor) in self.roles for layer in layers):
            return None
        return f"role {entry.actor} of {' or '.join(layers)}=no"


class Declared(Protocol):
    """A device about which something is declared."""

    @property
    def name(self) -> str:
        """How reports call it."""

    @property
    def sheet(self) -> Sheet:
        """What is declared."""


def why_not(entry: CaseEntry, devices: Iterable[Declared]) -> str:
    """Why a case applies to no device. What a device lacks altogether counts only if all do."""
    reasons = {device.name: device.sheet.why_not(entry) or "" for device in devices}
    telling = {name: reason for name, reason in reasons.items() if not reason.startswith("role ")}
    return "; ".join(f"{name}: {reason}" for name, reason in (telling or reasons).items())


def make_sheet(given: Mapping[str, object]) -> Sheet:
    """A sheet from plain data: ``roles`` (list of texts such as ``LPC/CS``) and one mapping per layer.

    What is not named has the recommended value. Raises LocalError for unknown sections, names and roles.
    """
    unknown = set(given) - {"roles", *RECOMMENDED}
    if unknown:
        raise LocalError(f"unknown section in the parameter sheet: {', '.join(sorted(unknown))}")
    sections = {layer: {**RECOMMENDED[layer], **_checked(layer, given.get(layer))} for layer in RECOMMENDED}
    return Sheet(_roles(given.get("roles")), sections)


def _checked(layer: str, section: object) -> Section:
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise LocalError(f"section {layer} of the parameter sheet must hold names and values")
    unknown = set(section) - set(RECOMMENDED[layer])
    if unknown:
        raise LocalError(f"unknown parameters in section {layer}: {', '.join(sorted(map(str, unknown)))}")
    return {str(name): _value(value) for name, value in section.items()}


def _value(value: object) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value)
    text = str(value)
    return {"yes": True, "no": False}.get(text, text)


def _roles(given: object) -> frozenset[tuple[str, str]]:
    if given is None:
        return frozenset({("LPC", "CS"), ("LPP", "CS"), ("MGCP", "GCP")})
    roles = set()
    for text in given if isinstance(given, list | tuple) else ():
        layer, _, actor = str(text).partition("/")
        if layer not in LAYERS or actor not in {"CS", "EG", "MU", "GCP", "MA"}:
            raise LocalError(f"'{text}' is not a role such as LPC/CS or MGCP/MA")
        roles.add((layer, actor))
    return frozenset(roles)


def written(value: Value) -> str:
    """A value as the conditions write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else value


def excluding(condition: str, declared: Section) -> list[str]:
    """The terms of a condition that hold: of its alternatives (``|``) the first whose terms (``&``) all do.

    Empty when none holds. A name that is not declared never holds.
    """
    for alternative in condition.split("|") if condition else ():
        terms = alternative.split("&")
        if all(_holds(term, declared) for term in terms):
            return terms
    return []


def _holds(term: str, declared: Section) -> bool:
    name, _, value = term.partition("=")
    return name in declared and written(declared[name]) == value
