"""The PL031 real-time clock: seconds since 1970, started at a fixed moment and driven by virtual time.

Read `machine/primecell.py` and `machine/clock.py` before this file.

Ref: Arm PrimeCell Real Time Clock (PL031) TRM, DDI 0224, chapter 3.
Simplified: the clock runs from the start and RTCCR reads as 1, as on QEMU's board; on hardware software starts it.
"""

from __future__ import annotations

from typing import Any, Final

from arm_hyp.machine.primecell import PrimeCell
from arm_hyp.machine.seams import Clock, IrqLine, no_line

RTCDR, RTCMR, RTCLR, RTCCR, RTCIMSC, RTCRIS, RTCMIS, RTCICR = range(0, 0x20, 4)
PERIPH_ID: Final = bytes((0x31, 0x10, 0x14, 0x00))
DEFAULT_EPOCH_S: Final = 1_704_067_200
"""2024-01-01T00:00:00Z: what the clock shows at virtual time 0."""
_NS_PER_S: Final = 1_000_000_000
_WRAP: Final = 1 << 32


class Pl031(PrimeCell):
    """A PL031. `epoch_s` is the time in seconds since 1970 at virtual time 0; `irq` is RTCINTR.

    The counter steps when a second of virtual time is complete. The alarm comes when it becomes equal to RTCMR, by
    counting or by a write of RTCMR or RTCLR, and stays until RTCICR clears it.
    """

    def __init__(self, clock: Clock, irq: IrqLine = no_line, epoch_s: int = DEFAULT_EPOCH_S) -> None:
        super().__init__(PERIPH_ID, irq)
        self._clock = clock
        self._offset_s = epoch_s % _WRAP
        self._match = self._load = self._mask = self._raw = 0
        self._match_ns = self._next_match_ns()
        self._registers(
            {
                RTCDR: self._count,
                RTCMR: lambda: self._match,
                RTCLR: lambda: self._load,
                RTCCR: lambda: 1,
                RTCIMSC: lambda: self._mask,
                RTCRIS: self._read_raw,
                RTCMIS: lambda: self._read_raw() & self._mask,
            },
            {
                RTCMR: self._write_match,
                RTCLR: self._write_load,
                RTCIMSC: self._write_mask,
                RTCICR: self._clear,
            },
        )

    # --- registers ---------------------------------------------------------------------------------------------------

    def _count(self) -> int:
        return (self._clock.now_ns // _NS_PER_S + self._offset_s) % _WRAP

    def _read_raw(self) -> int:
        self.update()
        return self._raw

    def _write_match(self, value: int) -> None:
        self.update()
        self._match = value
        self._compare()

    def _write_load(self, value: int) -> None:
        """Write RTCLR: the counter goes on from here; the length of the present second does not change."""
        self.update()
        self._load = value
        self._offset_s = (self._offset_s + value - self._count()) % _WRAP
        self._compare()

    def _write_mask(self, value: int) -> None:
        self.update()
        self._mask = value & 1
        self._settle()

    def _clear(self, value: int) -> None:
        self.update()
        self._raw &= ~value
        self._settle()

    def _compare(self) -> None:
        if self._count() == self._match:
            self._raw = 1
        self._match_ns = self._next_match_ns()
        self._settle()

    def _settle(self, force: bool = False) -> None:
        self._drive(bool(self._raw & self._mask), force)

    # --- time --------------------------------------------------------------------------------------------------------

    def _next_match_ns(self) -> int:
        """Return when the counter becomes equal to RTCMR: 1 to 2^32 seconds ahead."""
        seconds = (self._match - self._count() - 1) % _WRAP + 1
        return (self._clock.now_ns // _NS_PER_S + seconds) * _NS_PER_S

    def next_deadline_ns(self) -> int | None:
        """Return the virtual time at which the line rises, or None if it is high or the alarm is masked."""
        return self._match_ns if self._mask and not self._raw else None

    def update(self) -> None:
        """Bring the alarm up to the present virtual time."""
        if self._clock.now_ns >= self._match_ns:
            self._raw = 1
            self._match_ns = self._next_match_ns()
            self._settle()

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        self.update()
        return {
            "offset_s": self._offset_s,
            "match": self._match,
            "match_ns": self._match_ns,
            "load": self._load,
            "mask": self._mask,
            "raw": self._raw,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive the line."""
        self._offset_s, self._match, self._match_ns = state["offset_s"], state["match"], state["match_ns"]
        self._load, self._mask, self._raw = state["load"], state["mask"], state["raw"]
        self._settle(force=True)
