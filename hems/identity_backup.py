"""Taking the identity to another machine, and bringing it back from a file."""

import os
from pathlib import Path

from eebus.clock import Clock
from eebus.errors import LocalError
from eebus.ids import Ski, group_ski
from eebus.ship.identity import Identity
from eebus.ship.identity_file import seal, unseal
from hems.config import Configuration
from hems.data_dir import held_data_dir
from hems.store.disk import Disk
from hems.store.state import StateStore, stored_state
from hems.vault import CARD_NAME, IdentityError, identity_card, ship_id_of, ski_on_card, write_card


def export_identity(configuration: Configuration, path: Path, passphrase: str) -> Ski:
    """Write the identity to a new file for its owner only (0600); the gateway may run meanwhile.

    Returns its SKI. Raises IdentityError, also when the file exists, and StoreError.
    """
    identity = stored_state(configuration.data_dir).identity
    if identity is None:
        raise IdentityError(f"There is no identity in {configuration.data_dir} yet.")
    try:
        text = seal(identity, ship_id_of(identity.ski), passphrase)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
    except LocalError as error:
        raise IdentityError(f"The identity cannot be exported: {error}.") from error
    except OSError as error:
        raise IdentityError(f"{path} cannot be written: {error.strerror}.") from error
    return identity.ski


async def import_identity(
    configuration: Configuration, clock: Clock, path: Path, passphrase: str, *, replace: bool
) -> Ski:
    """Take the identity from a file into a data directory where no gateway runs; returns its SKI.

    Another identity that is there is kept unless `replace`. Raises IdentityError, DataDirError, StoreError.
    """
    identity = _read(path, passphrase)
    with held_data_dir(configuration.data_dir):
        disk = Disk(clock)
        try:
            store = await StateStore.open(configuration.data_dir, disk, clock)
            try:
                await _take(store, identity, configuration, replace=replace)
            finally:
                await store.close()
        finally:
            disk.close()
    return identity.ski


def _read(path: Path, passphrase: str) -> Identity:
    try:
        identity, ship_id = unseal(path.read_text(encoding="ascii"), passphrase)
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"{path} cannot be read: {error}.") from error
    except LocalError as error:
        raise IdentityError(f"{path} cannot be imported: {error}.") from error
    if ship_id != ship_id_of(identity.ski):
        raise IdentityError(
            f"{path} names the SHIP ID {ship_id}; with this key the gateway would be "
            f"{ship_id_of(identity.ski)}, and peers would refuse it."
        )
    return identity


async def _take(
    store: StateStore, identity: Identity, configuration: Configuration, *, replace: bool
) -> None:
    present = (await store.load()).identity
    card_path = configuration.data_dir / CARD_NAME
    known = ski_on_card(card_path) if present is None else present.ski
    if known is not None and known != identity.ski and not replace:
        raise IdentityError(
            f"This gateway has another identity, SKI {group_ski(known)}. With the imported one, SKI "
            f"{group_ski(identity.ski)}, every peer must accept it anew and the metering operator must "
            "register it. If that is wanted: hems identity import --replace"
        )
    await store.replace_identity(identity)
    write_card(card_path, identity_card(identity.ski, configuration))
