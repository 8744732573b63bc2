"""The models that the gateway uses, against the offsets of the published tables, and read from devices."""

from typing import Any

import pytest

from adapters.sunspec.definitions import model_definition
from hems.devices import Direction
from tests.unit.adapters.house import site
from tests.unit.adapters.modbus_stub import RegisterPeer, tcp_stub
from tests.unit.adapters.test_sunspec_map import END, LIMIT, RATED, at, common, model

SINGLE_PHASE_SCALES = {6: 0xFFFE, 13: 0xFFFF, 15: 0, 17: 0xFFFE, 26: 0}
METER_SCALES = {6: 0xFFFE, 15: 0xFFFF, 17: 0xFFFE, 22: 0, 54: 0}


@pytest.mark.parametrize(
    ("model_id", "length", "offsets"),
    [
        *(
            (
                model_id,
                50,
                {"A": 2, "AphA": 3, "PhVphA": 10, "W": 14, "W_SF": 15, "Hz": 16, "WH": 24, "St": 38},
            )
            for model_id in (101, 102, 103)
        ),
        (120, 26, {"DERTyp": 2, "WRtg": 3, "WRtg_SF": 4, "WHRtg": 19, "MaxChaRte": 23, "MaxDisChaRte": 25}),
        (121, 30, {"WMax": 2, "VRef": 3, "WGra": 12, "WMax_SF": 22}),
        (122, 44, {"PVConn": 2, "StorConn": 3, "ActWh": 5, "WAval": 31, "StActCtl": 35}),
        (
            123,
            24,
            {"Conn": 4, "WMaxLimPct": 5, "WMaxLimPct_RvrtTms": 7, "WMaxLim_Ena": 9, "WMaxLimPct_SF": 23},
        ),
        (
            124,
            24,
            {"WChaMax": 2, "StorCtl_Mod": 5, "MinRsvPct": 7, "ChaState": 8, "ChaSt": 11, "OutWRte": 12}
            | {"InWRte": 13, "InOutWRte_RvrtTms": 15, "ChaGriSet": 17, "WChaMax_SF": 18, "InOutWRte_SF": 25},
        ),
        *(
            (
                model_id,
                105,
                {"AphA": 3, "PhVphA": 8, "W": 18, "WphA": 19, "W_SF": 22, "TotWhExp": 38, "TotWhImp": 46},
            )
            for model_id in (201, 202, 203, 204)
        ),
        (
            701,
            153,
            {"St": 3, "InvSt": 4, "W": 10, "Hz": 17, "TotWhInj": 19, "WL1": 41, "VL3": 93, "W_SF": 116},
        ),
        (702, 50, {"WMaxRtg": 2, "CtrlModes": 23, "WMax": 26, "WChaRteMax": 34, "W_SF": 45}),
        (703, 17, {"ES": 2, "ESDlyTms": 9, "ESDlyRemTms": 15}),
        (704, 65, {"WMaxLimPctEna": 14, "WMaxLimPct": 15, "WMaxLimPctRvrtTms": 18, "WMaxLimPctRvrtRem": 20}),
    ],
)
def test_2_6_points_stand_where_the_published_tables_have_them(
    model_id: int, length: int, offsets: dict[str, int]
) -> None:
    definition = model_definition(model_id)
    assert {name: definition.offset_of(name) for name in offsets} == offsets
    assert definition.group.size == length + 2


def measurement(model_id: int) -> list[int]:
    """4000 W, 230 V, 50 Hz and 7 kWh, as the model has it."""
    if model_id == 701:
        points = {4: 3, 10: 4000, 17: 0, 18: 5000, 19: 0, 20: 0, 21: 0, 22: 7000, 23: 0, 24: 0, 25: 0, 26: 0}
        return model(
            701, 153, points | {47: 2300, 70: 2300, 93: 2300, 114: 0xFFFF, 115: 0xFFFE, 116: 0, 120: 0}
        )
    if model_id in (111, 112, 113):
        floats = {16: (0x4366, 0), 18: (0x4366, 0), 20: (0x4366, 0), 22: (0x457A, 0), 24: (0x4248, 0)}
        words = {offset + index: word for offset, pair in floats.items() for index, word in enumerate(pair)}
        return model(model_id, 60, words | {32: 0x45DA, 33: 0xC000, 48: 4})
    voltages = dict.fromkeys((10, 11, 12), 2300)
    points = {**SINGLE_PHASE_SCALES, **voltages, 14: 4000, 16: 5000, 24: 0, 25: 7000, 38: 4}
    return model(model_id, 50, points)


@pytest.mark.parametrize("model_id", [101, 102, 103, 111, 112, 113, 701])
async def test_every_measuring_model_gives_the_same_sample(model_id: int) -> None:
    peer = RegisterPeer(at(40_000, common(), measurement(model_id), RATED, LIMIT, END))
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        sample = await place.device(type="sunspec").read()
    assert (sample.power_w, sample.energy_produced_wh, sample.state) == (-4000.0, 7000.0, "producing")
    assert sample.voltages_v == (230.0, 230.0, 230.0)
    assert sample.ceilings_w == {Direction.PRODUCTION: None}


@pytest.mark.parametrize(
    ("rating", "reference_w"),
    [
        (model(120, 26, {3: 820, 4: 1}), 8_200.0),
        (model(121, 30, {2: 800, 22: 1}), 8_000.0),
        (model(702, 50, {2: 9000, 26: 0xFFFF, 45: 0}), 9_000.0),
        (model(702, 50, {2: 9000, 26: 7500, 45: 0}), 7_500.0),
    ],
)
async def test_what_100_percent_means_comes_from_the_best_rating(
    rating: list[int], reference_w: float
) -> None:
    peer = RegisterPeer(at(40_000, common(), measurement(103), rating, LIMIT, END))
    async with tcp_stub(peer.answer) as stub, site() as place:
        place.port = stub.port
        device = place.device(type="sunspec")
        await device.connect()
        assert device.capabilities.nameplate_w == reference_w


def meter(model_id: int) -> list[int]:
    points: dict[int, int] = {
        **METER_SCALES,
        **dict.fromkeys((8, 9, 10), 2300),
        16: 5000,
        18: 0x10000 - 1500,
        19: 0x10000 - 1500,
        38: 0,
        39: 900,
        46: 1,
        47: 0,
    }
    return model(model_id, 105, points)


@pytest.mark.parametrize("model_id", [201, 202, 203, 204])
@pytest.mark.parametrize(("maker", "sign"), [("Fronius", 1.0), ("KOSTAL", 1.0), ("SolarEdge", -1.0)])
async def test_every_meter_model_and_the_sign_of_its_maker(model_id: int, maker: str, sign: float) -> None:
    chain: list[Any] = [common(maker=maker), meter(model_id), END]
    async with tcp_stub(RegisterPeer(at(40_000, *chain)).answer) as stub, site() as place:
        place.port = stub.port
        sample = await place.meter(type="sunspec-meter").read()
    assert sample.power_w == -1500.0 * sign
    assert (sample.energy_fed_in_wh, sample.energy_consumed_wh) == (900.0, 65_536.0)
    assert (sample.voltages_v, sample.frequency_hz) == ((230.0, 230.0, 230.0), 50.0)
