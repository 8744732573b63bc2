"""What a device may fail with. Adapters raise nothing else."""


class DeviceError(Exception):
    """A device did not do what it was asked for; the text names the device, the request and the remedy."""


class DeviceUnreachable(DeviceError):
    """No answer: network, power or address."""


class NotConnected(DeviceUnreachable):
    """Nothing was sent that could have arrived, so that it cannot have fed the device's watchdog either."""


class WriteRefused(DeviceError):
    """The device answered and refused, or read back another value than was written."""


class WrongDevice(DeviceError):
    """Another device than the expected one answers at this address; nothing may be written to it."""
