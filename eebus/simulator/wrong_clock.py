"""A clock whose date can be wrong while its intervals stay right, as after a bad time server."""

from datetime import datetime, timedelta

from eebus.clock import Clock


class WrongClock:
    """Another clock, with a date that is wrong by ``wrong_by_s`` seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.wrong_by_s = 0.0

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def utc_now(self) -> datetime:
        return self._clock.utc_now() + timedelta(seconds=self.wrong_by_s)
