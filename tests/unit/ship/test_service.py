"""TXT record and QR code."""

import pytest

from eebus.errors import DecodeError, LocalError
from eebus.ids import ShipId, Ski
from eebus.ship.service import (
    AnnouncedService,
    QrCode,
    ServiceDescription,
    build_txt,
    host_label,
    instance_label,
    parse_qr,
    parse_txt,
    qr_text,
)

SKI = Ski("b467a3999eb5efa671de0032f08a9c9e5efda0e1")
SHIP_ID = ShipId("i:12345_u:ems-0001")
EXAMPLE = ServiceDescription(
    brand="Example", model="E1", type="EnergyManagementSystem", serial="0001", categories=(2,)
)
EXAMPLE_TXT = {
    "txtvers": "1",
    "id": "i:12345_u:ems-0001",
    "path": "/ship/",
    "ski": "b467a3999eb5efa671de0032f08a9c9e5efda0e1",
    "register": "false",
    "brand": "Example",
    "model": "E1",
    "type": "EnergyManagementSystem",
    "serial": "0001",
    "cat": "2",
}


def test_TC_SHIP_MDNS_001_txt_record() -> None:
    record = build_txt(SHIP_ID, SKI, EXAMPLE)
    assert record == EXAMPLE_TXT
    assert list(record) == list(EXAMPLE_TXT), "in the order of the specification"


def test_register_is_never_true() -> None:
    """SHIP 15: nobody is accepted unasked."""
    assert build_txt(SHIP_ID, SKI, EXAMPLE)["register"] == "false"


def test_upper_case_ski_is_a_switch() -> None:
    assert build_txt(SHIP_ID, SKI, EXAMPLE, upper_case_ski=True)["ski"] == SKI.upper()


def test_values_are_cleaned_and_cut_at_whole_characters() -> None:
    dirty = ServiceDescription(
        brand="My Brand;GmbH", model="a=b\x00\n", type="t\u202ey\u200bpe\u2028", serial="ü" * 20
    )
    record = build_txt(SHIP_ID, SKI, dirty)
    assert record["brand"] == "My-Brand-GmbH"
    assert record["model"] == "a-b"
    assert record["type"] == "type"
    assert record["serial"] == "ü" * 16
    assert "cat" not in record


@pytest.mark.parametrize(
    ("ship_id", "path", "categories"),
    [
        (ShipId("a=b"), "/ship/", (2,)),
        (SHIP_ID, "ship", (2,)),
        (SHIP_ID, "/" + "x" * 32, (2,)),
        (SHIP_ID, "/a b", (2,)),
        (SHIP_ID, "/ship/", (0,)),
        (SHIP_ID, "/ship/", (8,)),
        (SHIP_ID, "/ship/", (2,) * 200),
    ],
)
def test_what_cannot_be_announced_is_refused(ship_id: ShipId, path: str, categories: tuple[int, ...]) -> None:
    with pytest.raises(LocalError):
        build_txt(ship_id, SKI, ServiceDescription(categories=categories), path=path)


def test_longest_record_stays_within_400_bytes() -> None:
    long = ServiceDescription(
        brand="b" * 40, model="m" * 40, type="t" * 40, serial="s" * 40, categories=(1, 2, 3, 4, 5, 6, 7)
    )
    record = build_txt(ShipId("i" * 63), SKI, long, path="/" + "p" * 31)
    assert sum(len(key) + len(value) + 2 for key, value in record.items()) <= 400


def test_txt_record_is_read_back() -> None:
    assert parse_txt(EXAMPLE_TXT) == AnnouncedService(
        ski=SKI, ship_id=SHIP_ID, path="/ship/", register=False, description=EXAMPLE
    )


def test_missing_srip_keys_and_unknown_keys_are_no_errors() -> None:
    minimal = {
        "TXTVERS": "1",
        "ski": "B467 A399 9EB5 EFA6 71DE 0032 F08A 9C9E 5EFD A0E1",
        "vendor": "x",
        "empty": None,
    }
    service = parse_txt(minimal)
    assert service.ski == SKI
    assert service.path == "/ship/"
    assert service.register is False
    assert service.description == ServiceDescription()


@pytest.mark.parametrize(
    ("register", "expected"), [("true", True), ("false", False), ("TRUE", False), ("", False)]
)
def test_register_is_true_only_when_exactly_so(register: str, expected: bool) -> None:
    assert parse_txt(EXAMPLE_TXT | {"register": register}).register is expected


def test_received_texts_are_cleaned_and_bounded() -> None:
    service = parse_txt(
        EXAMPLE_TXT | {"brand": "a\x1b[31m" + "b" * 100, "id": "i\n" * 100, "cat": "2,x,44, 3"}
    )
    assert service.description.brand == ("a[31m" + "b" * 100)[:32]
    assert service.ship_id == "i" * 63
    assert service.description.categories == (2, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"txtvers": "2"},
        {"txtvers": None},
        {"ski": None},
        {"ski": "b467"},
        {"path": "ship"},
        {"path": "/a\r\nHost: x"},
    ],
)
def test_unusable_records_are_refused(change: dict[str, str | None]) -> None:
    with pytest.raises(DecodeError):
        parse_txt({**EXAMPLE_TXT, **change})


# --- QR code ---


def test_qr_text() -> None:
    assert qr_text(SHIP_ID, SKI, EXAMPLE, nominal_power_w=(-5000, 11000)) == (
        "SHIP;SKI:B467 A399 9EB5 EFA6 71DE 0032 F08A 9C9E 5EFD A0E1;ID:i:12345_u:ems-0001;BRAND:Example;"
        "MODEL:E1;TYPE:EnergyManagementSystem;SERIAL:0001;CAT:2;NOMINALPOWER:-5000,11000;ENDSHIP;"
    )


def test_qr_text_is_read_back() -> None:
    assert parse_qr(qr_text(SHIP_ID, SKI, EXAMPLE)) == QrCode(ski=SKI, ship_id=SHIP_ID, description=EXAMPLE)


def test_qr_reader_skips_unknown_keys_and_needs_no_end() -> None:
    code = parse_qr(
        "SHIP;SKI:b467a3999eb5efa671de0032f08a9c9e5efda0e1;PIN:5555 AAAA FF;FPH256:00;ID:i:1_u:a:b"
    )
    assert code.ski == SKI
    assert code.ship_id == "i:1_u:a:b", "split at the first colon only"


@pytest.mark.parametrize("text", ["", "https://example.org", "SHIP;ID:x;ENDSHIP;", "SHIP;SKI:12;ENDSHIP;"])
def test_other_codes_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_qr(text)


# --- labels ---


def test_labels_are_unique_and_short() -> None:
    """SHIP 14: all installations had one name."""
    other = Ski("c" * 40)
    assert instance_label(EXAMPLE, SKI) == "Example E1 b467a399"
    assert instance_label(EXAMPLE, SKI) != instance_label(EXAMPLE, other)
    assert instance_label(ServiceDescription(), SKI) == "EEBUS b467a399"
    assert len(instance_label(ServiceDescription(brand="ü" * 60), SKI).encode()) <= 63
    assert host_label(SKI) != host_label(other)
