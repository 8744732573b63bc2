"""Errors of the EEBUS stack: our own mistakes and those of the peer are different branches."""


class EebusError(Exception):
    """Base of every error that this stack raises."""


class LocalError(EebusError):
    """The caller used the stack wrongly: unknown feature, message after close, invalid settings."""


class RemoteError(EebusError):
    """The peer sent something that cannot be accepted; the text says what and where."""


class DecodeError(RemoteError):
    """Bytes or JSON from the peer that do not fit the expected form."""
