"""Pairs of an exception and an ERET: which are a mistake, and which look like one."""

from checker_support import HandMade, found, returned, taken

from arm_hyp.explain.checkers import Watch

SVC, HVC, WFX, SYSREG = 0x15, 0x16, 0x01, 0x18
IRQ = None


def test_four_behind_an_hvc_is_a_skipped_instruction():
    assert found(taken(0x104, HVC), returned(0x108)) == ["HYP001"]
    assert found(taken(0x104, SVC), returned(0x108)) == ["HYP001"]


def test_four_behind_a_trapped_instruction_is_right():
    assert found(taken(0x104, WFX), returned(0x108)) == []


def test_an_svc_that_hfgitr_el2_traps_has_not_completed():
    trapped = taken(0x100, SVC, pc=0x100)
    assert found(trapped, returned(0x104)) == []
    assert found(*(trapped, returned(0x100)) * 3) == ["HYP002"]


def test_behind_an_hvc_may_be_where_another_context_was_left():
    assert found(taken(0x108, IRQ), returned(0x104), taken(0x104, HVC), returned(0x108)) == []


def test_behind_an_hvc_may_be_where_a_context_with_other_registers_begins():
    made = HandMade()
    watch = Watch(made)
    watch.emit(taken(0x104, HVC))
    made.calls_keep = (0, 1, *made.calls_keep[2:])
    watch.emit(returned(0x108))
    assert watch.findings == []


def test_the_same_trap_three_times_is_for_ever():
    once = (taken(0x100, WFX), returned(0x100))
    assert found(*once * 2) == []
    assert found(*once * 3) == ["HYP002"]
    assert found(*once * 9) == ["HYP002"]


def test_a_loop_that_retires_instructions_between_its_traps_is_right():
    events = [event for n in range(9) for event in (taken(0x100, WFX, n=n), returned(0x104, n=n))]
    assert found(*events) == []


def test_a_fault_that_changes_is_another_fault():
    events = [event for far in range(9) for event in (taken(0x100, 0x24, far=far), returned(0x100))]
    assert found(*events) == []


def test_a_loop_of_calls_is_right():
    assert found(*(taken(0x104, HVC), returned(0x104)) * 9) == []


def test_another_mode_at_the_same_place_is_wrong():
    assert found(taken(0x104, HVC), returned(0x104, spsr=0x3C4)) == ["HYP004"]
    assert found(taken(0x100, SYSREG), returned(0x104, to_el=0, spsr=0x3C0)) == ["HYP004"]


def test_other_flags_and_masks_are_right():
    assert found(taken(0x104, HVC), returned(0x104, spsr=0xF000_0005)) == []


def test_another_mode_elsewhere_is_an_injected_exception_or_another_context():
    assert found(taken(0x104, HVC, from_el=0, spsr=0x3C0), returned(0x8000_0400)) == []


def test_staying_at_the_own_level_is_no_return_to_the_guest():
    assert found(taken(0x104, HVC), returned(0x104, to_el=2, spsr=0x3C9)) == []


def test_cpus_are_told_apart():
    events = taken(0x104, HVC, cpu=0), returned(0x108, cpu=1), returned(0x104, cpu=0)
    assert found(*events, witness=HandMade(cpus=2)) == []
