"""What every version of the GIC offers to the board: its input lines, and deactivation by a list register.

Read `machine/gic/distributor.py` before this file, `machine/gic/gicv2.py` and `machine/gic/gicv3.py` after it.
"""

from __future__ import annotations

from arm_hyp.arch.gic import FIRST_PPI, FIRST_SPI, INTID_COUNT
from arm_hyp.machine.gic.distributor import Distributor
from arm_hyp.machine.seams import IrqLine


class Inputs:
    """The inputs of a GIC, on its distributor."""

    _distributor: Distributor

    def spi(self, intid: int) -> IrqLine:
        """Return the input of an SPI, INTID 32 to 287. Raises: ValueError."""
        if intid < FIRST_SPI:
            raise ValueError(f"INTID {intid} is not an SPI")
        return self._distributor.line(0, intid)

    def ppi(self, cpu: int, intid: int) -> IrqLine:
        """Return the input of a PPI of one CPU, INTID 16 to 31. Raises: ValueError."""
        if not FIRST_PPI <= intid < FIRST_SPI:
            raise ValueError(f"INTID {intid} is not a PPI")
        return self._distributor.line(cpu, intid)

    def deactivate(self, cpu: int, intid: int) -> None:
        """Deactivate an interrupt on behalf of a list register with HW = 1; ignored for one that does not exist.

        Ref: IHI 0048 5.2.3; IHI 0069 6.3.2.
        """
        if 0 <= intid < INTID_COUNT:
            self._distributor.deactivate(cpu, intid)
