"""The trust of a running node: every change is stored before it counts, one after the other."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from eebus.clock import Clock
from eebus.errors import RemoteError
from eebus.ids import PeerRole, Ski
from eebus.io.events import PersistTrust
from eebus.io.pump import short
from eebus.ship.effects import Trust
from eebus.ship.identity import PeerCertificate
from eebus.ship.trust import PairingRequest, PairingRequests, ShipIdCheck, TrustEntry, TrustList

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What accepting a peer has changed beside the peer itself."""

    replaced_box: Ski | None
    """The control box that is trusted no more."""
    role_changed: bool


class TrustKeeper:
    """The trust list and the pairing requests of one node."""

    def __init__(
        self, own_ski: Ski, trust: TrustList, clock: Clock, persist: Callable[[object], Awaitable[None]]
    ) -> None:
        self._own_ski = own_ski
        self._trust = trust
        self._pairing = PairingRequests()
        self._clock = clock
        self._persist = persist
        self._lock = asyncio.Lock()

    @property
    def trust(self) -> TrustList:
        """Whom we trust."""
        return self._trust

    @property
    def trusted_skis(self) -> frozenset[Ski]:
        """The SKIs of all trusted peers."""
        return frozenset(entry.ski for entry in self._trust)

    @property
    def requests(self) -> tuple[PairingRequest, ...]:
        """Who asks to be trusted."""
        return tuple(self._pairing)

    def judge(self, peer: PeerCertificate) -> Trust:
        """What we think of a proven key. Raises RemoteError for our own, and for a key that changed."""
        trust = self._trust.judge(peer, self._own_ski)
        if trust is Trust.REFUSED:
            raise RemoteError("this is our own SKI, or another key than the one that was trusted")
        return Trust.REFUSED if self._pairing.is_refused(peer.ski) else trust

    def seen(self, peer: PeerCertificate, address: str) -> None:
        """An unknown peer has connected and proven its key."""
        self._pairing.seen(peer, address, self._clock.monotonic())

    def left(self, ski: Ski) -> None:
        """The last connection of a peer is gone."""
        self._pairing.disconnected(ski)

    def is_news(self, ski: Ski) -> bool:
        """Whether this peer asks for the first time; one that comes back every few seconds is no news."""
        request = self._pairing.get(ski)
        return request is not None and request.first_seen == request.last_seen

    async def accept(self, ski: Ski, role: PeerRole, *, replace: bool) -> Accepted:
        """Trust a peer. Raises LocalError as ``TrustList.accept``, and whatever storing raises."""
        async with self._lock:
            old, old_box = self._trust.get(ski), self._trust.control_box()
            proven = self._pairing.get(ski) or old
            entry = TrustEntry(
                ski=ski,
                role=role,
                accepted_at=self._clock.utc_now(),
                public_key_sha256=proven.public_key_sha256 if proven else None,
                ship_id=old.ship_id if old else None,
            )
            await self._replace(self._trust.accept(entry, own_ski=self._own_ski, replace_box=replace))
            swapped = old_box is not None and self._trust.get(old_box.ski) is None
        self._pairing.remove(ski)
        return Accepted(
            old_box.ski if swapped and old_box is not None else None,
            role_changed=old is not None and old.role is not role,
        )

    async def remove(self, ski: Ski) -> None:
        """Withdraw the trust. Raises LocalError when there is none, and whatever storing raises."""
        async with self._lock:
            await self._replace(self._trust.remove(ski))

    def refuse(self, ski: Ski) -> None:
        """Say no to a pairing request. Raises LocalError when there is none."""
        self._pairing.refuse(ski)

    def check_ship_id(self, ski: Ski, ship_id: str) -> ShipIdCheck | None:
        """Compare a told SHIP ID with the stored one; None when the peer is not trusted."""
        return None if self._trust.get(ski) is None else self._trust.check_ship_id(ski, ship_id)

    async def learn(
        self, ski: Ski, *, ship_id: str | None = None, public_key_sha256: str | None = None
    ) -> bool:
        """Add what a peer proved or told. Says whether that is stored; if not, it is learned next time."""
        async with self._lock:
            if self._trust.get(ski) is None:
                return False
            try:
                await self._replace(
                    self._trust.learn(ski, ship_id=ship_id, public_key_sha256=public_key_sha256)
                )
            except Exception:
                _log.exception("could not store what was learned about %s", short(ski))
                return False
        return True

    async def _replace(self, changed: TrustList) -> None:
        await self._persist(PersistTrust(changed))
        self._trust = changed
