"""The settings of the gateway as people write them: names, meaning, unit, range, default.

Everything here is declarative. Field descriptions are shown by the editor, by `hems config schema` and in the
messages about mistakes; every number carries its unit and its range.
"""

from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, SerializeAsAny

from hems.config.limit_models import (
    GenerationSettings,
    ProgrammeSettings,
    ProtectionSettings,
    RelaySettings,
    RulesSettings,
    WishSettings,
)
from hems.config.section import MAX_POWER_W, NAME, NAME_FORM, Section, unit

METER_NAME = "grid_meter"
"""Name of the meter at the grid connection point; no device may take it."""

_SKI = r"^[0-9a-fA-F]{4}([ :-]?[0-9a-fA-F]{4}){9}$"
_TOPIC = r"^[^/#+\s]+(/[^/#+\s]+)*$"
_TOPIC_FORM = "no space, '+', '#', nor '/' at an end"

_SHORTEST_FAILSAFE_S = 7_200.0
_LONGEST_FAILSAFE_S = 86_400.0


class SiteSettings(Section):
    """What this house is called."""

    name: str = Field(
        default="Home", min_length=1, max_length=64, description="Name of the house, for logs and screens."
    )


class LogSettings(Section):
    """What is written to standard error while the gateway runs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is written."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="`text` for people, `json` for machines: one object a line."
    )


class PeerSettings(Section):
    """A peer that is dialled by address, without waiting for its announcement."""

    ski: str = Field(pattern=_SKI, description="SKI of the peer: 40 hexadecimal digits, groups of 4 allowed.")
    host: str = Field(min_length=1, max_length=253, description="Host name or IP address of the peer.")
    port: int = Field(
        default=4712, ge=1, le=65_535, description="TCP port of the peer.", json_schema_extra=unit("port")
    )
    path: str = Field(
        default="/ship/", pattern=r"^/\S*$", description="WebSocket path of the peer: '/' first, no space."
    )


class FailsafeSettings(Section):
    """What holds while nobody tells the gateway anything. A value written by the Steuerbox beats these."""

    consumption_w: float = Field(
        default=4_200.0,
        ge=0.0,
        le=MAX_POWER_W,
        description="Largest draw of all controllable devices while the Steuerbox is silent, in watts.",
        json_schema_extra=unit("W"),
    )
    production_w: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_POWER_W,
        description="Largest feed-in while the Steuerbox is silent, in watts; null means no cut of feed-in.",
        json_schema_extra=unit("W"),
    )
    duration_s: float = Field(
        default=_SHORTEST_FAILSAFE_S,
        ge=_SHORTEST_FAILSAFE_S,
        le=_LONGEST_FAILSAFE_S,
        description="How long the failsafe lasts at least, in seconds (2 to 24 hours).",
        json_schema_extra=unit("s"),
    )
    max_duration_s: float = Field(
        default=_LONGEST_FAILSAFE_S,
        ge=_SHORTEST_FAILSAFE_S,
        le=_LONGEST_FAILSAFE_S,
        description="Longest failsafe duration that the Steuerbox may write, in seconds.",
        json_schema_extra=unit("s"),
    )


class SwitchSettings(Section):
    """Points on which the specification leaves the choice to us; the default is the recommended choice."""

    consumption_limits: bool = Field(
        default=True, description="Offer the use case LPC: the Steuerbox may limit consumption."
    )
    production_limits: bool = Field(
        default=True, description="Offer the use case LPP: the Steuerbox may limit feed-in."
    )
    leave_init_without_contact: bool = Field(
        default=True,
        description="Rule 906: 120 s after the start, without a limit until then, the failsafe limit ends.",
    )
    leave_failsafe_without_limit: bool = Field(
        default=True,
        description="Rule 921: the heartbeat is back, but no limit follows within 120 s: the failsafe ends.",
    )
    leave_failsafe_after_duration: bool = Field(
        default=True, description="Rule 922: the failsafe ends by itself when its duration is over."
    )
    heartbeat_reply_counts: bool = Field(
        default=True,
        description="A heartbeat that we read counts like one that the Steuerbox sent by itself.",
    )
    positive_production_limit: Literal["refuse", "magnitude"] = Field(
        default="refuse",
        description="A feed-in limit with the wrong (positive) sign: refuse it, or take it as a magnitude.",
    )


class EebusSettings(Section):
    """The connection to the Steuerbox."""

    host: str = Field(
        default="",
        max_length=253,
        description="Address to listen on; empty means every address of this machine.",
    )
    port: int = Field(
        default=4712,
        ge=0,
        le=65_535,
        description="TCP port on which the Steuerbox reaches the gateway; 0 takes any free one.",
        json_schema_extra=unit("port"),
    )
    interfaces: tuple[str, ...] = Field(
        default=(),
        max_length=16,
        description="Network interfaces on which to announce and to look for peers; empty means all.",
    )
    announce: bool = Field(
        default=True, description="Announce the gateway in the local network, so that the Steuerbox finds it."
    )
    brand: str = Field(
        default="eebus-hems", min_length=1, max_length=32, description="Brand shown to the Steuerbox."
    )
    vendor: str = Field(
        default="eebus-hems", min_length=1, max_length=32, description="Vendor shown to the Steuerbox."
    )
    model: str = Field(
        default="Gateway", min_length=1, max_length=32, description="Model shown to the Steuerbox."
    )
    serial: str = Field(
        default="",
        max_length=32,
        description="Serial number shown to the Steuerbox; empty takes one made from the identity.",
    )
    pairing_service: bool = Field(
        default=False,
        description="Trust a control unit that is announced with the secret of the QR code "
        "(SHIP Pairing Service).",
    )
    report_devices: bool = Field(
        default=False,
        description="Report the power of each device to the Steuerbox (MPC), not only that of the house.",
    )
    downstream: bool = Field(
        default=False,
        description="Offer EEBUS devices in the house an energy guard of our own, and read their power.",
    )
    peers: tuple[PeerSettings, ...] = Field(
        default=(),
        max_length=16,
        description="Peers that are dialled by address, where announcements do not reach.",
    )
    failsafe: FailsafeSettings = Field(
        default=FailsafeSettings(), description="Limits and times that hold while the Steuerbox is silent."
    )
    switches: SwitchSettings = Field(
        default=SwitchSettings(), description="Choices that the specification leaves to the gateway."
    )


class MqttTlsSettings(Section):
    """Encryption of the connection to the MQTT broker."""

    ca_file: Path | None = Field(
        default=None,
        description="Certificate of the broker's authority; null trusts what the system trusts.",
    )
    certificate_file: Path | None = Field(
        default=None, description="Our own certificate, where the broker asks for one."
    )
    key_file: Path | None = Field(default=None, description="The key of our own certificate.")
    check_certificate: bool = Field(
        default=True, description="False takes any broker for the right one: for tests only."
    )


class HomeAssistantSettings(Section):
    """How the gateway shows itself to Home Assistant."""

    enabled: bool = Field(default=True, description="Announce the gateway and its devices by discovery.")
    prefix: str = Field(
        default="homeassistant",
        pattern=_TOPIC,
        max_length=64,
        description=f"Discovery prefix set there: {_TOPIC_FORM}.",
    )
    status_topic: str = Field(
        default="homeassistant/status",
        pattern=_TOPIC,
        max_length=128,
        description=f"Topic on which Home Assistant tells its start: {_TOPIC_FORM}.",
    )
    form: Literal["device", "single"] = Field(
        default="device",
        description="`device` needs Home Assistant 2024.11 or newer; `single` is the older form.",
    )
    language: Literal["de", "en"] = Field(
        default="en", description="Language of the names; entity ids are English always."
    )


class MqttSettings(Section):
    """The MQTT broker of the house."""

    host: str = Field(min_length=1, max_length=253, description="Host name or IP address of the broker.")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="TCP port of the broker; null takes 1883, with `tls` 8883.",
        json_schema_extra=unit("port"),
    )
    username: str | None = Field(default=None, max_length=128, description="User name at the broker.")
    password_file: Path | None = Field(
        default=None, description="File with the password; relative to the configuration file."
    )
    tls: MqttTlsSettings | None = Field(
        default=None, description="Encryption; `tls: {}` is enough for a broker with a public certificate."
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        default="auto", description="Version of the protocol; `auto` tries 5 first."
    )
    keepalive_s: int = Field(
        default=15,
        ge=5,
        le=300,
        description="After one and a half times this silence, in seconds, the broker tells that we are gone.",
        json_schema_extra=unit("s"),
    )
    base_topic: str = Field(
        default="hems",
        pattern=_TOPIC,
        max_length=64,
        description=f"Beginning of all topics of the gateway: {_TOPIC_FORM}.",
    )
    gateway_id: str = Field(
        default="",
        pattern=r"^[a-z0-9_-]{0,32}$",
        description="Second part of all topics and of all ids: a-z, 0-9, '_' and '-', at most 32; empty "
        "takes the first digits of the SKI.",
    )
    measurement_interval_s: float = Field(
        default=2.0,
        ge=1.0,
        le=60.0,
        description="Shortest time between two messages with measured values of a device, in seconds.",
        json_schema_extra=unit("s"),
    )
    commands: bool = Field(
        default=False, description="Take an own limit by MQTT. It can lower a limit, never raise one."
    )
    home_assistant: HomeAssistantSettings = Field(
        default=HomeAssistantSettings(), description="How the gateway shows itself to Home Assistant."
    )


class GridConnectionPointSettings(Section):
    """What the contract with the grid operator says, and the meter that shows it."""

    contractual_consumption_w: float = Field(
        default=24_150.0,
        gt=0.0,
        le=MAX_POWER_W,
        description="Largest draw that the grid connection is made for, in watts (3 x 35 A: 24150).",
        json_schema_extra=unit("W"),
    )
    contractual_production_w: float = Field(
        default=30_000.0,
        ge=0.0,
        le=MAX_POWER_W,
        description="Largest feed-in that the grid connection is made for, in watts.",
        json_schema_extra=unit("W"),
    )
    meter: SerializeAsAny[BaseModel] | None = Field(
        default=None,
        description="The meter there; `type` says how it is reached. Without it no surplus is handed on.",
    )
    protection: ProtectionSettings | None = Field(
        default=None, description="House fuse, phases and unbalance; null leaves them to other protection."
    )


class DeviceSettings(Section):
    """One device that the gateway steers."""

    name: str = Field(pattern=NAME, description=f"Name of the device: {NAME_FORM}.")
    priority: int = Field(
        default=50,
        ge=1,
        le=100,
        description="Who gets power first while it is scarce: 1 is served before 2.",
        json_schema_extra=unit("rank"),
    )
    consumer_class: Literal["charge_point", "heat_pump", "cooling", "storage"] | None = Field(
        default=None,
        alias="class",
        description="Class by § 14a EnWG; null takes what the adapter says. A heating rod is a heat_pump.",
    )
    connection_power_w: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_POWER_W,
        description="Connection power in watts, of a battery that of charging; null takes the type plate.",
        json_schema_extra=unit("W"),
    )
    commissioned: date | None = Field(
        default=None, description="Day on which it was put into operation: before 2024 it need not take part."
    )
    control: Literal["ems", "direct"] = Field(
        default="ems",
        description="`ems`: shares one limit with the others; `direct`: it has a limit of its own.",
    )
    controllable: bool | None = Field(
        default=None,
        description="Whether its draw falls under consumption limits; null decides by § 14a EnWG.",
    )
    need: int = Field(
        default=1,
        ge=0,
        le=9,
        description="Class of need for the strategy `need`: 0 is served before 1.",
        json_schema_extra=unit("rank"),
    )
    phases: tuple[Literal[1, 2, 3], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=3,
        description="Phases that it is connected to, such as [2]; null takes what the adapter says: the "
        "first for a single-phase device, else all three.",
    )
    adapter: SerializeAsAny[BaseModel] = Field(
        description="How the device is reached; `type` says which way."
    )
    _profile_folders: tuple[Path, ...] = PrivateAttr(default=())

    @property
    def profile_folders(self) -> tuple[Path, ...]:
        """Where its profile is looked for beside those of the gateway; the same for all devices."""
        return self._profile_folders

    def looked_up_in(self, profile_folders: tuple[Path, ...]) -> Self:
        """The same device with its profile in these folders."""
        found = self.model_copy()
        found._profile_folders = profile_folders
        return found


class Configuration(Section):
    """The whole configuration of one gateway."""

    site: SiteSettings = Field(default=SiteSettings(), description="What this house is called.")
    data_dir: Path = Field(
        default=Path("data"),
        description="Folder for identity, trust and records; relative to the configuration file.",
    )
    profile_folders: tuple[Path, ...] = Field(
        default=(Path("profiles"),),
        max_length=16,
        description="Folders with device profiles of your own, searched before those of the gateway; "
        "relative to the configuration file.",
    )
    log: LogSettings = Field(default=LogSettings(), description="What is written while the gateway runs.")
    eebus: EebusSettings = Field(default=EebusSettings(), description="The connection to the Steuerbox.")
    mqtt: MqttSettings | None = Field(
        default=None, description="The MQTT broker of the house; without it no MQTT and no Home Assistant."
    )
    grid_connection_point: GridConnectionPointSettings = Field(
        default=GridConnectionPointSettings(), description="The grid connection and its meter."
    )
    devices: tuple[DeviceSettings, ...] = Field(
        default=(), max_length=128, description="The devices that the gateway steers."
    )
    rules: RulesSettings = Field(
        default=RulesSettings(), description="How scarce power is divided and counted."
    )
    generation: GenerationSettings | None = Field(
        default=None, description="The solar plant, for the cap of § 9 EEG and for percents."
    )
    relays: tuple[RelaySettings, ...] = Field(
        default=(), max_length=8, description="Steuerboxes and ripple control receivers with relays."
    )
    programmes: tuple[ProgrammeSettings, ...] = Field(
        default=(), max_length=32, description="Own limits for parts of the week."
    )
    wishes: tuple[WishSettings, ...] = Field(
        default=(), max_length=32, description="What devices are to get first in parts of the week."
    )
