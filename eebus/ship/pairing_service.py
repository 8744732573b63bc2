"""The SHIP Pairing Service 1.0.0 (reference 1.7): a control unit announces that it wants our trust.

Whoever knows the secret of our QR code may announce a control unit on `_shippairing._tcp`; the digest proves
the secret. We are the listener. The announcement names the SHA-256 of the unit's certificate, and the
connection with exactly that certificate is trusted; its SKI is learned only then. Everything here is pure;
what changes is returned, so that it can be stored before it counts.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Final

from eebus.errors import DecodeError, LocalError
from eebus.ids import ShipId, Ski
from eebus.ship.identity import PeerCertificate
from eebus.ship.text import clean_received

SERVICE_TYPES: Final = ("_shippairing._tcp", "_shipPairing._tcp")
"""Names in DNS are equal in both cases, but not every library compares them so; a product uses the second."""

ABSENCE_S: Final = 900.0
"""After this time without a connection another valid announcement may take the place of a control unit."""

MIN_SECRET_BYTES: Final = 16
_MAX_SECRET_BYTES: Final = 128
_REMEMBERED_DIGESTS: Final = 32
_MAX_SHIP_ID_BYTES: Final = 63
_SIGNED: Final = (
    "txtvers",
    "parType",
    "forId",
    "forPar",
    "trustId",
    "trustPar",
    "trustCurve",
    "type",
    "trustNonce",
    "alg",
)
"""The keys that the digest covers, in the order of the record."""
_FIXED: Final = {"txtvers": "1", "parType": "fpSha256", "type": "addCu", "alg": "hmacSha256"}
_CURVES: Final = ("secp256r1", "brainpoolP256r1", "brainpoolP384r1")
_HEX_32: Final = re.compile(r"[0-9A-Fa-f]{64}")
_HEX_16: Final = re.compile(r"[0-9A-Fa-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One announcement; only the digest is proof of anything."""

    record: Mapping[str, str] = field(repr=False)
    for_id: str
    for_fingerprint: str
    trust_id: str
    trust_fingerprint: str
    digest: str
    """All three in upper case."""


def build_announcement(
    secret: bytes,
    *,
    for_id: ShipId,
    for_fingerprint: str,
    trust_id: ShipId,
    trust_fingerprint: str,
    nonce: bytes,
    curve: str = "secp256r1",
) -> dict[str, str]:
    """The TXT record of a control unit that wants to be trusted by the device ``for_id``.

    Fingerprints are SHA-256 over certificates in DER, 64 hexadecimal digits. Raises LocalError for a secret
    or nonce of the wrong length.
    """
    check_secret(secret)
    if len(nonce) != 16:
        raise LocalError("the nonce of an announcement has 16 bytes")
    values = {
        **_FIXED,
        "forId": for_id,
        "forPar": for_fingerprint.upper(),
        "trustId": trust_id,
        "trustPar": trust_fingerprint.upper(),
        "trustCurve": curve,
        "trustNonce": nonce.hex().upper(),
    }
    record = {key: values[key] for key in _SIGNED}
    return {**record, "digest": _digest(secret, record)}


def parse_announcement(record: Mapping[str, str | None]) -> Announcement:
    """Read a record; keys count in any case, unknown ones are skipped. Raises DecodeError."""
    by_name = {key.lower(): value or "" for key, value in record.items()}
    values = {key: by_name.get(key.lower(), "") for key in (*_SIGNED, "digest")}
    for key, expected in _FIXED.items():
        if values[key] != expected:
            raise DecodeError(f"an announcement with another '{key}' than {expected}")
    if values["trustCurve"] not in _CURVES:
        raise DecodeError("an announcement with an unknown curve")
    for key, form in (
        ("forPar", _HEX_32),
        ("trustPar", _HEX_32),
        ("digest", _HEX_32),
        ("trustNonce", _HEX_16),
    ):
        if not form.fullmatch(values[key]):
            raise DecodeError(f"an announcement with an unusable '{key}'")
    trust_id = clean_received(values["trustId"], _MAX_SHIP_ID_BYTES)
    if not trust_id or trust_id != values["trustId"]:
        raise DecodeError("an announcement without a usable SHIP ID")
    return Announcement(
        record={key: values[key] for key in _SIGNED},
        for_id=values["forId"],
        for_fingerprint=values["forPar"].upper(),
        trust_id=trust_id,
        trust_fingerprint=values["trustPar"].upper(),
        digest=values["digest"].upper(),
    )


def proves(announcement: Announcement, secret: bytes) -> bool:
    """Whether the sender knew the secret. Takes the same time whatever is wrong."""
    return hmac.compare_digest(_digest(secret, announcement.record), announcement.digest)


