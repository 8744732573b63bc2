"""What a Modbus request may fail with, in words a person can act on.

All are :class:`hems.devices.DeviceError`; the exception answers carry their code for code that walks a map.
"""

from hems.devices import DeviceError, WriteRefused

_MEANINGS = {
    1: "it does not know this function",
    2: "it has no such register",
    3: "it does not accept this value",
    4: "it reports a failure of its own",
    5: "it is still working on the request",
    6: "it is busy",
    8: "its memory has a parity error",
    10: "the gateway in between has no path to it",
    11: "the gateway in between gets no answer from it",
}

UNREACHABLE_CODES = frozenset({10, 11})
"""Exception codes by which a Modbus gateway says that the device behind it is silent."""

BUSY_CODES = frozenset({5, 6})
"""Exception codes that ask for patience."""

ILLEGAL_ADDRESS = 2
"""Exception code of a register that does not exist."""


class ReadRefused(DeviceError):
    """The device answered a read with an exception; `code` is the Modbus exception code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class RegisterWriteRefused(WriteRefused):
    """The device answered a write with an exception; `code` is the Modbus exception code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class BadAnswer(DeviceError):
    """The device answered something that does not belong to the request."""


def meaning_of(code: int) -> str:
    """A Modbus exception code in words."""
    return f"{_MEANINGS.get(code, 'it refuses')} (exception {code})"
