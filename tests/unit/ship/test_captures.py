"""Recorded sessions of other products: our machine takes the part of either end."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from eebus.ids import ShipId, Ski
from eebus.ship.connection import (
    EndCause,
    Ended,
    PeerShipId,
    Phase,
    ShipConnection,
    ShipRole,
    ShipSettings,
    SpineMessage,
    Trust,
)
from eebus.ship.frames import Data, decode, encode, encode_data
from eebus.ship.messages import Message
from tests.unit.ship.wire import sent

FOLDER = Path(__file__).parents[2] / "captures"
CAPTURES = {
    "eebus-go-controlbox-hems.jsonl": {
        "hems": "Demo-HEMS-123456789",
        "controlbox": "Demo-ControlBox-123456789",
    },
    "openeebus-hems-heatpump.jsonl": {
        "hems": "OpenEEBUS-HEMS-123456789",
        "heat_pump": "NIBE-HeatPump-123456789",
    },
}
PARTS = [(name, part) for name, ids in CAPTURES.items() for part in ids]


@dataclass(frozen=True)
class Line:
    at: float
    sender: str
    message: bytes


def lines(name: str) -> list[Line]:
    rows = [json.loads(row) for row in (FOLDER / name).read_text(encoding="utf-8").splitlines()]
    return [
        Line(row["t"], row["from"], bytes((row["type"],)) + row["text"].encode())
        for row in rows
        if "from" in row
    ]


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_our_machine_in_the_place_of_a_recorded_peer(name: str, part: str) -> None:
    """In the hello phase the recorded peers announce 60 s and the client dials: only this differs."""
    role = ShipRole.CLIENT if part == "hems" else ShipRole.SERVER
    settings = ShipSettings(local_ship_id=ShipId(CAPTURES[name][part]), hello_init_s=60)
    ours = ShipConnection(role, settings, Trust.TRUSTED, peer_ski=Ski("0" * 40))
    effects = ours.start(0.0)
    for line in lines(name):
        if line.sender != part:
            effects += ours.receive(line.message, line.at)
    recorded = [line.message for line in lines(name) if line.sender == part]
    control = [message for message in recorded if message[0] < 2]
    assert sorted(sent(effects)) == sorted(control), "the same bytes as the recorded peer"
    assert ours.phase is Phase.DATA
    peer_id = next(ship_id for other, ship_id in CAPTURES[name].items() if other != part)
    assert PeerShipId(peer_id) in effects
    theirs = [line for line in lines(name) if line.sender != part and line.message[0] == 2]
    assert len([effect for effect in effects if isinstance(effect, SpineMessage)]) == len(theirs)


@pytest.mark.parametrize("name", CAPTURES)
def test_recorded_frames_are_written_again_byte_by_byte(name: str) -> None:
    for line in lines(name):
        frame = decode(line.message, max_bytes=262_144, max_depth=64, max_elements=32_768)
        if isinstance(frame, Message):
            assert encode(frame) == line.message
        elif isinstance(frame, Data):
            start, end = line.message.index(b'{"datagram"'), len(line.message) - 3
            assert encode_data(line.message[start:end]) == line.message


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_recorded_peer_that_vanishes_is_a_lost_transport(name: str, part: str) -> None:
    ours = ShipConnection(
        ShipRole.CLIENT if part == "hems" else ShipRole.SERVER,
        ShipSettings(local_ship_id=ShipId("x")),
        Trust.TRUSTED,
        peer_ski=Ski("0" * 40),
    )
    ours.start(0.0)
    for line in lines(name):
        if line.sender != part:
            ours.receive(line.message, line.at)
    end = ours.transport_closed(None, "", 100.0)[-1]
    assert isinstance(end, Ended)
    assert end.cause is EndCause.TRANSPORT_LOST