def check_secret(secret: bytes) -> bytes:
    """The secret. Raises LocalError unless it has 16 to 128 bytes."""
    if not MIN_SECRET_BYTES <= len(secret) <= _MAX_SECRET_BYTES:
        raise LocalError(f"a pairing secret has {MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} bytes")
    return secret


def _digest(secret: bytes, record: Mapping[str, str]) -> str:
    message = "".join(f"{key}={record[key]};" for key in _SIGNED)
    key = secret + bytes.fromhex(record["trustNonce"])
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest().upper()


# --- the listener ---


@dataclass(frozen=True, slots=True)
class ControlUnit:
    """The control unit that came by an announcement. Its SKI is unknown until it connects."""

    ship_id: str
    fingerprint: str
    accepted_at: datetime
    ski: Ski | None = None
    replaces: Ski | None = None
    """The announced unit before, which is trusted until this one is there."""


@dataclass(frozen=True, slots=True)
class PairingMemory:
    """What must survive a restart."""

    used_digests: tuple[str, ...] = ()
    """The newest last; an announcement counts once."""
    unit: ControlUnit | None = None


class Verdict(Enum):
    """What became of an announcement."""

    ACCEPTED = "the control unit is expected now"
    NOT_FOR_US = "it is meant for another device"
    FORGED = "its sender does not know our secret"
    REPLAYED = "it has been used before"
    OCCUPIED = "another control unit is there, or was a short time ago"


@dataclass(frozen=True, slots=True)
class Heard:
    """The verdict and, when the announcement was accepted, what to store and use from now on."""

    verdict: Verdict
    memory: PairingMemory


@dataclass(frozen=True, slots=True)
class PairingListener:
    """The listening side for one identity. Raises LocalError for an unusable secret."""

    ship_id: ShipId
    fingerprint: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_secret(self.secret)

    def objection(self, announcement: Announcement) -> Verdict | None:
        """Why an announcement can never count here, whatever else happens: NOT_FOR_US, FORGED, or None."""
        if (announcement.for_id, announcement.for_fingerprint) != (self.ship_id, self.fingerprint.upper()):
            return Verdict.NOT_FOR_US
        return None if proves(announcement, self.secret) else Verdict.FORGED

    def hear(
        self,
        announcement: Announcement,
        memory: PairingMemory,
        now: datetime,
        *,
        occupied: bool,
    ) -> Heard:
        """Judge an announcement. ``occupied``: the place of the control unit is taken (:func:`is_occupied`).

        What is turned away because the place is taken may come again later; it is not used up.
        """
        objection = self.objection(announcement)
        if objection is not None:
            return Heard(objection, memory)
        if announcement.digest in memory.used_digests:
            return Heard(Verdict.REPLAYED, memory)
        if occupied:
            return Heard(Verdict.OCCUPIED, memory)
        used = (*memory.used_digests, announcement.digest)[-_REMEMBERED_DIGESTS:]
        before = memory.unit.ski or memory.unit.replaces if memory.unit else None
        unit = ControlUnit(announcement.trust_id, announcement.trust_fingerprint, now, replaces=before)
        return Heard(Verdict.ACCEPTED, PairingMemory(used, unit))


def is_occupied(memory: PairingMemory, box: Ski | None, *, connected: bool, absent_s: float) -> bool:
    """Whether the one place of a control unit is taken.

    ``box`` is the trusted control box, and ``connected`` whether it is. One that a person accepted is only
    replaced by a person; one that came by an announcement keeps its place for 15 minutes after it was there.
    """
    unit = memory.unit
    if unit is None:
        return box is not None
    if box is not None and not may_replace(memory, box):
        return True
    return connected or absent_s < ABSENCE_S


def may_replace(memory: PairingMemory, box: Ski) -> bool:
    """Whether this control box came by an announcement, so that an announced unit may take its place."""
    return memory.unit is not None and box in (memory.unit.ski, memory.unit.replaces)


def expects(memory: PairingMemory, certificate: PeerCertificate) -> bool:
    """Whether this is the certificate of the announced unit, seen for the first time."""
    unit = memory.unit
    if unit is None or unit.ski is not None or not certificate.certificate_sha256:
        return False
    return hmac.compare_digest(unit.fingerprint, certificate.certificate_sha256.upper())


def arrived(memory: PairingMemory, ski: Ski) -> PairingMemory:
    """The announced unit has connected; its SKI is known now."""
    return (
        memory if memory.unit is None else replace(memory, unit=replace(memory.unit, ski=ski, replaces=None))
    )


def without_unit(memory: PairingMemory, ski: Ski) -> PairingMemory:
    """The trust in a peer was withdrawn: its announcement stays used up, its place is free."""
    unit = memory.unit
    return replace(memory, unit=None) if unit is not None and unit.ski == ski else memory
