"""Why a peer that we want is not connected, in plain words; each cause is news only once."""

from collections import deque

_TOLD = 8
"""Causes that are remembered as told: what a stranger puts into them must not fill memory or log."""

_AWAITS_ACCEPTANCE = "it waits until our SKI is accepted there"


class PeerTrouble:
    """The trouble with the connections of one peer, from the first failure until data is exchanged.

    Every method that may find trouble says whether its cause is news.
    """

    def __init__(self) -> None:
        self.text = ""
        """Empty: none is known."""
        self._told: deque[str] = deque(maxlen=_TOLD)
        self._pending: int | None = None
        self._in_data: set[int] = set()

    def dial_failed(self, text: str) -> bool:
        """No target could be reached, or somebody else answered there."""
        return self._arose(text)

    def awaits_acceptance(self, number: int) -> bool:
        """On this connection the peer says that a person has to accept us first."""
        self._pending = number
        return self._arose(_AWAITS_ACCEPTANCE)

    def data_exchange(self, number: int) -> None:
        """This connection works."""
        self._in_data.add(number)
        self._told.clear()
        self.text = ""

    def ended(self, number: int, text: str) -> bool:
        """A connection is over. One that has worked is no trouble, unless it cannot be made again."""
        had_worked = number in self._in_data
        self._in_data.discard(number)
        if had_worked or self._in_data or number == self._pending:
            return False
        return self._arose(text)

    def removed(self) -> None:
        """The peer ended the pairing, and is not dialled any more."""
        self.text = "it has ended the pairing; our SKI must be accepted there again"

    def _arose(self, text: str) -> bool:
        self.text = text
        if text in self._told:
            return False
        self._told.append(text)
        return True
