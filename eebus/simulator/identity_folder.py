"""Where a simulated node keeps its key, so that it is the same node after a restart."""

from datetime import datetime
from pathlib import Path

from eebus.ship.identity import Identity, load_identity, make_identity

_KEY, _CERTIFICATE = "key.pem", "certificate.pem"


def identity_in(folder: Path, name: str, now: datetime) -> Identity:
    """The identity in this folder, made at the first call. Raises LocalError when it cannot be used."""
    key, certificate = folder / _KEY, folder / _CERTIFICATE
    if key.exists():
        return load_identity(key.read_bytes(), certificate.read_bytes())
    made = make_identity(name, now=now)
    folder.mkdir(parents=True, exist_ok=True)
    certificate.write_bytes(made.certificate_pem)
    key.touch(mode=0o600)
    key.write_bytes(made.key_pem)
    return made
