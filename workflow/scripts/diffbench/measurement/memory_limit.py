"""The limit on the host memory of a run's processes."""

from __future__ import annotations

import time

from .session import proportional_kib, resident_kib, total_mib

MEMORY_POLLS = 5  # reading /proc takes time from a core: every half second
PROPORTIONAL_SHARE = 0.01  # of the time at most goes into reading proportional memory, which takes much more


class MemoryLimit:
    """A limit in MiB on the host memory of a session's processes, with shared pages counted once. The process `template`
    that the run was forked from counts too: the run needs it, and shares most of it."""

    def __init__(self, session: int, limit_mib: float | None, template: int | None = None) -> None:
        self.session, self.limit_mib, self.template = session, limit_mib, template
        self.polls, self.next_s, self.shared_mib = 0, 0.0, 0.0

    def is_exceeded(self) -> bool:
        """Whether the memory is above the limit now; checked in one of MEMORY_POLLS calls.

        Resident memory is cheap to read and never less than proportional memory. Proportional memory is read only if
        resident memory is above the limit, and read again early only if resident memory has grown by the remaining
        difference.
        """
        self.polls += 1
        if not self.limit_mib or self.polls % MEMORY_POLLS:
            return False
        resident_mib = total_mib(self.session, resident_kib, self.template)
        if resident_mib <= self.limit_mib:
            return False
        start_s = time.monotonic()
        if start_s < self.next_s and resident_mib - self.shared_mib <= self.limit_mib:
            return False
        found_mib = total_mib(self.session, proportional_kib, self.template)
        end_s = time.monotonic()
        self.next_s, self.shared_mib = end_s + (end_s - start_s) / PROPORTIONAL_SHARE, resident_mib - found_mib
        return found_mib > self.limit_mib
