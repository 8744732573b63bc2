"""The one error that the gateway answers to people; apart from the server, which is slow to import."""


class RequestRefused(Exception):
    """The gateway will not do what was asked; the text says why and what would help."""
