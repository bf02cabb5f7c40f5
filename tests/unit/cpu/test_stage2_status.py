"""A stage 2 fault on a stage 1 walk has the status of stage 2: the fault that it found, at the level it was at."""

import struct

import pytest
from core_support import machine

from arm_hyp.arch.sysregs import by_name

ROOT = 0x40F0_0000
BLOCK = 0b01 | 0xF << 2 | 3 << 6 | 3 << 8 | 1 << 10  # Normal, S2AP RW, Inner Shareable, AF
TABLES_OF_STAGE1 = 0x8000_0000
AF, S2AP = 1 << 10, 3 << 6
GUEST = """
        ldr x0, =0x80000000
        msr ttbr0_el1, x0
        mov x0, #25
        msr tcr_el1, x0
        isb
        mov x0, #1
        msr sctlr_el1, x0
        isb
        b .
"""


def syndrome(second_gigabyte):
    """Run the guest into its first walk, with an entry of stage 2 over its tables. Return ESR_EL2 and HPFAR_EL2."""
    made = machine(GUEST, start_el=1)
    made.write_memory(ROOT + 8, struct.pack("<QQ", 0x4000_0000 | BLOCK, second_gigabyte))
    core, seen = made.core, []

    def write(name, value):
        core.registers.write(by_name(name).encoding, value)

    write("VTTBR_EL2", ROOT)
    write("VTCR_EL2", 1 << 31 | 2 << 16 | 1 << 6 | 25)
    write("HCR_EL2", 1 << 31 | 1)

    def at_el2(core, event):
        seen.append((event.esr, event.hpfar))
        core.die("seen")

    core.python_el2 = at_el2
    made.run(100)
    return seen[0]


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (0, 0b000101),  # translation fault, level 1
        (TABLES_OF_STAGE1 | BLOCK & ~AF, 0b001001),  # access flag fault, level 1
        (TABLES_OF_STAGE1 | BLOCK & ~S2AP, 0b001101),  # permission fault, level 1
    ],
)
def test_the_status_is_that_of_stage_2(entry, status):
    esr, hpfar = syndrome(entry)
    assert (esr & 0x3F, esr >> 7 & 1, esr >> 26) == (status, 1, 0x20)
    assert hpfar == TABLES_OF_STAGE1 >> 8
