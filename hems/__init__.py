"""The gateway: limits in, set-points out, measured, reported and kept as evidence."""

__version__ = "0.1.0"
