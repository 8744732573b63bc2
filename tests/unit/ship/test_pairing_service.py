"""The SHIP Pairing Service (reference 1.7): records, digests, replays, one control unit at a time."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eebus.errors import DecodeError, LocalError
from eebus.ids import ShipId, Ski
from eebus.ship.identity import PeerCertificate, check_certificate, fingerprint, make_identity
from eebus.ship.pairing_service import (
    ABSENCE_S,
    ControlUnit,
    Heard,
    PairingListener,
    PairingMemory,
    Verdict,
    arrived,
    build_announcement,
    expects,
    is_occupied,
    may_replace,
    parse_announcement,
    proves,
    without_unit,
)
from eebus.ship.service import PairingOffer, ServiceDescription, parse_qr, qr_text

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECRET = bytes.fromhex("7A37DCF81BDB50F8E92CFA4160CCB3DE")
NONCE = bytes.fromhex("BDCEE427FA7208DF3C1F2A749BA6F4D4")
FOR_ID, TRUST_ID = ShipId("i:983327_u:C8277H008F-3"), ShipId("i:46925_u:43652bk-2-gt1")
FOR_PAR = "C74B7855D3479415F62CC01E5F6D9A93EBC676057D85417ADA16FD1384338943"
TRUST_PAR = "2CC72E781F7A7D2A08D50196C50FEDF0F7BA583F43F76C8C0DDEC9EEF0D005B4"
DIGEST = "BCBB62B2176DA2CEE545784CEB1F2A55E049451B12A549C98E8CA213F001DA25"
LISTENER = PairingListener(FOR_ID, FOR_PAR, SECRET)
EMPTY = PairingMemory()
UNIT_SKI, OTHER_SKI = Ski("a" * 40), Ski("b" * 40)


def record(
    secret: bytes = SECRET, nonce: bytes = NONCE, changes: dict[str, str] | None = None
) -> dict[str, str]:
    made = build_announcement(
        secret,
        for_id=FOR_ID,
        for_fingerprint=FOR_PAR,
        trust_id=TRUST_ID,
        trust_fingerprint=TRUST_PAR,
        nonce=nonce,
    )
    return {**made, **(changes or {})}


def hear(made: dict[str, str], memory: PairingMemory = EMPTY, *, occupied: bool = False) -> Heard:
    return LISTENER.hear(parse_announcement(made), memory, NOW, occupied=occupied)


def test_SHIP_PS_the_verified_vector() -> None:
    made = record()
    assert made["digest"] == DIGEST
    assert list(made) == [
        "txtvers", "parType", "forId", "forPar", "trustId", "trustPar", "trustCurve", "type", "trustNonce",
        "alg", "digest",
    ]  # fmt: skip
    assert proves(parse_announcement(made), SECRET)


def test_SHIP_PS_a_valid_announcement_makes_its_unit_expected() -> None:
    heard = hear(record())
    assert heard.verdict is Verdict.ACCEPTED
    assert heard.memory == PairingMemory((DIGEST,), ControlUnit(TRUST_ID, TRUST_PAR, NOW))


@pytest.mark.parametrize("key", ["trustId", "trustPar", "trustCurve", "trustNonce", "digest"])
def test_SHIP_PS_whatever_is_altered_the_digest_does_not_fit(key: str) -> None:
    others = {"trustId": "i:1_u:evil", "trustCurve": "brainpoolP256r1", "trustNonce": "0" * 32}
    heard = hear(record(changes={key: others.get(key, "0" * 64)}))
    assert heard == Heard(Verdict.FORGED, EMPTY)


def test_SHIP_PS_another_secret_is_a_forgery() -> None:
    assert hear(record(secret=b"x" * 16)).verdict is Verdict.FORGED


@pytest.mark.parametrize(("key", "value"), [("forId", "i:1_u:neighbour"), ("forPar", "0" * 64)])
def test_SHIP_PS_an_announcement_for_a_neighbour_is_not_ours(key: str, value: str) -> None:
    assert hear(record(changes={key: value})).verdict is Verdict.NOT_FOR_US


def test_SHIP_PS_hexadecimal_digits_and_keys_are_read_in_both_cases() -> None:
    made = {key.upper(): value for key, value in record().items()}
    assert hear(made).verdict is Verdict.ACCEPTED
    lower = record(changes={"digest": DIGEST.lower()})
    assert hear(lower).verdict is Verdict.ACCEPTED
    assert hear(lower, hear(record()).memory).verdict is Verdict.REPLAYED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("txtvers", "2"),
        ("parType", "ski"),
        ("type", "removeCu"),
        ("alg", "none"),
        ("trustCurve", "curve25519"),
        ("forPar", "12"),
        ("trustPar", "G" * 64),
        ("trustNonce", ""),
        ("digest", DIGEST + "0"),
        ("trustId", ""),
        ("trustId", "x" * 64),
        ("trustId", "i:1_u:a\u202eb"),
    ],
)
def test_SHIP_PS_a_record_of_another_kind_is_not_read(key: str, value: str) -> None:
    with pytest.raises(DecodeError):
        parse_announcement(record(changes={key: value}))


@given(st.dictionaries(st.text(max_size=12), st.one_of(st.none(), st.text(max_size=70)), max_size=12))
def test_any_record_is_read_or_refused(made: dict[str, str | None]) -> None:
    with pytest.raises(DecodeError):
        parse_announcement(made)


# --- replays ---


def test_SHIP_PS_an_announcement_counts_once() -> None:
    """SHIP 15: replay."""
    memory = hear(record()).memory
    gone = without_unit(arrived(memory, UNIT_SKI), UNIT_SKI)
    assert gone.unit is None
    assert hear(record(), gone) == Heard(Verdict.REPLAYED, gone)


def test_SHIP_PS_at_least_ten_used_digests_are_remembered_and_the_memory_is_bounded() -> None:
    memory = EMPTY
    made = [record(nonce=bytes([number]) * 16) for number in range(40)]
    for one in made:
        memory = hear(one, replace(memory, unit=None)).memory
    assert len(memory.used_digests) == 32
    for one in made[-32:]:
        assert hear(one, memory).verdict is Verdict.REPLAYED


def test_SHIP_PS_what_is_turned_away_while_the_place_is_taken_is_not_used_up() -> None:
    heard = hear(record(), occupied=True)
    assert heard == Heard(Verdict.OCCUPIED, EMPTY)
    assert hear(record(), heard.memory).verdict is Verdict.ACCEPTED


def test_a_forgery_does_not_push_used_digests_out() -> None:
    memory = hear(record()).memory
    for number in range(100):
        memory = hear(record(secret=b"y" * 16, nonce=bytes([number]) * 16), memory).memory
    assert memory.used_digests == (DIGEST,)


# --- one control unit at a time ---

KNOWN = PairingMemory((DIGEST,), ControlUnit(TRUST_ID, TRUST_PAR, NOW, UNIT_SKI))


@pytest.mark.parametrize(
    ("memory", "box", "connected", "absent_s", "occupied"),
    [
        (EMPTY, None, False, 0.0, False),
        (EMPTY, OTHER_SKI, False, 1e6, True),
        (KNOWN, UNIT_SKI, True, 0.0, True),
        (KNOWN, UNIT_SKI, False, ABSENCE_S - 0.1, True),
        (KNOWN, UNIT_SKI, False, ABSENCE_S, False),
        (KNOWN, OTHER_SKI, False, 1e6, True),
        (replace(KNOWN, unit=ControlUnit(TRUST_ID, TRUST_PAR, NOW)), None, False, 60.0, True),
        (replace(KNOWN, unit=ControlUnit(TRUST_ID, TRUST_PAR, NOW)), None, False, ABSENCE_S, False),
    ],
)
def test_SHIP_PS_another_unit_may_come_when_the_one_is_gone_for_15_minutes(
    memory: PairingMemory, box: Ski | None, connected: bool, absent_s: float, occupied: bool
) -> None:
    assert is_occupied(memory, box, connected=connected, absent_s=absent_s) is occupied


def test_SHIP_PS_the_unit_is_known_by_its_certificate_and_its_SKI_is_learned_on_connect() -> None:
    memory = hear(record()).memory
    certificate = PeerCertificate(UNIT_SKI, "f" * 64, TRUST_PAR.lower())
    assert expects(memory, certificate)
    assert not expects(memory, replace(certificate, certificate_sha256="0" * 64))
    assert not expects(memory, PeerCertificate(UNIT_SKI, "f" * 64))
    assert not expects(EMPTY, certificate)
    known = arrived(memory, UNIT_SKI)
    assert known.unit is not None
    assert known.unit.ski == UNIT_SKI
    assert not expects(known, certificate)


def test_SHIP_PS_an_announced_unit_may_take_the_place_of_the_announced_one_before_it_and_of_no_other() -> (
    None
):
    second = hear(record(nonce=b"2" * 16), KNOWN).memory
    third = hear(record(nonce=b"3" * 16), second).memory
    for memory in (second, third):
        assert memory.unit is not None
        assert memory.unit.replaces == UNIT_SKI
        assert may_replace(memory, UNIT_SKI)
        assert not may_replace(memory, OTHER_SKI)
        assert not is_occupied(memory, UNIT_SKI, connected=False, absent_s=ABSENCE_S)
        assert is_occupied(memory, UNIT_SKI, connected=True, absent_s=ABSENCE_S)
    assert not may_replace(arrived(second, OTHER_SKI), UNIT_SKI)
    assert not may_replace(EMPTY, UNIT_SKI)


def test_trust_withdrawn_from_somebody_else_leaves_the_unit() -> None:
    assert without_unit(KNOWN, OTHER_SKI) == KNOWN
    assert without_unit(EMPTY, OTHER_SKI) == EMPTY


# --- secrets and QR code ---


@pytest.mark.parametrize("length", [0, 15, 129])
def test_SHIP_PS_a_secret_has_16_to_128_bytes(length: int) -> None:
    with pytest.raises(LocalError):
        PairingListener(FOR_ID, FOR_PAR, b"x" * length)
    with pytest.raises(LocalError):
        record(secret=b"x" * length)


def test_a_nonce_has_16_bytes() -> None:
    with pytest.raises(LocalError):
        record(nonce=b"x" * 15)


def test_the_secret_is_never_shown() -> None:
    """SHIP 15."""
    assert SECRET.hex().upper() not in repr(LISTENER).upper()
    assert repr(SECRET) not in repr(LISTENER)
    assert repr(SECRET) not in repr(PairingOffer(FOR_PAR, SECRET))


def test_SRIP_3_1_the_QR_code_carries_fingerprint_and_secret_only_when_the_service_is_on() -> None:
    description = ServiceDescription(brand="Acme")
    with_secret = qr_text(FOR_ID, UNIT_SKI, description, pairing=PairingOffer(FOR_PAR, SECRET))
    assert f";FPH256:{FOR_PAR};SPSEC:{SECRET.hex().upper()};ENDSHIP;" in with_secret
    assert parse_qr(with_secret).ski == UNIT_SKI
    assert "SPSEC" not in qr_text(FOR_ID, UNIT_SKI, description)


def test_the_fingerprint_of_an_identity_is_that_of_its_certificate() -> None:
    identity = make_identity("test", now=NOW)
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    der = x509.load_pem_x509_certificate(identity.certificate_pem).public_bytes(Encoding.DER)
    assert check_certificate(der).certificate_sha256.upper() == fingerprint(identity)
