"""The `modbus` device type: settings, and how a device is made from them."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from adapters.context import Context
from adapters.modbus.bus import Pacing
from adapters.modbus.endpoint import Endpoint, Framing, SerialEndpoint, TcpEndpoint
from adapters.modbus.profile import Framings, Profile, Transport
from adapters.modbus.profile_device import ProfileDevice
from adapters.modbus.profile_files import load_profile
from adapters.settings import AdapterSettings, Figures, Port, SettingsError, UnitId, figures_among

MODBUS_TYPE = "modbus"


class ModbusSettings(AdapterSettings):
    """`adapter: {type: modbus, profile: …, host: …}`: a device that a profile describes."""

    type: Literal["modbus"] = Field(description="A device behind Modbus that a profile describes")
    profile: str = Field(description="Id of the device profile, e.g. heidelberg-energy-control")
    host: str | None = Field(default=None, description="Host name or address, for Modbus over TCP")
    port: Port | None = Field(default=None, description="TCP port; the profile's default otherwise")
    framing: Framing = Field(
        default=Framing.TCP, description="tcp, or rtu_tcp for a plain serial-to-network converter"
    )
    serial: str | None = Field(default=None, description="Serial line instead of a host, e.g. /dev/ttyUSB0")
    unit: UnitId | None = Field(default=None, description="Modbus unit id; the profile's default otherwise")
    request_gap_ms: int | None = Field(
        default=None, ge=0, description="Silence before each request in ms; the profile's default otherwise"
    )
    write_gap_ms: int | None = Field(
        default=None,
        ge=0,
        description="Shortest time between two writes in ms; the profile's default otherwise",
    )
    nameplate_w: float | None = Field(
        default=None,
        gt=0.0,
        description="Largest power in W by the type plate, where it is not the control's",
    )
    params: dict[str, float] = Field(
        default_factory=dict, description="Parameters of the profile, e.g. phases, max_current_a"
    )

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Self:
        if (self.host is None) == (self.serial is None):
            raise ValueError("give either host (for TCP) or serial (for a line)")
        return self

    def place(self, profile_folders: Sequence[Path] = (), /) -> Hashable:
        transport = load_profile(self.profile, self.params, profile_folders).transport
        unit = transport.unit if self.unit is None else self.unit
        if self.host is None:
            return MODBUS_TYPE, self.serial, unit
        return MODBUS_TYPE, self.host.lower(), self.port or transport.port, unit

    def figures(self, profile_folders: Sequence[Path] = (), /) -> Figures:
        return figures_among(load_profile(self.profile, self.params, profile_folders).params)


def make_profile_device(name: str, settings: ModbusSettings, context: Context) -> ProfileDevice:
    """The factory for the registry. Raises SettingsError."""
    profile = load_profile(settings.profile, settings.params, context.profile_folders)
    transport = profile.transport
    endpoint = _endpoint(name, settings, profile)
    unit_id = transport.unit if settings.unit is None else settings.unit
    unit = context.buses.unit(endpoint, name, unit_id, _pacing(settings, transport))
    return ProfileDevice(name, profile, unit, context.clock, context.sleep, settings.nameplate_w)


def _endpoint(name: str, settings: ModbusSettings, profile: Profile) -> Endpoint:
    transport = profile.transport
    endpoint: Endpoint
    if settings.serial is not None:
        wanted = Framings.SERIAL
        endpoint = SerialEndpoint(settings.serial, transport.baudrate, transport.parity, transport.stopbits)
    else:
        assert settings.host is not None  # the settings model checks it
        wanted = Framings(settings.framing.value)
        endpoint = TcpEndpoint(settings.host, settings.port or transport.port, settings.framing)
    if wanted not in transport.framings:
        known = ", ".join(framing.value for framing in transport.framings)
        raise SettingsError(
            f"{name}: {profile.profile.id} cannot be reached by {wanted.value}, but by {known}"
        )
    return endpoint


def _pacing(settings: ModbusSettings, transport: Transport) -> Pacing:
    gap_ms = transport.request_gap_ms if settings.request_gap_ms is None else settings.request_gap_ms
    write_gap_ms = transport.write_gap_ms if settings.write_gap_ms is None else settings.write_gap_ms
    return Pacing(
        timeout_s=transport.timeout_ms / 1000.0,
        request_gap_s=gap_ms / 1000.0,
        gap_on_line=transport.request_gap_of == "line",
        write_gap_s=write_gap_ms / 1000.0,
        connect_delay_s=transport.connect_delay_ms / 1000.0,
        busy_retries=transport.busy_retries,
    )
