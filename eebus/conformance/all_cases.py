"""The code of every case."""

from collections.abc import Mapping

from eebus.conformance.cases import (
    limitation_guard,
    limitation_system,
    monitoring_appliance,
    monitoring_server,
    ship,
    spine,
)
from eebus.conformance.registry import REGISTERED, CaseCode

MODULES = (ship, spine, limitation_system, limitation_guard, monitoring_server, monitoring_appliance)
"""Importing them registers their cases."""


def case_codes() -> Mapping[str, CaseCode]:
    """All codes by the id of their case."""
    return REGISTERED
