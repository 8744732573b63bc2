"""Declarations, conditions, data sets."""

import pytest

from eebus.conformance.all_cases import case_codes
from eebus.conformance.catalogue import LAYERS, TOTAL, catalogue
from eebus.conformance.data_sets import LimitationSets
from eebus.conformance.own import GATEWAY, OWN_DEVICES
from eebus.conformance.sheet import RECOMMENDED, excluding, make_sheet
from eebus.conformance.wire import LPC, LPP
from eebus.errors import LocalError


def test_the_catalogue_is_complete() -> None:
    counts = {layer: sum(entry.layer == layer for entry in catalogue().values()) for layer in LAYERS}
    assert counts == {"SHIP": 33, "SPINE": 31, "LPC": 51, "LPP": 51, "MPC": 54, "MGCP": 47}
    assert sum(counts.values()) == TOTAL
    assert {entry.mandatory for entry in catalogue().values()} == {"M", "conditional", "O"}
    without = [entry.id for entry in catalogue().values() if not entry.requirements]
    assert without == ["TC_SHIP_AMDATA_004"]


def test_every_condition_speaks_of_declared_names() -> None:
    for entry in catalogue().values():
        section = RECOMMENDED["SHIP" if entry.layer == "SPINE" else entry.layer]
        for term in entry.condition.replace("&", "|").split("|"):
            assert not term or term.partition("=")[0] in section, entry.id


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", []),
        ("a=no", ["a=no"]),
        ("a=yes", []),
        ("b=no|a=no", ["a=no"]),
        ("a=no&b=no", []),
        ("b=no|a=no&c=x", ["a=no", "c=x"]),
        ("unknown=no", []),
        ("d=2", ["d=2"]),
    ],
)
def test_or_binds_weaker_than_and(condition: str, expected: list[str]) -> None:
    assert excluding(condition, {"a": False, "b": True, "c": "x", "d": 2.0}) == expected


def test_a_role_that_is_not_played_makes_a_case_not_applicable() -> None:
    sheet = make_sheet({"roles": ["LPC/CS"]})
    assert sheet.why_not(catalogue()["ATC_LPP_COM_PT_CSInit_001"]) == "role CS of LPP=no"
    assert sheet.why_not(catalogue()["TC_SPINE_RTC_001"]) == "role EG of LPC or LPP=no"
    assert sheet.why_not(catalogue()["TC_SPINE_RTS_001"]) is None
    assert sheet.why_not(catalogue()["TC_SHIP_MDNS_001"]) is None


def test_recommended_declarations_leave_the_counts_of_the_reference() -> None:
    """161 of the 184 cases that concern the gateway, 229 of 267 with all five roles (reference 3)."""
    # Recommended for all roles: SHIP and SPINE 63 (AMDATA_004 is out), LPC and LPP 46 each.
    sheet = make_sheet({"roles": [f"{use_case}/{actor}" for use_case, actor in _ALL_ROLES]})
    applicable = [entry for entry in catalogue().values() if sheet.why_not(entry) is None]
    by_layer = {layer: sum(entry.layer == layer for entry in applicable) for layer in LAYERS}
    assert (by_layer["SHIP"], by_layer["SPINE"]) == (32, 31)
    assert (by_layer["LPC"], by_layer["LPP"]) == (46, 46)


_ALL_ROLES = [
    ("LPC", "CS"), ("LPC", "EG"), ("LPP", "CS"), ("LPP", "EG"),
    ("MPC", "MU"), ("MPC", "MA"), ("MGCP", "GCP"), ("MGCP", "MA"),
]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        {"LPX": {}},
        {"LPC": {"apclmax": 3}},
        {"LPC": 3},
        {"roles": ["LPC"]},
        {"roles": ["LPC/XX"]},
    ],
)
def test_nonsense_in_a_sheet_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        make_sheet(given)


def test_a_number_is_needed_where_one_is_asked_for() -> None:
    with pytest.raises(LocalError):
        make_sheet({"LPC": {"APCLmax": "much"}}).number("LPC", "APCLmax")


def test_the_values_of_the_data_sets() -> None:
    """The example of the reference: 34.5 kW of consumption, 30 kW of production."""
    sheet = make_sheet({})
    lpc, lpp = LimitationSets(sheet, LPC), LimitationSets(sheet, LPP)
    assert [lpc.limit_w(n) for n in range(1, 7)] == [0, 1725, 4321, 32775, 36225, -1000]
    assert [lpp.limit_w(n) for n in range(1, 7)] == [0, 1500, 4321, 28500, 31500, -1000]
    assert [lpp.failsafe_w(n) for n in range(1, 6)] == [0, 1500, 5001, 28500, 31500]
    assert [lpc.duration_s(n) for n in (1, 2, 3)] == [6840, 7260, 1.05 * 86400]
    assert (lpc.preconfigured_w, lpc.shortest_s) == (4200, 7200)


def test_a_small_device_has_values_inside_its_range() -> None:
    sheet = make_sheet({"LPC": {"APCLmin": 1000, "APCLmax": 3000}})
    assert [LimitationSets(sheet, LPC).limit_w(n) for n in range(1, 6)] == [900, 1100, 2000, 2900, 3100]


def test_all_but_four_cases_apply_to_one_of_our_devices() -> None:
    missing = [
        entry.id for entry in catalogue().values() if all(own.sheet.why_not(entry) for own in OWN_DEVICES)
    ]
    assert [id_.partition("_COM_PT_")[2] for id_ in missing] == [
        "CSConnection_006", "CSUnlAuto_002", "CSConnection_006", "CSUnlAuto_002",
    ]  # fmt: skip
    assert GATEWAY.sheet.says("LPC", "CEM")


def test_either_side_is_enough_for_most_ship_cases_and_a_device_may_have_only_one() -> None:
    either, both = case_codes()["TC_SHIP_AM_001"], case_codes()["TC_SHIP_SEC_001"]
    assert either.data_sets(exhaustive=True) == ["as server", "as client"]
    assert either.data_sets(exhaustive=False) == ["as server"]
    assert either.data_sets(exhaustive=False, has_server=False) == ["as client"]
    assert both.data_sets(exhaustive=False) == ["as server", "as client"]
    assert case_codes()["ATC_LPC_COM_PT_CSTransition6_001"].data_sets(exhaustive=False) == ["MSG_15"]
