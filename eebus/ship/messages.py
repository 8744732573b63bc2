"""The SHIP messages as records, members in the order of the official schema."""

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of the SHIP messages; members that the schema does not know are skipped (SHIP 13.4.5.1)."""


class Tag(Message, frozen=True):
    """An empty element: its presence is the information."""


class ConnectionHello(Message, frozen=True):
    """Readiness of the sender (SHIP 13.4.4.1)."""

    phase: str | None = None
    """``pending``, ``ready`` or ``aborted``."""
    waiting: int | None = None
    """Milliseconds left on the sender's Wait-For-Ready timer."""
    prolongation_request: bool | None = None


class ProtocolVersion(Message, frozen=True):
    """A version of the SHIP message protocol."""

    major: int | None = None
    minor: int | None = None


class ProtocolFormats(Message, frozen=True):
    """The text formats a node can read."""

    format: tuple[str, ...] | None = None


class MessageProtocolHandshake(Message, frozen=True):
    """Proposal, choice and confirmation of version and format (SHIP 13.4.4.2)."""

    handshake_type: str | None = None
    """``announceMax`` or ``select``."""
    version: ProtocolVersion | None = None
    formats: ProtocolFormats | None = None


class MessageProtocolHandshakeError(Message, frozen=True):
    """End of the protocol handshake: 1 timeout, 2 unexpected message, 3 selection mismatch."""

    error: int | None = None


class ConnectionPinState(Message, frozen=True):
    """Whether the sender wants a PIN (SHIP 13.4.4.3)."""

    pin_state: str | None = None
    input_permission: str | None = None


class ConnectionPinInput(Message, frozen=True):
    """A PIN for the receiver."""

    pin: str | None = None


class ConnectionPinError(Message, frozen=True):
    """The PIN was wrong (1)."""

    error: int | None = None


class AccessMethodsRequest(Message, frozen=True):
    """Asks for the SHIP ID and the ways to reach the receiver (SHIP 13.4.6)."""


class Dns(Message, frozen=True):
    """A fixed address."""

    uri: str | None = None


class AccessMethods(Message, frozen=True):
    """The answer to an AccessMethodsRequest. Some devices leave the identifier empty."""

    id: str | None = None
    dns_sd_m_dns: Tag | None = msgspec.field(default=None, name="dnsSd_mDns")
    dns: Dns | None = None


class ConnectionClose(Message, frozen=True):
    """Announces or confirms the end of a connection (SHIP 13.4.7)."""

    phase: str | None = None
    """``announce`` or ``confirm``."""
    max_time: int | None = None
    """Milliseconds until the sender closes in any case."""
    reason: str | None = None
    """``unspecific`` or ``removedConnection``; some products send free text."""
