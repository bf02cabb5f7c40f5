"""What a CPU finds when it comes out of reset: PSCI CPU_ON, SYSTEM_RESET; its own devices reset with it.

Ref: Arm DEN0022, CPU_ON (initial core state); Arm ARM, the reset values of CNTV_CTL_EL0, PMCR_EL0, PMCNTENSET_EL0.
"""

from __future__ import annotations

import pytest
from board_support import BASE, DATA, POWER_OFF, machine, start_cpu, word

from arm_hyp.machine.boot import BootPlan

REGISTERS = ("cntv_ctl_el0", "cntp_ctl_el0", "cntvoff_el2", "pmcntenset_el0", "pmcr_el0", "dbgclaimclr_el1")
DISTURB = """
    mov x9, #1
    msr cntv_ctl_el0, x9
    msr cntp_ctl_el0, x9
    msr cntvoff_el2, x9
    msr dbgclaimset_el1, x9
    ldr x9, =0x80000001
    msr pmcntenset_el0, x9
    msr pmcr_el0, x9
"""
NOTE = "".join(f"mrs x9, {name}\n str w9, [x10], #4\n" for name in REGISTERS)


def off_and_on_again(disturb: str, note: str) -> str:
    """CPU 1 notes its registers, disturbs them and goes off; started again, it notes them once more."""
    return f"""
        {start_cpu(1, "second", DATA)}
    wait:
        ldr x0, =0xc4000004
        mov x1, #1
        mov x2, #0
        smc #0
        cmp x0, #1
        b.ne wait
        {start_cpu(1, "third", DATA + 0x100)}
    park:
        wfi
        b park
    second:
        mov x10, x0
        {note}
        {disturb}
        ldr x0, =0x84000002
        smc #0
        b .
    third:
        mov x10, x0
        {note}
        {POWER_OFF}
        .ltorg
    """


@pytest.mark.parametrize("gic", [2, 3])
def test_a_cpu_that_is_started_again_finds_its_registers_reset(gic: int) -> None:
    made = machine(off_and_on_again(DISTURB, NOTE), cpus=2, gic=gic)
    outcome = made.run(1_000_000)
    assert outcome.reason == "guest", outcome
    first = [word(made, DATA + 4 * index) for index in range(len(REGISTERS))]
    again = [word(made, DATA + 0x100 + 4 * index) for index in range(len(REGISTERS))]
    assert dict(zip(REGISTERS, again, strict=True)) == dict(zip(REGISTERS, first, strict=True))
    assert first[0] & 1 == 0


def test_the_system_registers_of_a_gicv3_are_reset_with_their_cpu() -> None:
    """ICC_PMR_EL1, ICC_IGRPEN1_EL1 and ICH_LR0_EL2 reset with the PE. Ref: IHI 0069 12.1."""
    names = ("icc_pmr_el1", "icc_igrpen1_el1", "ich_vmcr_el2", "ich_hcr_el2", "ich_ap1r0_el2")
    disturb = "mov x9, #0xf1\n" + "".join(f"msr {name}, x9\n" for name in names)
    note = "".join(f"mrs x9, {name}\n str w9, [x10], #4\n" for name in names)
    made = machine(off_and_on_again(disturb, note), cpus=2, gic=3)
    outcome = made.run(1_000_000)
    assert outcome.reason == "guest", outcome
    first = [word(made, DATA + 4 * index) for index in range(len(names))]
    assert [word(made, DATA + 0x100 + 4 * index) for index in range(len(names))] == first


def test_at_el1_every_cpu_may_use_the_physical_timer() -> None:
    """Nobody is at EL2 who could set CNTHCTL_EL2: the firmware has done it, for every CPU and after every reset."""
    source = f"""
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, second
        mov x3, #5
        hvc #0
    park:
        wfi
        b park
    second:
        mrs x9, cntpct_el0
        msr cntp_cval_el0, x9
        ldr x10, ={DATA:#x}
        str w0, [x10]
        ldr x0, =0x84000008
        hvc #0
        .ltorg
    """
    made = machine(source, cpus=2, start_el=1)
    outcome = made.run(1_000_000)
    assert outcome.reason == "guest", outcome
    assert word(made, DATA) == 5


def test_system_reset_keeps_ram_and_resets_all_else() -> None:
    """The guest counts its boots in RAM; the second time it looks at what it has left behind the first time."""
    source = f"""
        ldr x10, ={DATA:#x}
        ldr w1, [x10]
        add w1, w1, #1
        str w1, [x10]
        add x10, x10, x1, lsl #8
        {NOTE}
        ldr x11, =0x09000000
        ldr w9, [x11, #0x38]
        str w9, [x10], #4
        ldr x12, =0x08000000
        ldr w9, [x12]
        str w9, [x10], #4
        mrs x9, vbar_el2
        str w9, [x10], #4
        {DISTURB}
        msr vbar_el2, x10
        mov w9, #1
        str w9, [x12]
        mov w9, #0x50
        str w9, [x11, #0x38]
        {start_cpu(1, "second")}
        cmp w0, #0
        b.ne bad
        ldr x10, ={DATA:#x}
        ldr w1, [x10]
        cmp w1, #2
        b.eq done
        ldr x0, =0x84000009
        smc #0
    bad:
        b .
    done:
        {POWER_OFF}
    second:
        wfi
        b second
        .ltorg
    """
    made = machine(source, cpus=2)
    made.boot(BootPlan(segments=(), entry=BASE))
    before = made.retired
    outcome = made.run(1_000_000)
    assert outcome.reason == "guest", outcome
    count = len(REGISTERS) + 3
    first, again = ([word(made, DATA + 0x100 * boot + 4 * index) for index in range(count)] for boot in (1, 2))
    assert word(made, DATA) == 2
    assert again == first
    assert made.retired > before
