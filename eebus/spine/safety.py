"""Texts that survive the JSON conversion of peers.

One widespread stack turns SHIP form into plain JSON by replacing byte sequences, also inside texts
(SPINE 1.3, E1 to E3). A text with such a sequence makes the whole datagram unreadable there.
"""

import msgspec

from eebus.errors import LocalError

_REPLACED = ("[{", "},{", "}]", "[]")
_BRACKETS = str.maketrans("[]{}", "()()")


def peer_safe_text(text: str) -> str:
    """The text with round brackets instead of the dangerous ones."""
    return text.translate(_BRACKETS)


def is_peer_safe(value: object) -> bool:
    """Whether no text inside a value (record, list, text) contains a sequence that peers replace."""
    if isinstance(value, str):
        return not any(sequence in value for sequence in _REPLACED)
    if isinstance(value, msgspec.Struct):
        return all(map(is_peer_safe, msgspec.structs.astuple(value)))
    if isinstance(value, (tuple, list)):
        return all(map(is_peer_safe, value))
    return True


def require_peer_safe(value: object) -> None:
    """Raises LocalError for a value with a text that peers cannot read."""
    if not is_peer_safe(value):
        raise LocalError(f"a text contains one of {', '.join(_REPLACED)}, which peers cannot read")
