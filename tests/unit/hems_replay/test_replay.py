"""`hems replay`: the explanations of known recordings, and what cannot be explained."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from eebus.errors import LocalError
from hems.cli.replay import replay
from hems.cli.replay.explainer import explain
from hems.cli.replay.recording import Frame, read_recording
from tests.unit.ship.wire import (
    ABORTED,
    CLOSE,
    CMI,
    CONFIRM,
    PENDING,
    PIN_NONE,
    PROLONG,
    REMOVED,
    protocol_error,
)

HERE = Path(__file__).parent
CAPTURES = HERE.parents[1] / "captures"
RECORDINGS = (*sorted(CAPTURES.glob("*.jsonl")), *sorted((HERE / "recordings").glob("*.jsonl")))
GO = CAPTURES / "eebus-go-controlbox-hems.jsonl"


def _text(path: Path) -> str:
    return "\n".join(line for lines in explain(read_recording(path)) for line in lines) + "\n"


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_recording_is_explained_as_its_golden_file_says(path: Path) -> None:
    """With UPDATE_GOLDEN=1 the files are written anew; look at the difference before you keep it."""
    golden = HERE / "golden" / f"{path.stem}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(_text(path))
    assert _text(path) == golden.read_text()


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_no_frame_of_a_recording_stays_unexplained(path: Path) -> None:
    text = _text(path)
    frames = sum(isinstance(entry, Frame) for entry in read_recording(path))
    assert text.count("\n#") == frames
    assert "unreadable" not in text
    assert "unknown message" not in text


def _said(*messages: bytes, at_s: float = 0.0) -> list[str]:
    frames = [Frame(at_s, "box", "house", message) for message in messages]
    return [line.split(": ", 1)[1] for lines in explain(frames) for line in lines[:1]]


def test_the_messages_of_the_handshake_are_named() -> None:
    said = _said(CMI, PENDING, PROLONG, ABORTED, protocol_error(3), PIN_NONE, CLOSE, CONFIRM, REMOVED)
    assert said == [
        "begins: connection mode initialisation (SHIP 13.4.3)",
        "does not trust the other side yet, and waits 60 s for the other side (SHIP 13.4.4.1)",
        "needs more time to be accepted by a person and asks for a prolongation (SHIP 13.4.4.1)",
        "does not trust the other side and ends (SHIP 13.4.4.1)",
        "ends the protocol handshake: the choice does not match the offer (SHIP 13.4.4.2)",
        "wants no PIN (SHIP 13.4.4.3)",
        "announces the end of the connection, reason 'unspecific' (SHIP 13.4.7)",
        "confirms the end (SHIP 13.4.7)",
        "ends the connection because it trusts the other side no longer (SHIP 13.4.7)",
    ]


def test_hostile_messages_are_explained_too() -> None:
    datagram = b'\x02{"data":[{"header":[{"protocolId":"ee1.0"}]},{"payload":{"datagram":%s}}]}'
    said = _said(b"\x00\x01", b"\xff\x00", b"\x01{", b"", datagram % b"7", datagram % b"[]")
    assert "invalid head 1" in said[0]
    assert "reserved message type 255" in said[1]
    assert "unreadable" in said[2]
    assert "without value" in said[3]
    assert "without readable header" in said[4]
    assert "content is unreadable" in said[5]


def test_a_silent_box_leads_to_the_failsafe_state() -> None:
    """The Go recording goes on without the box: its last heartbeat was at 57.3 s."""
    entries = list(read_recording(GO))
    frames = [entry for entry in entries if isinstance(entry, Frame)]
    late = Frame(300.0, "hems", None, frames[-1].message)
    concluded = [line for lines in explain([*entries, late]) for line in lines if ">> hems" in line]
    assert [line.split(">> hems: ")[1] for line in concluded] == [
        "no limit within 120 s after the start: production goes from init to unlimited/autonomous (LPP-906)",
        "no heartbeat for 120 s: consumption goes from limited to failsafe (LPC-912)",
    ]
    assert "177.8" in concluded[1]


def test_an_answer_against_the_rules_is_pointed_out() -> None:
    entries = list(read_recording(GO))
    changed = [
        Frame(
            entry.at_s,
            entry.sender,
            entry.receiver,
            entry.message.replace(b'"errorNumber":0', b'"errorNumber":7'),
        )
        if isinstance(entry, Frame) and b'"msgCounterReference":19' in entry.message
        else entry
        for entry in entries
    ]
    assert "by the rules it should have been accepted" in "\n".join(
        line for lines in explain(changed) for line in lines
    )


def test_a_new_connection_begins_with_nothing_known() -> None:
    frames = [entry for entry in read_recording(GO) if isinstance(entry, Frame)]
    lines = [line for group in explain([*frames, *frames]) for line in group]
    assert sum("consumption limit: 100 W, active, for 1 h 2 min, was: 4.20 kW" in line for line in lines) == 4


@pytest.mark.parametrize(
    "line", ["no json", '{"t": 1}', "[]", '{"t": 1, "from": "a", "type": 999, "text": ""}']
)
def test_a_line_that_is_no_recording_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(json.dumps({"header": {}}) + "\n" + line + "\n")
    with pytest.raises(LocalError, match=r"broken\.jsonl:2"):
        list(read_recording(path))
    result = CliRunner().invoke(replay, [str(path)])
    assert result.exit_code == 1
    assert "no line of a recording" in result.output


def test_the_command_can_pick_lines_and_show_the_messages() -> None:
    result = CliRunner().invoke(replay, [str(GO), "--only", "writes limits", "--raw"])
    assert result.exit_code == 0
    assert result.output.count("writes limits") == 1
    assert '"isLimitActive":true' in result.output
