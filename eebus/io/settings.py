"""Everything about a node that its owner may choose."""

from dataclasses import dataclass, field

from eebus.io.addresses import PeerAddress
from eebus.io.admission import AdmissionLimits
from eebus.io.connections import StrangerLimits
from eebus.io.dialer import DialSettings
from eebus.io.listener import ListenerSettings
from eebus.io.mdns import MdnsSettings
from eebus.io.websocket import WebSocketLimits
from eebus.ship.service import ServiceDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """The settings of a node; times in seconds."""

    listen: bool = True
    """False: a silent client, as some control boxes are; then nothing can be announced either."""
    host: str = ""
    """Where to listen; empty: all addresses, IPv4 and IPv6."""
    port: int = 4712
    """0 lets the system choose; the snapshot tells the port."""
    path: str = "/ship/"
    service: ServiceDescription = field(default_factory=ServiceDescription)
    announce: bool = True
    discover: bool = True
    """Watch the announcements of others; needed to dial peers without a fixed address."""
    interfaces: tuple[str, ...] = ()
    """For multicast DNS, by name or address; empty: all but the loopback."""
    address_poll_s: float = 3.0
    """How often to look whether the addresses of this host have changed."""
    upper_case_ski: bool = False
    """Announce the SKI as SHIP 1.1 asks for; installed peers compare lower case."""
    dial: bool = True
    """Dial trusted peers; False: wait to be dialled."""
    peers: tuple[PeerAddress, ...] = ()
    """Peers at fixed addresses."""
    strict_double_connections: bool = False
    """Certification only: end the older of two connections at once (see ``PeerConnections``)."""
    tls_wait_s: float = 10.0
    upgrade_wait_s: float = 10.0
    dial_wait_s: float = 5.0
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    strangers: StrangerLimits = field(default_factory=StrangerLimits)
    websocket: WebSocketLimits = field(default_factory=WebSocketLimits)

    @property
    def announces(self) -> bool:
        """Nothing is announced that cannot be dialled."""
        return self.announce and self.listen

    @property
    def listener(self) -> ListenerSettings:
        """The part of the listening side."""
        return ListenerSettings(
            host=self.host,
            port=self.port,
            tls_wait_s=self.tls_wait_s,
            upgrade_wait_s=self.upgrade_wait_s,
            admission=self.admission,
            websocket=self.websocket,
        )

    @property
    def dialer(self) -> DialSettings:
        """The part of the dialling side."""
        return DialSettings(target_wait_s=self.dial_wait_s, websocket=self.websocket)

    @property
    def mdns(self) -> MdnsSettings:
        """The part of discovery."""
        return MdnsSettings(interfaces=self.interfaces, poll_interval_s=self.address_poll_s)
