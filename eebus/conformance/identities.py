"""The identities that a tester shows over TLS, genuine and forged."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from eebus.conformance.device import NotPossible
from eebus.errors import LocalError
from eebus.ids import Ski
from eebus.ship.identity import Identity, make_identity

_MADE_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ATTEMPTS: Final = 4000


@dataclass(slots=True)
class Identities:
    """``A``, ``B``; ``genuine`` and ``spoofed`` with the same SKI; ``small`` with one below the device's."""

    dut_ski: Ski | None
    """None: not known yet; then there can be no ``small``."""
    known: dict[str, Identity] = field(default_factory=dict)
    folder: Path | None = None
    """Where the identities are kept, so that a device has to be told only once; None: nowhere."""

    def get(self, name: str) -> Identity:
        """An identity by its name; made at its first use. Raises NotPossible for ``small`` without SKI."""
        if name not in self.known:
            self.known[name] = self._load(name) or self._store(name, self._make(name))
        return self.known[name]

    def _load(self, name: str) -> Identity | None:
        path = self._path(name)
        if path is None or not path.exists():
            return None
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise LocalError(f"{path} holds no elliptic curve key")
        return make_identity(_common_name(name), now=_MADE_AT, key=key)

    def _store(self, name: str, identity: Identity) -> Identity:
        path = self._path(name)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(identity.key_pem)
        return identity

    def _path(self, name: str) -> Path | None:
        """Genuine identities follow from their keys; a forged or a small one belongs to one device only."""
        return None if self.folder is None or name in ("spoofed", "small") else self.folder / f"{name}.pem"

    def _make(self, name: str) -> Identity:
        if name == "spoofed":
            return forged_identity(self.get("genuine").ski)
        if name == "small":
            return self._smaller()
        return make_identity(_common_name(name), now=_MADE_AT)

    def _smaller(self) -> Identity:
        if self.dut_ski is None:
            raise NotPossible("the SKI of the device is not known")
        for _ in range(_ATTEMPTS):
            identity = make_identity(_common_name("small"), now=_MADE_AT)
            if identity.ski < self.dut_ski:
                return identity
        raise NotPossible("no smaller SKI than that of the device was found")


def _common_name(name: str) -> str:
    return f"Conformance tester {name}"


def forged_identity(claimed: Ski) -> Identity:
    """A fresh key whose certificate claims an SKI that is not its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Conformance tester forged")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_MADE_AT)
        .not_valid_after(_MADE_AT.replace(year=_MADE_AT.year + 50))
        .add_extension(x509.SubjectKeyIdentifier(bytes.fromhex(claimed)), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Identity(
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        ski=claimed,
        public_key_sha256="",
    )


def largest_of(count: int) -> Identity:
    """Of several fresh identities the one with the largest SKI. Raises LocalError for none."""
    if count < 1:
        raise LocalError("at least one identity is needed")
    return max((make_identity("Device", now=_MADE_AT) for _ in range(count)), key=lambda made: made.ski)
