"""What Python at EL2 costs in virtual time. A module of its own: who only shows a run needs no machine.

Read `hypervisor/hypervisor.py` after this file.
"""

from __future__ import annotations

from typing import Final

EXIT_NS: Final = 1_000
"""What an exit costs in virtual time: a handler in Python retires no instructions; a real exit takes about as long."""
