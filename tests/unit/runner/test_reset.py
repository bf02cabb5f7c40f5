"""SYSTEM_RESET boots again: RAM and drives keep what they hold, CPUs and devices start anew."""

import pytest
from runner_support import LIMIT, OFF, runner

from arm_hyp.runner.runner import Run

COUNT_BOOTS = f"""
    ldr  x1, =0x40f00000
    ldr  x2, [x1]
    add  x2, x2, #1
    str  x2, [x1]
    mov  x3, #0x09000000
    add  w4, w2, #'0'
    strb w4, [x3]
    mrs  x5, tpidr_el2          // 0 after reset
    add  w5, w5, #'a'
    strb w5, [x3]
    ldr  w5, [x3, #0x2c]        // UARTLCR_H, 0 after reset
    add  w5, w5, #'a'
    strb w5, [x3]
    mov  x5, #7
    msr  tpidr_el2, x5
    str  w5, [x3, #0x2c]
    cmp  x2, #3
    b.eq off
    movz x0, #0x8400, lsl #16   // PSCI SYSTEM_RESET
    movk x0, #0x0009
    smc  #0
off:
{OFF}
"""


@pytest.mark.parametrize("gic", [2, 3])
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_guest_that_counts_its_boots(tmp_path, gic, cpus):
    made = runner(tmp_path, COUNT_BOOTS, gic=gic, cpus=cpus)
    answer = made.send(Run(LIMIT))
    assert answer["reason"] == "guest", answer["text"]
    assert bytes(made.machine.console) == b"1aa2aa3aa"
    assert made.machine.read_memory(0x40F0_0000, 8) == (3).to_bytes(8, "little")
    assert answer["n"] == made.machine.retired > 3 * 20


def test_a_reset_restores_the_program_that_was_overwritten(tmp_path):
    overwrite = COUNT_BOOTS.replace("off:\n", "off:\n", 1).replace(
        "    movz x0, #0x8400, lsl #16   // PSCI SYSTEM_RESET", "    adr x6, off\n    str xzr, [x6]\n"
        "    movz x0, #0x8400, lsl #16"
    )  # fmt: skip
    made = runner(tmp_path, overwrite)
    assert made.send(Run(LIMIT))["reason"] == "guest"


def test_what_a_drive_holds_survives(tmp_path):
    (tmp_path / "disk").write_bytes(bytes(1024))
    from arm_hyp.runner.configuration import Drive

    made = runner(tmp_path, COUNT_BOOTS, drives=(Drive(str(tmp_path / "disk")),))
    drive = made.machine.options.drives[0]
    drive.write(1, b"x" * 512)
    made.send(Run(LIMIT))
    assert drive.read(1, 1) == b"x" * 512
    assert (tmp_path / "disk").read_bytes() == bytes(1024)
