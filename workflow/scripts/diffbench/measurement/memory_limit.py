"""The limit on the host memory of a run's processes."""

import time

from .session import proportional_kib, resident_kib, total_mib

MEMORY_POLLS = 5  # reading /proc takes time from a core: every half second
PROPORTIONAL_SHARE = 0.01  # of the time at most goes into reading proportional memory, which takes much more


class MemoryLimit:
    """A limit in MiB on the host memory of a session's processes, with pages that they share counted once. What the run was
    forked from, the process `template`, counts too: the run needs it, and shares most of it."""

    def __init__(self, session, limit_mib, template=None):
        self.session, self.limit_mib, self.template = session, limit_mib, template
        self.polls, self.next_s, self.shared_mib = 0, 0.0, 0.0

    def is_exceeded(self):
        """Whether the memory is above the limit now; looks at one call in MEMORY_POLLS.

        Resident memory is cheap and never less than proportional memory: only where it is above the limit is that read, and
        read again before its time where resident memory has grown by what was left.
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
