"""The partners that a simulated Steuerbox remembers between its runs, in its folder."""

import json
from datetime import datetime
from pathlib import Path

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski, parse_ski
from eebus.io.addresses import PeerAddress
from eebus.ship.trust import TrustEntry, TrustList

_FILE = "partners.json"


class PartnerBook:
    """Trusted systems, each perhaps with its address. Every change is written at once."""

    def __init__(self, folder: Path) -> None:
        """Raises LocalError when the file is there and cannot be read."""
        self._path = folder / _FILE
        self._partners: dict[Ski, PeerAddress | None] = {}
        if self._path.exists():
            try:
                for line in json.loads(self._path.read_text()):
                    self._put(parse_ski(line["ski"]), line.get("host", ""), line.get("port", 0))
            except (OSError, ValueError, KeyError, TypeError, LocalError) as error:
                raise LocalError(f"{self._path} cannot be read: {error}") from error

    def keep(self, ski: Ski, host: str, port: int) -> None:
        """Remember a partner; without a host an earlier address stays."""
        if host or ski not in self._partners:
            self._put(ski, host, port)
        self._write()

    def forget(self, ski: Ski) -> None:
        """Remember it no longer."""
        self._partners.pop(ski, None)
        self._write()

    @property
    def skis(self) -> tuple[Ski, ...]:
        """All partners."""
        return tuple(self._partners)

    @property
    def addresses(self) -> tuple[PeerAddress, ...]:
        """The known places."""
        return tuple(address for address in self._partners.values() if address is not None)

    def trust(self, now: datetime) -> TrustList:
        """The partners as the node of the box trusts them."""
        return TrustList(TrustEntry(ski=ski, role=PeerRole.DEVICE, accepted_at=now) for ski in self._partners)

    def _put(self, ski: Ski, host: str, port: int) -> None:
        self._partners[ski] = PeerAddress(ski, host, port) if host else None

    def _write(self) -> None:
        lines = [
            {"ski": ski, **({"host": place.host, "port": place.port} if place else {})}
            for ski, place in self._partners.items()
        ]
        self._path.write_text(json.dumps(lines, indent=2) + "\n")
