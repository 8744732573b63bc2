"""Who a node is: its key, its certificate and the SKI that follows from them (SHIP 12.2)."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eebus.errors import LocalError, RemoteError
from eebus.ids import Ski
from eebus.ship.der import CertificateKey, read_certificate_key

_VALIDITY = timedelta(days=50 * 365)
_CLOCK_DOUBT = timedelta(days=1)
_FIRST_DATE = datetime(2026, 1, 1, tzinfo=UTC)
"""Before it this program did not exist: a clock that shows less is not set."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Key and certificate of our node, made once and never silently replaced."""

    key_pem: bytes
    certificate_pem: bytes
    ski: Ski
    public_key_sha256: str
    """SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal digits."""

    def __repr__(self) -> str:
        return f"Identity(ski={self.ski!r})"  # the key must never reach a log


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What a peer's certificate proves: the SKI, and the key itself against SHA-1 collisions."""

    ski: Ski
    public_key_sha256: str
    certificate_sha256: str = field(default="", compare=False)
    """Over the whole certificate, 64 hexadecimal digits; a renewed certificate is the same peer."""


def make_identity(
    common_name: str,
    *,
    now: datetime,
    organization: str = "eebus-hems",
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Identity:
    """Make a P-256 key (or take ``key``) and a self-signed certificate for it that is valid for 50 years.

    ``now`` is an aware date; the validity starts a day earlier because peers' clocks differ. A clock that is
    not set must not make a certificate that has ended once it is: then the validity starts with the program.
    Raises LocalError when ``common_name`` is empty or longer than 64 characters.
    """
    if not 1 <= len(common_name) <= 64:
        raise LocalError("the common name of a certificate needs 1 to 64 characters")
    made_at = max(now, _FIRST_DATE)
    private_key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - _CLOCK_DOUBT)
        .not_valid_after(made_at + _VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_signing_only(), critical=True)
        .sign(private_key, hashes.SHA256())
    )
    return load_identity(
        private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


def load_identity(key_pem: bytes, certificate_pem: bytes) -> Identity:
    """Read a stored identity.

    Raises LocalError when something is unreadable, when the key is not one on P-256, when key and certificate
    do not belong together, or when the certificate carries an SKI that is not the SHA-1 of its key (old
    installations of other products did that; peers refuse such a certificate).
    """
    try:
        private_key = serialization.load_pem_private_key(key_pem, password=None)
        der = x509.load_pem_x509_certificate(certificate_pem).public_bytes(serialization.Encoding.DER)
        certificate = check_certificate(der)
    except (ValueError, TypeError, UnsupportedAlgorithm, RemoteError) as error:
        raise LocalError(f"the stored identity cannot be used: {error}") from error
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or private_key.curve.name != "secp256r1":
        raise LocalError("the stored key is not a P-256 key, which SHIP demands")
    public_key_info = private_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if hashlib.sha256(public_key_info).hexdigest() != certificate.public_key_sha256:
        raise LocalError("the stored key and the stored certificate do not belong together")
    return Identity(key_pem, certificate_pem, certificate.ski, certificate.public_key_sha256)


def fingerprint(identity: Identity) -> str:
    """SHA-256 of our certificate in DER, 64 upper case hexadecimal digits (SHIP 1.1)."""
    certificate = x509.load_pem_x509_certificate(identity.certificate_pem)
    return certificate.fingerprint(hashes.SHA256()).hex().upper()


def expires_at(identity: Identity) -> datetime:
    """When the certificate ends. No peer minds, but a person should know (SHIP 12.2)."""
    return x509.load_pem_x509_certificate(identity.certificate_pem).not_valid_after_utc


def ski_of_certificate(der: bytes) -> Ski:
    """The SKI that a certificate proves. Raises RemoteError like ``check_certificate``."""
    return check_certificate(der).ski


def check_certificate(der: bytes) -> PeerCertificate:
    """Compute who a peer is from its certificate in DER.

    The SKI is always computed from the public key; an SKI extension that says something else raises
    RemoteError (TC_SHIP_SEC_001 and _002), a missing one does not. Chain, names and dates do not matter in
    SHIP. Raises DecodeError when the certificate is broken.
    """
    key = read_certificate_key(der)
    computed = hashlib.sha1(key.public_key, usedforsecurity=False).digest()
    if any(claimed != computed for claimed in key.claimed_ski):
        raise RemoteError(_mismatch(key, computed))
    return PeerCertificate(
        Ski(computed.hex()),
        hashlib.sha256(key.public_key_info).hexdigest(),
        hashlib.sha256(der).hexdigest(),
    )


def _mismatch(key: CertificateKey, computed: bytes) -> str:
    claimed = ", ".join(value.hex() for value in key.claimed_ski)
    return f"the certificate claims the SKI {claimed[:80]}, its key has {computed.hex()}"


def _signing_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
