"""What the tests with a broker share with the interop tests: networks and the Go peer."""

from tests.interop.conftest import go, go_program, network

__all__ = ["go", "go_program", "network"]
