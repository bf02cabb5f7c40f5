"""The peak memory of this process.

Read `bench/bench_linux.py` for what it is used for.
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Return the most memory that this process has had at once, in bytes.

    `ru_maxrss` counts what the parent had before this program was loaded; Linux's `VmHWM` does not.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) << 10
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
