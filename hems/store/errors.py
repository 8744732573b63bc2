"""What can go wrong with the files of the gateway. Every text is one plain line for the person in charge."""


class StoreError(Exception):
    """A database cannot be opened, read or written."""


class StoreTimeoutError(StoreError):
    """The disk did not finish in time; what was to be stored is not, and will not be later."""
