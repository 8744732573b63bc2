"""A throw-away authority and a server certificate for the broker."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Files:
    """Where they lie."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def listener(self) -> str:
        """The lines for Mosquitto."""
        return f"cafile {self.authority}\ncertfile {self.certificate}\nkeyfile {self.key}"


def write_certificates(folder: Path, name: str) -> Files:
    """Make them for a server of this name."""
    folder.mkdir()
    files = Files(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name("Test authority")
    files.authority.write_bytes(_signed(authority, authority, authority_key, authority_key, None))
    files.certificate.write_bytes(_signed(_name(name), authority, key, authority_key, name))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    server: str | None,
) -> bytes:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=server is None, path_length=None), critical=True)
    )
    if server is not None:
        names = x509.SubjectAlternativeName([x509.DNSName(server)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
