"""Identifiers that cross module borders, as plain strings with a checked constructor."""

import re
from enum import StrEnum
from typing import NewType

from eebus.errors import LocalError

Ski = NewType("Ski", str)
"""Subject key identifier: 40 lowercase hexadecimal digits, the SHA-1 of a node's public key."""

ShipId = NewType("ShipId", str)
"""SHIP ID: names a node for life; 1 to 63 bytes (SHIP 7.3.2)."""


class PeerRole(StrEnum):
    """What a trusted peer may do: only a control box may bind or write limits and failsafe values."""

    CONTROL_BOX = "control-box"
    DEVICE = "device"


_SKI = re.compile(r"[0-9a-f]{40}")
_MAX_SHIP_ID_BYTES = 63


def parse_ski(text: str) -> Ski:
    """Read an SKI as people write it: blanks, dashes, colons and upper case are allowed.

    Raises LocalError when the rest is not 40 hexadecimal digits.
    """
    folded = re.sub(r"[\s:\-]", "", text).lower()
    if not _SKI.fullmatch(folded):
        raise LocalError(f"'{text}' is not an SKI: 40 hexadecimal digits are needed")
    return Ski(folded)


def parse_ship_id(text: str) -> ShipId:
    """Check a SHIP ID. Raises LocalError when it is empty, too long, or carries the word 'datagram'.

    Peers route every message that contains that word to SPINE (SHIP reference 4.1), so it must never be
    part of a control message.
    """
    size = len(text.encode())
    if not 1 <= size <= _MAX_SHIP_ID_BYTES or "datagram" in text:
        raise LocalError(f"'{text}' is not a usable SHIP ID: 1 to 63 bytes, without the word 'datagram'")
    return ShipId(text)


def group_ski(ski: Ski) -> str:
    """Show an SKI as people compare it: upper case in groups of four."""
    upper = ski.upper()
    return " ".join(upper[i : i + 4] for i in range(0, len(upper), 4))
