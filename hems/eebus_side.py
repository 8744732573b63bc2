"""The EEBUS side of the gateway, made from its configuration."""

import errno
import socket
from collections.abc import Sequence

from eebus.errors import LocalError
from eebus.ids import Ski, parse_ski
from eebus.io.addresses import PeerAddress
from eebus.io.listener import reserve
from eebus.io.node import NodeSettings
from eebus.spine.model.device import DeviceClassificationManufacturerData
from eebus.usecases.controllable_system import ControllableSystemSettings
from eebus.usecases.energy_guard import EnergyGuardSettings
from eebus.usecases.events import StoredFailsafe
from eebus.usecases.house import Gateway, SubMeter, build_gateway, device_address
from eebus.usecases.limit_rules import OPTIONAL_RULES
from eebus.usecases.monitoring import MonitoringSettings
from eebus.usecases.monitoring_data import Quantity
from hems import __version__
from hems.config import Configuration
from hems.devices import Device, Kind
from hems.vault import serial_of, service_description

CONTROL_WATCHDOG_S = 10.0
"""Without a completed control cycle for so long our heartbeat stops: the box must notice."""


def reserve_port(configuration: Configuration) -> socket.socket:
    """The port of the gateway, taken before anything else is begun; nobody is answered on it yet.

    Raises LocalError, which says what to change.
    """
    host, port = configuration.eebus.host, configuration.eebus.port
    try:
        return reserve(host, port)
    except OSError as error:
        raise LocalError(_why_not(error, host, port)) from error


def _why_not(error: OSError, host: str, port: int) -> str:
    reason = error.strerror or error
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return (
                f"Port {port} is in use: another program, or another gateway, listens there. "
                "Stop that one, or set another port with eebus.port."
            )
        case OSError(errno=errno.EACCES):
            return f"Port {port} may not be used: {reason}. Set one of 1024 or above with eebus.port."
        case _ if host:
            return (
                f"The gateway cannot listen at {host} (eebus.host): {reason}. Name an address of this "
                "machine, or leave eebus.host out to listen at all of them."
            )
        case _:
            return f"The gateway cannot listen on port {port} (eebus.port): {reason}."


def make_gateway(
    configuration: Configuration,
    ski: Ski,
    failsafe: StoredFailsafe,
    sub_meters: Sequence[SubMeter] = (),
    *,
    feed_in_capped: bool = False,
) -> Gateway:
    """The SPINE device of the house; `failsafe` is what a Steuerbox wrote before. `feed_in_capped`: there is
    a limitation factor to report (MGCP scenario 1, optional).
    """
    eebus = configuration.eebus
    serial = serial_of(ski, configuration)
    return build_gateway(
        device_address(eebus.vendor, eebus.model, serial),
        settings=controllable_system_settings(configuration),
        failsafe=failsafe,
        grid=MonitoringSettings(
            grows=True, optional=frozenset({Quantity.PV_LIMIT_FACTOR} if feed_in_capped else ())
        ),
        sub_meters=sub_meters if eebus.report_devices else (),
        downstream=EnergyGuardSettings() if eebus.downstream else None,
        name_plate=DeviceClassificationManufacturerData(
            device_name=configuration.site.name,
            device_code=eebus.model,
            serial_number=serial,
            software_revision=__version__,
            vendor_name=eebus.vendor,
            brand_name=eebus.brand,
        ),
    )


def sub_meters_of(devices: Sequence[Device]) -> tuple[SubMeter, ...]:
    """The entities on which devices report; the offer grows with what each turns out to measure."""
    return tuple(
        SubMeter(
            device.name,
            "Inverter" if device.capabilities.kind is Kind.INVERTER else "SubMeterElectricity",
            grows=True,
        )
        for device in devices
    )


def node_settings(configuration: Configuration, ski: Ski) -> NodeSettings:
    """Where the node listens, what it announces, and whom it dials by address."""
    eebus = configuration.eebus
    return NodeSettings(
        host=eebus.host,
        port=eebus.port,
        service=service_description(ski, configuration),
        announce=eebus.announce,
        discover=eebus.announce,
        interfaces=eebus.interfaces,
        peers=tuple(
            PeerAddress(parse_ski(peer.ski), peer.host, peer.port, peer.path) for peer in eebus.peers
        ),
    )


def controllable_system_settings(configuration: Configuration) -> ControllableSystemSettings:
    """The settings of the controllable system."""
    failsafe, switches = configuration.eebus.failsafe, configuration.eebus.switches
    grid = configuration.grid_connection_point
    return ControllableSystemSettings(
        lpc=switches.consumption_limits,
        lpp=switches.production_limits,
        failsafe_consumption_w=failsafe.consumption_w,
        failsafe_production_w=failsafe.production_w,
        failsafe_duration_s=failsafe.duration_s,
        max_failsafe_duration_s=failsafe.max_duration_s,
        contractual_consumption_w=grid.contractual_consumption_w,
        contractual_production_w=grid.contractual_production_w,
        optional_rules=_optional_rules(configuration),
        heartbeat_reply_counts=switches.heartbeat_reply_counts,
        positive_production_limit=switches.positive_production_limit,
        control_watchdog_s=CONTROL_WATCHDOG_S,
    )


def _optional_rules(configuration: Configuration) -> frozenset[str]:
    switches = configuration.eebus.switches
    off = {
        "906": not switches.leave_init_without_contact,
        "921": not switches.leave_failsafe_without_limit,
        "922": not switches.leave_failsafe_after_duration,
    }
    return OPTIONAL_RULES - {rule for rule, is_off in off.items() if is_off}
