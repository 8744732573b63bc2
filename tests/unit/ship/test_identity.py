"""Keys, certificates and the SKI that follows from them."""

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from eebus.errors import LocalError, RemoteError
from eebus.ship.identity import (
    Identity,
    check_certificate,
    load_identity,
    make_identity,
    ski_of_certificate,
)

NOW = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
KEY_ONE = ec.derive_private_key(1, ec.SECP256R1())
SKI_OF_KEY_ONE = "b467a3999eb5efa671de0032f08a9c9e5efda0e1"
DER_TRUE = bytes.fromhex("0101ff")
BER_TRUE = bytes.fromhex("010101")


def der_of(identity: Identity) -> bytes:
    certificate = x509.load_pem_x509_certificate(identity.certificate_pem)
    return certificate.public_bytes(serialization.Encoding.DER)


def certificate_with(*extensions: x509.ExtensionType) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")])
    builder = x509.CertificateBuilder(name, name, KEY_ONE.public_key(), 7, NOW, NOW + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY_ONE, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


GENUINE = der_of(make_identity("one", now=NOW, key=KEY_ONE))


def test_check_vector_private_key_one() -> None:
    assert make_identity("one", now=NOW, key=KEY_ONE).ski == SKI_OF_KEY_ONE
    assert ski_of_certificate(GENUINE) == SKI_OF_KEY_ONE


def test_certificate_as_the_specification_wants_it() -> None:
    certificate = x509.load_der_x509_certificate(GENUINE)
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    assert certificate.version is x509.Version.v3
    assert certificate.issuer == certificate.subject
    ski = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert ski.value.digest.hex() == SKI_OF_KEY_ONE
    assert not ski.critical
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value.ca
    assert certificate.not_valid_before_utc < NOW
    assert certificate.not_valid_after_utc > NOW + timedelta(days=40 * 365)
    public_key = certificate.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert public_key.curve.name == "secp256r1"
    public_key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))


def test_a_clock_that_is_not_set_makes_no_certificate_that_has_ended() -> None:
    identity = make_identity("early", now=datetime(1970, 1, 1, tzinfo=UTC))
    certificate = x509.load_der_x509_certificate(der_of(identity))
    assert certificate.not_valid_before_utc < NOW
    assert certificate.not_valid_after_utc > NOW + timedelta(days=40 * 365)


def test_keys_are_made_anew() -> None:
    assert make_identity("a", now=NOW).ski != make_identity("a", now=NOW).ski


def test_public_key_hash_covers_the_whole_key() -> None:
    info = KEY_ONE.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert check_certificate(GENUINE).public_key_sha256 == hashlib.sha256(info).hexdigest()


def test_elli_boolean_true_written_as_01() -> None:
    """SHIP 14: Elli."""
    assert GENUINE.count(DER_TRUE) >= 1
    loose = GENUINE.replace(DER_TRUE, BER_TRUE)
    assert ski_of_certificate(loose) == SKI_OF_KEY_ONE


@pytest.mark.parametrize("case", ["TC_SHIP_SEC_001", "TC_SHIP_SEC_002"])
def test_TC_SHIP_SEC_claimed_ski_of_another_key_is_refused(case: str) -> None:
    """SHIP 15: spoofed SKI."""
    claimed = bytes.fromhex("c55797dfb3a1fb5fa2972c35061a05fc835d5ef9")
    with pytest.raises(RemoteError, match="claims the SKI"):
        check_certificate(certificate_with(x509.SubjectKeyIdentifier(claimed)))


def test_legacy_ski_over_the_private_key_is_refused() -> None:
    private = KEY_ONE.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    with pytest.raises(RemoteError):
        check_certificate(certificate_with(x509.SubjectKeyIdentifier(hashlib.sha1(private).digest())))


def test_missing_ski_extension_is_computed() -> None:
    assert ski_of_certificate(certificate_with()) == SKI_OF_KEY_ONE
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    assert ski_of_certificate(certificate_with(usage)) == SKI_OF_KEY_ONE


def test_stored_identity_is_read_again() -> None:
    made = make_identity("stored", now=NOW)
    assert load_identity(made.key_pem, made.certificate_pem) == made


def test_stored_parts_of_different_identities_are_refused() -> None:
    one, other = make_identity("one", now=NOW), make_identity("other", now=NOW)
    with pytest.raises(LocalError, match="belong together"):
        load_identity(one.key_pem, other.certificate_pem)


def test_stored_certificate_with_a_wrong_ski_is_refused() -> None:
    key_pem = make_identity("one", now=NOW, key=KEY_ONE).key_pem
    wrong = x509.load_der_x509_certificate(certificate_with(x509.SubjectKeyIdentifier(b"x" * 20)))
    with pytest.raises(LocalError, match="cannot be used"):
        load_identity(key_pem, wrong.public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize(
    "pem", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_unreadable_identity_is_refused(pem: bytes) -> None:
    made = make_identity("one", now=NOW)
    with pytest.raises(LocalError):
        load_identity(made.key_pem, pem)
    with pytest.raises(LocalError):
        load_identity(pem, made.certificate_pem)


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_common_name_must_fit(name: str) -> None:
    with pytest.raises(LocalError):
        make_identity(name, now=NOW)


def test_the_key_never_reaches_a_log() -> None:
    """SHIP 15."""
    assert "PRIVATE" not in repr(make_identity("one", now=NOW))


@given(st.integers(0, len(GENUINE) - 1))
def test_cut_off_certificate_is_refused_or_still_proves_the_key(length: int) -> None:
    with pytest.raises(RemoteError):
        check_certificate(GENUINE[:length])


@given(st.integers(0, len(GENUINE) - 1), st.integers(0, 255))
def test_damaged_certificate_never_does_more_than_be_refused(position: int, value: int) -> None:
    damaged = bytearray(GENUINE)
    damaged[position] = value
    with contextlib.suppress(RemoteError):
        check_certificate(bytes(damaged))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteError):
        check_certificate(data)


def test_stored_key_must_lie_on_the_mandatory_curve() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(LocalError, match="P-256"):
        make_identity("other curve", now=NOW, key=key)
