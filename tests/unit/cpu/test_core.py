"""The core: exact counts, exceptions, interrupts, sites, controls. Numbers are those of the Arm ARM."""

import pytest
from core_support import BASE, POWER_OFF, VECTORS, events, machine, vectors

from arm_hyp.arch.interrupts import LINE_FIQ, LINE_IRQ
from arm_hyp.cpu.stop import Stop
from arm_hyp.events import ExceptionReturned, ExceptionTaken, NotWaited, NullSink, Waited

SET_VECTORS = f"ldr x9, ={VECTORS:#x}\n msr vbar_el2, x9\n msr vbar_el1, x9\n"
TO_EL1 = "adr x9, el1\n msr elr_el2, x9\n mov x9, #0x3c5\n msr spsr_el2, x9\n eret\n el1:\n"
FPEN = "mov x9, #0x300000\n msr cpacr_el1, x9\n"


def test_run_stops_after_exactly_n_instructions():
    made = machine("1: add x0, x0, #1\n b 1b\n")
    for total in (1, 2, 7, 1000, 1001):
        assert made.core.run(total) is Stop.LIMIT
        assert (made.core.retired, made.core.x(0)) == (total, (total + 1) // 2)


def test_a_trapped_instruction_does_not_retire_and_hvc_does():
    made = machine(SET_VECTORS + TO_EL1 + "hvc #7\n .inst 0\n" + vectors(sync_lower="eret"))
    made.core.run(40)
    hvc, undefined = events(made, ExceptionTaken)[:2]
    assert (hvc.n, hvc.esr, hvc.elr, hvc.pc) == (9, 0x5A000007, hvc.pc + 4, BASE + 8 * 4)
    assert undefined.to_el == 1 and undefined.esr == 0x02000000 and undefined.n == hvc.n + 1


@pytest.mark.parametrize("twi", [0, 1])
def test_wfi_at_el1_traps_with_twi_only(twi):
    made = machine(
        f"ldr x9, ={0x80000000 | twi << 13:#x}\n msr hcr_el2, x9\n"
        + SET_VECTORS
        + TO_EL1
        + "wfi\n"
        + vectors(sync_lower=POWER_OFF)
    )
    outcome = made.run(1000)
    taken, waited = events(made, ExceptionTaken), events(made, Waited)
    assert (len(taken), len(waited), outcome.reason) == ((1, 0, "guest") if twi else (0, 1, "idle"))
    if twi:
        assert (taken[0].esr, taken[0].to_el, taken[0].vector) == (0x07E00000, 2, VECTORS + 0x400)


def test_wfe_with_the_event_register_set_neither_waits_nor_traps():
    made = machine(
        "ldr x9, =0x80004000\n msr hcr_el2, x9\n" + SET_VECTORS + TO_EL1 + "wfe\n wfe\n" + vectors(sync_lower=POWER_OFF)
    )
    made.run(1000)
    passed, taken = events(made, NotWaited), events(made, ExceptionTaken)
    assert [event.reason for event in passed] == ["the Event Register was set"]
    assert [event.esr for event in taken] == [0x07E00001]
    assert taken[0].pc == passed[0].pc + 4


def test_a_site_is_invisible_in_memory():
    made = machine("adr x1, 1f\n ldr w2, [x1]\n sevl\n 1: wfe\n ldr w3, [x1]\n b .\n")
    made.core.run(6)
    assert made.core.x(2) == made.core.x(3) == 0xD503205F
    assert made.read_memory(BASE + 12, 4) == bytes.fromhex("5f2003d5")


def test_sites_follow_code_that_the_guest_changes():
    source = "mov x5, #0\n 1: nop\n add x5, x5, #1\n cmp x5, #2\n b.eq 2f\n ldr w1, =0xd503205f\n"
    source += "adr x2, 1b\n str w1, [x2]\n dc cvau, x2\n dsb ish\n ic ivau, x2\n dsb ish\n isb\n sevl\n b 1b\n 2: b .\n"
    made = machine(source)
    made.core.run(40)
    assert [event.pc for event in events(made, NotWaited)] == [BASE + 4]


def test_fp_traps_by_cpacr_then_passes():
    source = SET_VECTORS + TO_EL1 + "fmov d0, #1.0\n fmov x0, d0\n b .\n"
    source += vectors(sync_same=FPEN + "isb\n eret")
    made = machine(source)
    made.core.run(40)
    taken = events(made, ExceptionTaken)
    assert [(event.ec, event.esr, event.to_el) for event in taken] == [(0x07, 0x1FE00000, 1)]
    assert made.core.x(0) == 0x3FF0000000000000


def test_fp_traps_to_el2_by_cptr_tfp():
    source = SET_VECTORS + "mov x9, #0x400\n msr cptr_el2, x9\n" + FPEN + TO_EL1 + "fmov d0, #1.0\n b .\n"
    made = machine(source + vectors(sync_lower="msr cptr_el2, xzr\n isb\n eret"))
    made.core.run(40)
    assert [(event.ec, event.to_el) for event in events(made, ExceptionTaken)] == [(0x07, 2)]


def test_a_virtual_irq_waits_for_daifclr():
    source = SET_VECTORS + "ldr x9, =0x80000090\n msr hcr_el2, x9\n mrs x7, hcr_el2\n" + TO_EL1
    source += "nop\n msr daifclr, #2\n nop\n b .\n"
    made = machine(source + vectors(irq_same="b ."))
    made.core.run(40)
    (taken,) = events(made, ExceptionTaken)
    assert (taken.kind, taken.to_el, taken.vector, taken.virtual) == ("irq", 1, VECTORS + 0x280, True)
    assert taken.esr is None
    assert made.core.x(7) == 0x80000090


def test_a_physical_irq_goes_to_el2_unmasked_from_el1_with_imo():
    source = SET_VECTORS + "ldr x9, =0x80000010\n msr hcr_el2, x9\n" + TO_EL1 + "1: add x0, x0, #1\n b 1b\n"
    made = machine(source + vectors(irq_lower="b ."))
    made.core.run(30)
    made.core.set_line(LINE_IRQ, True)
    made.core.run(31)
    (taken,) = events(made, ExceptionTaken)
    assert (taken.kind, taken.from_el, taken.to_el, taken.n) == ("irq", 1, 2, 30)


def test_fiq_goes_before_irq():
    made = machine(SET_VECTORS + "ldr x9, =0x80000018\n msr hcr_el2, x9\n msr daifclr, #3\n b .\n" + vectors())
    made.core.set_line(LINE_IRQ, True)
    made.core.set_line(LINE_FIQ, True)
    made.core.run(20)
    assert events(made, ExceptionTaken)[0].kind == "fiq"


def test_an_illegal_return_sets_il_and_raises_the_illegal_state_exception():
    source = SET_VECTORS + "adr x9, 1f\n msr elr_el2, x9\n mov x9, #0x3cd\n msr spsr_el2, x9\n eret\n 1: nop\n b .\n"
    made = machine(source + vectors(sync_same="b ."))
    made.core.run(30)
    (returned,) = events(made, ExceptionReturned)
    (taken,) = events(made, ExceptionTaken)
    assert "above the current" in returned.illegal or "not implemented" in returned.illegal
    assert (taken.ec, taken.esr, taken.elr, taken.spsr >> 20 & 1) == (0x0E, 0x3A000000, returned.elr, 1)


@pytest.mark.parametrize(("sctlr", "ec"), [(0x30C50838, 0x26), (0x30C50830, None)])
def test_sp_alignment(sctlr, ec):
    source = (
        SET_VECTORS
        + f"ldr x9, ={sctlr:#x}\n msr sctlr_el2, x9\n isb\n ldr x9, =0x40100008\n mov sp, x9\n nop\n ldr x0, [sp]\n"
    )
    made = machine(source + "b .\n" + vectors())
    made.core.run(30)
    assert [event.ec for event in events(made, ExceptionTaken)] == ([] if ec is None else [ec])


def test_pc_alignment():
    made = machine(SET_VECTORS + "adr x9, 1f\n add x9, x9, #2\n br x9\n 1: nop\n b .\n" + vectors())
    made.core.run(30)
    (taken,) = events(made, ExceptionTaken)
    assert (taken.ec, taken.esr, taken.far & 3, taken.elr & 3) == (0x22, 0x8A000000, 2, 2)


def test_an_access_to_nothing_is_an_external_abort():
    made = machine(SET_VECTORS + "mov x1, #0x10000000\n str w0, [x1, #8]!\n b .\n" + vectors())
    made.core.run(30)
    (taken,) = events(made, ExceptionTaken)
    assert (taken.esr, taken.far, made.core.x(1)) == (0x96000050, 0x10000008, 0x10000000)


def test_a_vector_that_is_not_mapped_is_diagnosed():
    outcome = machine("mov x0, #1\n hvc #0\n").run(100)
    assert outcome.reason == "dead"
    assert "nothing is mapped at 0x200, VBAR_EL2 + 0x200; VBAR_EL2 was never written" in outcome.text


def test_vhe_redirects_el1_names_at_el2():
    source = "ldr x9, =0x480000000\n msr hcr_el2, x9\n isb\n mov x1, #0x800\n msr vbar_el1, x1\n mrs x2, vbar_el2\n"
    source += "mov x3, #0x1000\n .inst 0xd51dc003\n .inst 0xd53dc004\n mrs x5, vbar_el1\n b .\n"
    made = machine(source, model="max")
    made.core.run(30)
    assert [made.core.x(index) for index in (2, 4, 5)] == [0x800, 0x1000, 0x800]


def test_python_at_el2_is_called_in_place_of_the_vector():
    made = machine(TO_EL1 + "1: hvc #0\n b 1b\n", sink=NullSink())
    seen = []
    made.core.python_el2 = lambda core, event: seen.append((core.el, core.native.read_cp((3, 4, 5, 2, 0))))
    made.core.run(25)
    assert len(seen) == 10 and set(seen) == {(2, 0x5A000000)}


def test_an_error_in_python_at_el2_surfaces():
    made = machine(TO_EL1 + "hvc #0\n b .\n")

    def fail(core, event):
        raise RuntimeError("the student's mistake")

    made.core.python_el2 = fail
    with pytest.raises(RuntimeError, match="student's mistake"):
        made.core.run(25)


def test_hardware_single_step_takes_one_instruction_at_a_time():
    source = (
        SET_VECTORS + "mov x9, #1\n msr mdscr_el1, x9\n mov x9, #0x100\n msr mdcr_el2, x9\n msr oslar_el1, xzr\n isb\n"
    )
    source += "adr x9, el1\n msr elr_el2, x9\n ldr x9, =0x2001c5\n msr spsr_el2, x9\n eret\n"
    source += "el1: nop\n sevl\n wfe\n nop\n b .\n"
    step = "mrs x9, spsr_el2\n orr x9, x9, #0x200000\n msr spsr_el2, x9\n eret"
    made = machine(source + vectors(sync_lower=step))
    made.core.run(40)
    taken = events(made, ExceptionTaken)
    start = taken[0].elr
    assert [event.elr - start for event in taken[:4]] == [0, 4, 8, 12]
    assert {event.ec for event in taken} == {0x32}


def test_snapshot_and_restore_give_the_same_run():
    source = (
        SET_VECTORS + TO_EL1 + "1: add x0, x0, #3\n hvc #1\n str x0, [x9, #64]!\n b 1b\n" + vectors(sync_lower="eret")
    )
    made = machine(source)
    made.core.run(50)
    state = made.snapshot()
    made.core.run(120)
    first = made.snapshot()
    made.restore(state)
    assert made.core.retired == 50
    made.core.run(120)
    assert made.snapshot() == first


def test_el1_sees_the_identity_that_el2_gives_it():
    read = "mrs x0, mpidr_el1\n mrs x1, midr_el1\n mrs x2, vmpidr_el2\n mrs x3, vpidr_el2\n"
    change = "mov x5, #77\n msr vmpidr_el2, x5\n mov x5, #78\n msr vpidr_el2, x5\n"
    made = machine(read + change + TO_EL1 + "mrs x6, mpidr_el1\n mrs x7, midr_el1\n b .\n")
    made.core.run(30)
    x = made.core.x
    assert (x(0), x(2)) == (0x8000_0000, 0x8000_0000) and x(1) == x(3) != 0
    assert (x(6), x(7)) == (77, 78)


def test_fp_that_traps_to_and_fro_is_right_each_time():
    toggle = "mrs x1, cptr_el2\n eor x1, x1, #0x400\n msr cptr_el2, x1\n isb\n"
    source = SET_VECTORS + FPEN + "mov x20, #3\n 1: fmov d0, d1\n" + toggle + "fmov d0, d1\n" + toggle
    handler = "add x22, x22, #1\n mrs x2, elr_el2\n add x2, x2, #4\n msr elr_el2, x2\n eret"
    made = machine(source + "subs x20, x20, #1\n b.ne 1b\n" + POWER_OFF + vectors(sync_same=handler) + ".ltorg\n")
    assert made.run(300).reason == "guest"
    assert made.core.x(22) == 3  # each time the second FMOV trapped, and the first did not
