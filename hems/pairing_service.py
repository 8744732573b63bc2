"""The switch of the SHIP Pairing Service: off until a person wants it, by configuration or by command."""

import secrets
from typing import Any

from eebus.io.node import Node
from eebus.ship.identity import Identity, fingerprint
from eebus.ship.pairing_service import MIN_SECRET_BYTES, PairingListener
from eebus.ship.service import PairingOffer
from hems.config import Configuration
from hems.northbound.refusal import RequestRefused
from hems.store.errors import StoreError
from hems.store.state import StateStore, StoredPairing
from hems.vault import identity_card, ship_id_of


class PairingSwitch:
    """Whether announced control units are trusted, and the QR text that lets somebody announce one."""

    def __init__(
        self,
        node: Node,
        identity: Identity,
        configuration: Configuration,
        store: StateStore,
        stored: StoredPairing,
    ) -> None:
        self._node = node
        self._identity = identity
        self._configuration = configuration
        self._store = store
        self._switched_on = stored.is_on
        self._secret = stored.secret

    @property
    def is_on(self) -> bool:
        """On by configuration, or switched on by a person."""
        return self._configuration.eebus.pairing_service or self._switched_on

    async def begin(self) -> None:
        """Listen from the start if that is wanted. Raises StoreError when the secret cannot be stored."""
        if self.is_on:
            await self._listen()

    async def switch(self, *, on: bool) -> None:
        """Switch it. Raises RequestRefused: what the configuration switches on, only it switches off."""
        if not on and self._configuration.eebus.pairing_service:
            raise RequestRefused("'eebus.pairing_service: true' in the configuration switches it on")
        try:
            secret = self._secret or _new_secret()
            await self._store.put_pairing_switch(on, secret)
            self._switched_on, self._secret = on, secret
            if on:
                await self._listen()
            else:
                self._node.listen_for_pairing(None)
        except StoreError as error:
            raise RequestRefused(str(error)) from error

    def show(self) -> dict[str, Any]:
        """For the owner of the gateway only: the QR text contains the secret."""
        unit = self._node.announced_unit
        return {
            "on": self.is_on,
            "by_configuration": self._configuration.eebus.pairing_service,
            "hears_network": self._configuration.eebus.announce,
            "qr_text": self._qr_text() if self.is_on else None,
            "control_unit": None if unit is None else {"ship_id": unit.ship_id, "ski": unit.ski},
        }

    async def _listen(self) -> None:
        if not self._secret:
            secret = _new_secret()
            await self._store.put_pairing_switch(self._switched_on, secret)
            self._secret = secret
        ship_id, mark = ship_id_of(self._identity.ski), fingerprint(self._identity)
        self._node.listen_for_pairing(PairingListener(ship_id, mark, self._secret))

    def _qr_text(self) -> str:
        offer = PairingOffer(fingerprint(self._identity), self._secret)
        return identity_card(self._identity.ski, self._configuration, pairing=offer).qr


def _new_secret() -> bytes:
    return secrets.token_bytes(MIN_SECRET_BYTES)
