"""Our identity: made once, kept for good, never replaced without a person's consent.

The metering operator registers the SKI; losing it means to be registered again, which takes weeks. Beside the
key in state.db a card in plain text (`identity.txt`) tells people what the installer needs. It is also what a
lost or foreign state.db is noticed by: a key that does not fit the card is refused.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from eebus.clock import Clock
from eebus.errors import LocalError
from eebus.ids import ShipId, Ski, group_ski, parse_ship_id, parse_ski
from eebus.ship.identity import Identity, expires_at, load_identity, make_identity
from eebus.ship.service import PairingOffer, ServiceDescription, qr_text
from hems.config import Configuration
from hems.data_dir import held_data_dir
from hems.store.disk import Disk
from hems.store.state import StateStore

_logger = logging.getLogger(__name__)

CARD_NAME = "identity.txt"
_ENERGY_MANAGEMENT_SYSTEM = 2
_EXPIRY_WARNING = timedelta(days=365)
_COMMON_NAME = "eebus-hems"


class IdentityError(Exception):
    """The identity cannot be used; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class IdentityCard:
    """What the installer of the Steuerbox needs to know of this gateway."""

    ski: Ski
    ship_id: ShipId
    qr: str

    def text(self) -> str:
        """The card as people read it; the SKI is read back from its first line."""
        return f"SKI      {group_ski(self.ski)}\nSHIP ID  {self.ship_id}\nQR text  {self.qr}\n"


def identity_card(
    ski: Ski, configuration: Configuration, *, pairing: PairingOffer | None = None
) -> IdentityCard:
    """The card of the gateway with this SKI; with `pairing` its QR text is a credential."""
    ship_id = ship_id_of(ski)
    grid = configuration.grid_connection_point
    nominal_w = (-round(grid.contractual_production_w), round(grid.contractual_consumption_w))
    description = service_description(ski, configuration)
    qr = qr_text(ship_id, ski, description, nominal_power_w=nominal_w, pairing=pairing)
    return IdentityCard(ski, ship_id, qr)


def ship_id_of(ski: Ski) -> ShipId:
    """Our SHIP ID: it follows from the SKI, so that both are kept and lost together."""
    return parse_ship_id(f"EEBUS-HEMS-{ski[:16].upper()}")


def service_description(ski: Ski, configuration: Configuration) -> ServiceDescription:
    """What is announced and printed about the gateway."""
    eebus = configuration.eebus
    return ServiceDescription(
        brand=eebus.brand,
        model=eebus.model,
        type="EnergyManagementSystem",
        serial=serial_of(ski, configuration),
        categories=(_ENERGY_MANAGEMENT_SYSTEM,),
    )


def serial_of(ski: Ski, configuration: Configuration) -> str:
    """The serial number: the configured one, else the first digits of the SKI."""
    return configuration.eebus.serial or ski[:16].upper()


async def open_vault(configuration: Configuration, clock: Clock, *, renew: bool = False) -> Identity:
    """Take or make the identity while no gateway runs. With `renew` the present key is right, whatever the
    card says; a new one is made when there is none.

    Raises IdentityError, DataDirError or StoreError.
    """
    with held_data_dir(configuration.data_dir):
        disk = Disk(clock)
        try:
            store = await StateStore.open(configuration.data_dir, disk, clock)
            try:
                stored = (await store.load()).identity
                if renew:
                    (configuration.data_dir / CARD_NAME).unlink(missing_ok=True)
                return await claim_identity(store, stored, configuration, clock)
            finally:
                await store.close()
        finally:
            disk.close()


async def claim_identity(
    store: StateStore, stored: Identity | None, configuration: Configuration, clock: Clock
) -> Identity:
    """The identity of this data directory, made at the very first start.

    Raises IdentityError when the stored one is unusable, or is not the one on the card.
    """
    card_path = configuration.data_dir / CARD_NAME
    identity = known_identity(stored, configuration.data_dir)
    if identity is None:
        identity = make_identity(_COMMON_NAME, now=clock.utc_now())
    for warning in expiry_warning(expires_at(identity), clock.utc_now()):
        _logger.warning("%s", warning)
    if stored is None:
        await store.put_identity(identity)
    if ski_on_card(card_path) is None:
        write_card(card_path, identity_card(identity.ski, configuration))
    return identity


def known_identity(stored: Identity | None, data_dir: Path) -> Identity | None:
    """The stored identity if it is the one on the card; None where none was ever made.

    Raises IdentityError when it is lost or unusable, or is not the one on the card.
    """
    card_path = data_dir / CARD_NAME
    registered = ski_on_card(card_path)
    if stored is not None:
        _check(stored, registered, card_path)
    elif registered is not None:
        raise IdentityError(
            f"The key of this gateway is gone: {card_path} names SKI {group_ski(registered)}, state.db none. "
            "Restore the backup of state.db. If there is none: hems identity renew"
        )
    return stored


def expiry_warning(ends_at: datetime, now: datetime) -> list[str]:
    """What to tell people in the last year of the certificate and after; nothing before.

    Peers do not mind the date (SHIP 12.2), so nobody renews it by itself: a new certificate may mean to be
    registered again.
    """
    if ends_at - now > _EXPIRY_WARNING:
        return []
    ends = "has ended" if ends_at <= now else "ends"
    return [
        f"The certificate of this gateway {ends} on {ends_at:%Y-%m-%d}. EEBUS goes on working; "
        "plan its renewal with the metering operator."
    ]


def write_card(path: Path, card: IdentityCard) -> None:
    """Write the card. Raises IdentityError when it cannot be written."""
    try:
        path.write_text(card.text(), encoding="utf-8")
        path.chmod(0o600)
    except OSError as error:
        raise IdentityError(f"{path} cannot be written: {error.strerror}.") from error


def _check(identity: Identity, registered: Ski | None, card_path: Path) -> None:
    try:
        proven = load_identity(identity.key_pem, identity.certificate_pem).ski
    except LocalError as error:
        raise IdentityError(
            f"The key in state.db cannot be used: {error}. Restore the backup of state.db."
        ) from error
    if registered is not None and registered != proven:
        raise IdentityError(
            f"The SKI has changed: {card_path} names {group_ski(registered)}, the key in state.db has "
            f"{group_ski(proven)}. Restore the backup of state.db. "
            "If the change is wanted: hems identity renew"
        )


def ski_on_card(path: Path) -> Ski | None:
    """The SKI that this gateway was known by; None without a card. Raises IdentityError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"{path} cannot be read: {error}. Restore it from the backup.") from error
    found = re.match(r"SKI\s+([0-9A-F ]+)\n", text)
    if found is None:
        raise IdentityError(f"{path} does not begin with 'SKI'. Restore it from the backup.")
    try:
        return parse_ski(found[1])
    except LocalError as error:
        raise IdentityError(f"{path} names no SKI: {error}. Restore it from the backup.") from error
