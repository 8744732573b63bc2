"""Whom we trust, in which role, and who asks to be trusted. Pure: the shell stores, then replaces."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski
from eebus.ship.effects import Trust
from eebus.ship.identity import PeerCertificate


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustEntry:
    """One trusted peer. The key hash is learned at the first connection if the SKI was typed in before."""

    ski: Ski
    role: PeerRole
    accepted_at: datetime
    public_key_sha256: str | None = None
    ship_id: str | None = None


class ShipIdCheck(Enum):
    """What a SHIP ID told by a trusted peer means."""

    KNOWN = "the SHIP ID is the stored one"
    NEW = "no SHIP ID was stored"
    CHANGED = "the peer used to have another SHIP ID"


class TrustList:
    """The trusted peers. Immutable: changes make a new list, so that it can be stored before it counts."""

    def __init__(self, entries: Iterable[TrustEntry] = ()) -> None:
        self._entries = {entry.ski: entry for entry in entries}

    def __iter__(self) -> Iterator[TrustEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, ski: Ski) -> TrustEntry | None:
        """The entry of a peer, None when it is not trusted."""
        return self._entries.get(ski)

    def control_box(self) -> TrustEntry | None:
        """The one peer that may limit us."""
        return next((entry for entry in self if entry.role is PeerRole.CONTROL_BOX), None)

    def judge(self, certificate: PeerCertificate, own_ski: Ski) -> Trust:
        """What we think of a peer that has proven its key.

        Our own SKI and a key that differs from the stored one (equal SHA-1, other key) are refused.
        """
        entry = self.get(certificate.ski)
        if certificate.ski == own_ski:
            return Trust.REFUSED
        if entry is None:
            return Trust.UNDECIDED
        if entry.public_key_sha256 in (None, certificate.public_key_sha256):
            return Trust.TRUSTED
        return Trust.REFUSED

    def accept(self, entry: TrustEntry, *, own_ski: Ski, replace_box: bool = False) -> "TrustList":
        """Trust a peer, or change its role.

        There is one control box at a time. Another one raises LocalError unless ``replace_box`` asks for a
        swap, which removes the trust in the old one. Our own SKI raises LocalError.
        """
        if entry.ski == own_ski:
            raise LocalError("this is our own SKI")
        old_box = self.control_box()
        swap = entry.role is PeerRole.CONTROL_BOX and old_box is not None and old_box.ski != entry.ski
        if swap and not replace_box:
            raise LocalError("another control box is already trusted; only an explicit swap replaces it")
        kept = (old for old in self if not (swap and old is old_box))
        return TrustList((*kept, entry))

    def remove(self, ski: Ski) -> "TrustList":
        """Withdraw the trust. Raises LocalError when there is none."""
        self._require(ski)
        return TrustList(entry for entry in self if entry.ski != ski)

    def learn(
        self, ski: Ski, *, ship_id: str | None = None, public_key_sha256: str | None = None
    ) -> "TrustList":
        """Add what a peer told about itself, only where nothing was stored before."""
        entry = self._require(ski)
        learned = replace(
            entry,
            ship_id=entry.ship_id or ship_id,
            public_key_sha256=entry.public_key_sha256 or public_key_sha256,
        )
        return TrustList(learned if old.ski == ski else old for old in self)

    def check_ship_id(self, ski: Ski, ship_id: str) -> ShipIdCheck:
        """Compare a told SHIP ID with the stored one; a change is shown to the user, never taken over."""
        stored = self._require(ski).ship_id
        if stored is None:
            return ShipIdCheck.NEW
        return ShipIdCheck.KNOWN if stored == ship_id else ShipIdCheck.CHANGED

    def _require(self, ski: Ski) -> TrustEntry:
        entry = self.get(ski)
        if entry is None:
            raise LocalError(f"{ski} is not trusted")
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingRequest:
    """An unknown peer that proved its key and wants to talk to us."""

    ski: Ski
    public_key_sha256: str
    address: str
    first_seen: float
    last_seen: float
    connected: bool
    refused: bool = False
    """The user said no; the peer is refused as long as the entry lives."""


class PairingRequests:
    """The bounded table of unknown peers.

    It may be flooded by anybody in the network. An address holds few entries: a further one replaces the
    oldest of the same address. When the table is full, the stalest entry of the address with most entries
    goes. Entries with an open connection and refusals give way last, so that a person can decide in peace.
    """

    def __init__(self, *, max_total: int = 16, max_per_address: int = 2) -> None:
        self._max_total = max_total
        self._max_per_address = max_per_address
        self._requests: dict[Ski, PairingRequest] = {}

    def __iter__(self) -> Iterator[PairingRequest]:
        return iter(tuple(self._requests.values()))

    def __len__(self) -> int:
        return len(self._requests)

    def get(self, ski: Ski) -> PairingRequest | None:
        """The request of a peer, if it is still kept."""
        return self._requests.get(ski)

    def seen(self, certificate: PeerCertificate, address: str, now: float) -> PairingRequest:
        """An unknown peer has connected and proven its key."""
        known = self.get(certificate.ski)
        if known is None:
            self._make_room(address)
        request = PairingRequest(
            ski=certificate.ski,
            public_key_sha256=certificate.public_key_sha256,
            address=address,
            first_seen=now if known is None else known.first_seen,
            last_seen=now,
            connected=True,
            refused=known is not None and known.refused,
        )
        self._requests[certificate.ski] = request
        return request

    def disconnected(self, ski: Ski) -> None:
        """The connection of an unknown peer ended; its request stays until it is pushed out."""
        self._change(ski, connected=False)

    def refuse(self, ski: Ski) -> None:
        """The user said no. Raises LocalError when there is no such request."""
        if ski not in self._requests:
            raise LocalError(f"{ski} has not asked to be trusted")
        self._change(ski, refused=True)

    def is_refused(self, ski: Ski) -> bool:
        """Did the user say no to this peer?"""
        request = self.get(ski)
        return request is not None and request.refused

    def remove(self, ski: Ski) -> None:
        """The request is settled: the peer is trusted now, or forgotten."""
        self._requests.pop(ski, None)

    def _change(self, ski: Ski, *, connected: bool | None = None, refused: bool | None = None) -> None:
        request = self.get(ski)
        if request is not None:
            self._requests[ski] = replace(
                request,
                connected=request.connected if connected is None else connected,
                refused=request.refused if refused is None else refused,
            )

    def _make_room(self, address: str) -> None:
        of_address = [request for request in self if request.address == address]
        if len(of_address) >= self._max_per_address:
            self._evict(of_address)
        elif len(self) >= self._max_total:
            counts = Counter(request.address for request in self)
            most = max(counts.values())
            self._evict([request for request in self if counts[request.address] == most])

    def _evict(self, candidates: list[PairingRequest]) -> None:
        def worth(request: PairingRequest) -> tuple[bool, bool, float]:
            return (request.connected, request.refused, request.last_seen)

        del self._requests[min(candidates, key=worth).ski]
