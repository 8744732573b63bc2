"""Identities and flawed certificates for the tests of the transport."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eebus.ids import Ski
from eebus.ship.identity import Identity, make_identity

MADE_AT = datetime(2026, 1, 31, tzinfo=UTC)


def identity(name: str = "node") -> Identity:
    """A fresh, genuine identity."""
    return make_identity(name, now=MADE_AT)


def spoofing_identity(victim: Ski) -> Identity:
    """An own key whose certificate claims the SKI of *victim*."""
    key = ec.generate_private_key(ec.SECP256R1())
    claim = x509.SubjectKeyIdentifier(bytes.fromhex(victim))
    certificate = _builder(key).add_extension(claim, critical=False).sign(key, hashes.SHA256())
    return replace(
        identity(),
        key_pem=_key_pem(key),
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
    )


def ber_boolean_identity() -> Identity:
    """A certificate as some wallboxes carry it: BOOLEAN TRUE as 01, which DER forbids."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(key)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    body = certificate.tbs_certificate_bytes.replace(b"\x01\x01\xff", b"\x01\x01\x01")
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    signature = key.sign(body, ec.ECDSA(hashes.SHA256()))
    der = _tlv(0x30, body + algorithm + _tlv(0x03, b"\x00" + signature))
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()
    pem = _pem(der)
    return replace(identity(), key_pem=_key_pem(key), certificate_pem=pem, ski=Ski(ski))


def _pem(der: bytes) -> bytes:
    """DER as PEM, byte for byte."""
    return ssl.DER_cert_to_PEM_cert(der).encode()


def _builder(key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))  # expired: dates never matter
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
