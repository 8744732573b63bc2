"""How long a process took by itself, on a machine that also does other things."""

import os
import time
from pathlib import Path

_NS_PER_S = 1e9


class Stopwatch:
    """Runs from its making and leaves out the time in which a process was ready and others had the cores.

    It looks at the main thread, of this process by default. Where the kernel does not tell, nothing is left
    out.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._source = Path(f"/proc/{pid or os.getpid()}/schedstat")
        self._began_at_s = time.monotonic()
        self._waited_before_s = self._waited_so_far_s()

    @property
    def took_s(self) -> float:
        """What the process would have taken alone."""
        return time.monotonic() - self._began_at_s - self.waited_s

    @property
    def waited_s(self) -> float:
        """How long others had the cores meanwhile."""
        return self._waited_so_far_s() - self._waited_before_s

    def follow(self, pid: int) -> None:
        """Leave out what this process, which was started meanwhile, waits for."""
        self._source = Path(f"/proc/{pid}/schedstat")
        self._waited_before_s = 0.0

    def _waited_so_far_s(self) -> float:
        try:
            _ran_ns, waited_ns, _turns = map(int, self._source.read_text().split())
        except FileNotFoundError:
            return 0.0
        return waited_ns / _NS_PER_S
