"""What a node tells before any connection: the TXT record (SHIP 7.3.2) and the QR code (SRIP 3.1).

Everything received here is a hint. Only the certificate of a connection proves an SKI.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from eebus.errors import DecodeError, LocalError
from eebus.ids import ShipId, Ski, group_ski, parse_ski
from eebus.ship.text import clean_announced, clean_received, cut

SERVICE_TYPE = "_ship._tcp"

_MAX_RECORD_BYTES = 400
_MAX_VALUE_BYTES = 32
_MAX_SHIP_ID_BYTES = 63
_MAX_LABEL_BYTES = 63
_PATH = re.compile(r"/[!-~]*")
_CATEGORIES = range(1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDescription:
    """What a node is.

    ``categories``: 1 grid connection point hub, 2 energy management system, 3 e-mobility, 4 heating and
    cooling, 5 inverter, 6 domestic appliance, 7 metering.
    """

    brand: str = ""
    model: str = ""
    type: str = ""
    serial: str = ""
    categories: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedService:
    """A peer's TXT record. All of it is unproven."""

    ski: Ski
    ship_id: str
    path: str
    register: bool
    description: ServiceDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class QrCode:
    """The content of a peer's QR code."""

    ski: Ski
    ship_id: str
    description: ServiceDescription


@dataclass(frozen=True, slots=True)
class PairingOffer:
    """What the SHIP Pairing Service adds to the QR code."""

    fingerprint: str
    secret: bytes = field(repr=False)


def build_txt(
    ship_id: ShipId,
    ski: Ski,
    description: ServiceDescription,
    *,
    path: str = "/ship/",
    upper_case_ski: bool = False,
) -> dict[str, str]:
    """The TXT record in the order of the specification.

    ``register`` is always false: new products must not accept peers by themselves (IG 2.3). SHIP 1.1 asks for
    an upper case SKI, but installed peers compare lower case. Raises LocalError for an SHIP ID or path that
    cannot be announced, for categories that do not exist, and for a record above 400 bytes.
    """
    if "=" in ship_id:
        raise LocalError("a SHIP ID with '=' is lost in the TXT record of some readers")
    if not _PATH.fullmatch(path) or len(path) > _MAX_VALUE_BYTES:
        raise LocalError("the path must begin with a slash and have at most 32 visible ASCII characters")
    if any(category not in _CATEGORIES for category in description.categories):
        raise LocalError("device categories are the numbers 1 to 7")
    record = {
        "txtvers": "1",
        "id": ship_id,
        "path": path,
        "ski": ski.upper() if upper_case_ski else ski,
        "register": "false",
        **_announced(description),
    }
    if sum(len(f"{key}={value}".encode()) + 1 for key, value in record.items()) > _MAX_RECORD_BYTES:
        raise LocalError("the TXT record is longer than 400 bytes")
    return record


def parse_txt(record: Mapping[str, str | None]) -> AnnouncedService:
    """Read a peer's TXT record tolerantly: only version and SKI are needed, unknown keys are skipped.

    Raises DecodeError when the record is of another version, or names no usable SKI or path.
    """
    values = {key.lower(): value or "" for key, value in record.items()}
    if values.get("txtvers") != "1":
        raise DecodeError("a TXT record of an unknown version")
    path = values.get("path") or "/ship/"
    if not _PATH.fullmatch(path):
        raise DecodeError("a TXT record with an unusable path")
    return AnnouncedService(
        ski=_received_ski(values.get("ski", "")),
        ship_id=clean_received(values.get("id", ""), _MAX_SHIP_ID_BYTES),
        path=path,
        register=values.get("register") == "true",
        description=_received(values),
    )


def qr_text(
    ship_id: ShipId,
    ski: Ski,
    description: ServiceDescription,
    *,
    nominal_power_w: tuple[int, int] | None = None,
    pairing: PairingOffer | None = None,
) -> str:
    """The text of our QR code; ``nominal_power_w`` is production (not above 0) and consumption.

    With ``pairing`` whoever reads the code can have a control unit trusted by us: it is a credential then.
    """
    items = {"SKI": group_ski(ski), "ID": ship_id}
    items |= {key.upper(): value for key, value in _announced(description).items()}
    if nominal_power_w is not None:
        items["NOMINALPOWER"] = f"{nominal_power_w[0]},{nominal_power_w[1]}"
    if pairing is not None:
        items["FPH256"] = pairing.fingerprint
        items["SPSEC"] = pairing.secret.hex().upper()
    return "SHIP;" + "".join(f"{key}:{value};" for key, value in items.items()) + "ENDSHIP;"


def parse_qr(text: str) -> QrCode:
    """Read a peer's QR code; unknown keys and a missing end are no errors.

    Raises DecodeError when the text is no SHIP code or names no usable SKI.
    """
    start, *items = text.strip().split(";")
    if start != "SHIP":
        raise DecodeError("the text of a SHIP code begins with 'SHIP;'")
    pairs = (item.partition(":") for item in items)
    values = {key.strip().lower(): value for key, separator, value in pairs if separator}
    return QrCode(
        ski=_received_ski(values.get("ski", "")),
        ship_id=clean_received(values.get("id", ""), _MAX_SHIP_ID_BYTES),
        description=_received(values),
    )


def instance_label(description: ServiceDescription, ski: Ski) -> str:
    """A readable name for the service instance; the SKI makes it unique (equal names hide each other)."""
    suffix = f" {ski[:8]}"
    name = " ".join(part for part in (description.brand, description.model) if part) or "EEBUS"
    readable = clean_received(name, _MAX_LABEL_BYTES - len(suffix)).replace(".", "-")
    return readable + suffix


def host_label(ski: Ski) -> str:
    """A host name that no other node has."""
    return f"eebus-{ski[:16]}"


def _announced(description: ServiceDescription) -> dict[str, str]:
    values = {
        "brand": description.brand,
        "model": description.model,
        "type": description.type,
        "serial": description.serial,
    }
    announced = {key: clean_announced(value, _MAX_VALUE_BYTES) for key, value in values.items()}
    announced["cat"] = ",".join(str(category) for category in description.categories)
    return {key: value for key, value in announced.items() if value}


def _received(values: Mapping[str, str]) -> ServiceDescription:
    brand, model, type_, serial = (
        clean_received(values.get(key, ""), _MAX_VALUE_BYTES) for key in ("brand", "model", "type", "serial")
    )
    numbers = cut(values.get("cat", ""), _MAX_VALUE_BYTES).split(",")
    categories = tuple(int(number) for number in numbers if re.fullmatch(r"\s*[1-9]\s*", number))
    return ServiceDescription(brand=brand, model=model, type=type_, serial=serial, categories=categories)


def _received_ski(text: str) -> Ski:
    try:
        return parse_ski(text)
    except LocalError as error:
        raise DecodeError(str(error)) from error
