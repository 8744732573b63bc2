"""A walk over the DER of a certificate that reads only what SHIP needs.

General parsers decode every extension and refuse some products' certificates for a flaw that does not
concern us (a BOOLEAN TRUE written as 01, SHIP reference 2.2). This one steps over what it does not need.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from eebus.errors import DecodeError

_SEQUENCE = 0x30
_BIT_STRING = 0x03
_OCTET_STRING = 0x04
_OBJECT_IDENTIFIER = 0x06
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_SUBJECT_KEY_IDENTIFIER = bytes.fromhex("551d0e")
_MAX_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class CertificateKey:
    """The parts of a certificate that identify its owner."""

    public_key_info: bytes
    """The whole SubjectPublicKeyInfo structure in DER."""
    public_key: bytes
    """The content of its bit string, without the octet that counts unused bits."""
    claimed_ski: tuple[bytes, ...]
    """The values of all SubjectKeyIdentifier extensions; normally one or none."""


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    content: bytes
    whole: bytes


def read_certificate_key(der: bytes) -> CertificateKey:
    """Find the public key and the subject key identifier. Raises DecodeError when the structure is broken."""
    certificate = _expect(next(_elements(der), None), _SEQUENCE, "certificate")
    to_be_signed = _expect(next(_elements(certificate.content), None), _SEQUENCE, "certificate body")
    fields = list(_elements(to_be_signed.content))
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    # serial number, signature algorithm, issuer, validity and subject come before the key
    if len(fields) < 6:
        raise DecodeError("the certificate ends before its public key")
    key_info = _expect(fields[5], _SEQUENCE, "public key")
    return CertificateKey(
        public_key_info=key_info.whole,
        public_key=_public_key(key_info.content),
        claimed_ski=tuple(_claimed_skis(fields[6:])),
    )


def _public_key(key_info: bytes) -> bytes:
    parts = list(_elements(key_info))
    if len(parts) != 2:
        raise DecodeError("the public key of the certificate is incomplete")
    bits = _expect(parts[1], _BIT_STRING, "public key bits").content
    if len(bits) < 2 or bits[0] != 0:
        raise DecodeError("the public key of the certificate is not a whole number of octets")
    return bits[1:]


def _claimed_skis(fields: list[_Element]) -> Iterator[bytes]:
    for wrapper in (field for field in fields if field.tag == _EXTENSIONS):
        extensions = _expect(next(_elements(wrapper.content), None), _SEQUENCE, "extensions")
        for extension in _elements(extensions.content):
            parts = list(_elements(extension.content))
            if len(parts) >= 2 and (parts[0].tag, parts[0].content) == (
                _OBJECT_IDENTIFIER,
                _SUBJECT_KEY_IDENTIFIER,
            ):
                value = _expect(parts[-1], _OCTET_STRING, "subject key identifier")
                inner = next(_elements(value.content), None)
                yield _expect(inner, _OCTET_STRING, "subject key identifier").content


def _expect(element: _Element | None, tag: int, what: str) -> _Element:
    if element is None or element.tag != tag:
        raise DecodeError(f"the {what} has an unexpected form")
    return element


def _elements(data: bytes) -> Iterator[_Element]:
    """Step through the elements that follow each other in ``data``."""
    offset = 0
    while offset < len(data):
        start = offset
        length, offset = _read_length(data, offset + 1)
        end = offset + length
        if end > len(data):
            raise DecodeError("the certificate is cut off")
        yield _Element(data[start], data[offset:end], data[start:end])
        offset = end


def _read_length(data: bytes, offset: int) -> tuple[int, int]:
    """Read the length octets at ``offset``; returns the length and the offset behind them."""
    if offset >= len(data):
        raise DecodeError("the certificate is cut off")
    first = data[offset]
    if first < 0x80:
        return first, offset + 1
    size = first & 0x7F
    if not 1 <= size <= _MAX_LENGTH_BYTES or offset + size >= len(data):
        raise DecodeError("a length in the certificate is not usable")
    return int.from_bytes(data[offset + 1 : offset + 1 + size], "big"), offset + 1 + size
