"""Importing this module registers the code of every case."""

from eebus.conformance.cases import (
    limitation_eg,
    limitation_system,
    monitoring_appliance,
    monitoring_server,
    ship,
    spine,
)

MODULES = (ship, spine, limitation_system, limitation_eg, monitoring_server, monitoring_appliance)
