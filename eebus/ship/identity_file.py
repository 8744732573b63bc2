"""An identity in one text file: key encrypted with a passphrase (PKCS#8), certificate, SHIP ID."""

import re

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding

from eebus.errors import LocalError
from eebus.ids import ShipId, group_ski, parse_ship_id
from eebus.ship.identity import Identity, load_identity

MIN_PASSPHRASE = 16
"""Characters. The standard form of the file, which every tool opens, makes guessing cheap (2048 rounds)."""

_TITLE = "EEBUS identity. Whoever has this file and its passphrase can take the place of this device."
_SHIP_ID = re.compile(r"^SHIP ID: (\S+)$", re.MULTILINE)
_PEM = re.compile(r"-----BEGIN (ENCRYPTED PRIVATE KEY|CERTIFICATE)-----.*?-----END \1-----\n?", re.DOTALL)


def seal(identity: Identity, ship_id: ShipId, passphrase: str) -> str:
    """The text of the file. Raises LocalError for a short passphrase."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise LocalError(f"a passphrase needs at least {MIN_PASSPHRASE} characters")
    key = serialization.load_pem_private_key(identity.key_pem, password=None)
    sealed_key = key.private_bytes(
        Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        BestAvailableEncryption(passphrase.encode()),
    )
    certificate = x509.load_pem_x509_certificate(identity.certificate_pem).public_bytes(Encoding.PEM)
    head = f"{_TITLE}\nSKI: {group_ski(identity.ski)}\nSHIP ID: {ship_id}\n"
    return f"{head}{sealed_key.decode()}{certificate.decode()}"


def unseal(text: str, passphrase: str) -> tuple[Identity, ShipId]:
    """The identity and SHIP ID of a file. Raises LocalError for other files and for a wrong passphrase."""
    parts = {found[1]: found[0] for found in _PEM.finditer(text)}
    ship_id = _SHIP_ID.search(text)
    if ship_id is None or len(parts) != 2:
        raise LocalError("the file is no EEBUS identity")
    try:
        key = serialization.load_pem_private_key(
            parts["ENCRYPTED PRIVATE KEY"].encode(), password=passphrase.encode()
        )
        key_pem = key.private_bytes(
            Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    except (ValueError, TypeError) as error:
        raise LocalError("the passphrase is wrong, or the file is damaged") from error
    return load_identity(key_pem, parts["CERTIFICATE"].encode()), parse_ship_id(ship_id[1])
