"""The visible defaults of a SHIP connection (SHIP reference 0.3, 5, 6.2, 7, 11, 15)."""

from dataclasses import dataclass

from eebus.errors import LocalError
from eebus.ids import ShipId


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipSettings:
    """Timers, versions and bounds of a connection.

    Raises LocalError when a value lies outside what the specification or the official tests allow.
    """

    local_ship_id: ShipId
    ask_access_methods: bool = True
    wait_for_trust: bool = True
    """An undecided peer may stay pending until a person decides; False: it is refused at once."""

    version: tuple[int, int] = (1, 0)
    """The highest protocol version announced; some peers refuse anything but 1.0."""

    cmi_timeout_s: float = 30.0
    hello_init_s: float = 120.0
    hello_increment_s: float = 120.0
    """Added to our Wait-For-Ready timer for each accepted prolongation request."""
    hello_total_s: float = 600.0
    """Bound on the whole hello phase; two prolongations are accepted even beyond it."""
    protocol_wait_s: float = 10.0
    pin_wait_s: float = 10.0
    pin_limit_s: float = 300.0
    """How long a peer that demands a PIN may hold the connection without one."""
    abort_delay_s: float = 0.5
    """Between our ``aborted`` and the close, so that the peer has read the first before the second."""
    close_max_time_s: float = 0.5

    max_message_bytes: int = 256 * 1024
    max_depth: int = 64
    max_elements: int = 32_768
    max_early_messages: int = 64
    max_early_bytes: int = 256 * 1024
    max_consecutive_unparsable: int = 10

    def __post_init__(self) -> None:
        if not 10 <= self.cmi_timeout_s <= 30:
            raise LocalError("the CMI timeout must lie between 10 and 30 s (SHIP 13.4.3)")
        if not 60 <= self.hello_init_s <= 240:
            raise LocalError("the Wait-For-Ready timer must lie between 60 and 240 s (SHIP 13.4.4.1)")
        if self.version[0] != 1:
            raise LocalError("only protocol versions 1.x exist")
