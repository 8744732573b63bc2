"""Texts from and for other nodes: without invisible characters, cut at whole characters."""

import unicodedata

_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_BLANK = "Zs"


def clean_received(text: str, max_bytes: int) -> str:
    """What a peer calls itself, safe for logs and screens: no control or format characters, bounded."""
    return cut(_visible(text), max_bytes)


def clean_announced(text: str, max_bytes: int) -> str:
    """A value for TXT records and QR codes (SRIP 220): no control, format or separator characters.

    Blanks, and the signs ``;`` and ``=`` at which readers split, become dashes.
    """
    return cut("".join("-" if _splits(c) else c for c in _visible(text).strip()), max_bytes)


def cut(text: str, max_bytes: int) -> str:
    """The longest beginning of whole characters that fits into ``max_bytes`` of UTF-8."""
    return text.encode(errors="ignore")[:max_bytes].decode(errors="ignore")


def _visible(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)


def _splits(character: str) -> bool:
    return character in ";=" or unicodedata.category(character) == _BLANK
