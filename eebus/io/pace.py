"""How fast a peer may talk: what it sends beyond that waits in its own socket, not in our memory or CPU.

Pure: frames and the time go in, the pause before the next read comes out.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """A burst, and how fast it comes back; frames count because small ones cost as much as large ones."""

    frames_burst: float
    frames_per_s: float
    bytes_burst: float
    bytes_per_s: float


HANDSHAKE_PACE = PaceLimits(frames_burst=120, frames_per_s=10, bytes_burst=512 * 1024, bytes_per_s=16 * 1024)
"""Before the data exchange: a handshake takes a dozen frames, and 64 early datagrams are allowed."""
DATA_PACE = PaceLimits(
    frames_burst=3000, frames_per_s=500, bytes_burst=8 * 1024 * 1024, bytes_per_s=1024 * 1024
)
"""For a trusted peer: far more than any recorded device sends, with a burst for one that catches up."""


class Pace:
    """Counts what one peer sends."""

    def __init__(self, limits: PaceLimits, now: float) -> None:
        self._limits = limits
        self._frames = limits.frames_burst
        self._bytes = limits.bytes_burst
        self._at = now

    def widen(self, limits: PaceLimits) -> None:
        """Other limits from now on; the peer begins with a full burst."""
        self._limits = limits
        self._frames, self._bytes = limits.frames_burst, limits.bytes_burst

    def pause_s(self, frames: int, size: int, now: float) -> float:
        """Take note of frames that arrived; returns how long not to read now, 0 for going on."""
        limits, passed_s = self._limits, max(0.0, now - self._at)
        self._at = now
        self._frames = min(limits.frames_burst, self._frames + passed_s * limits.frames_per_s) - frames
        self._bytes = min(limits.bytes_burst, self._bytes + passed_s * limits.bytes_per_s) - size
        return max(0.0, -self._frames / limits.frames_per_s, -self._bytes / limits.bytes_per_s)
