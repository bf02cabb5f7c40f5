"""List registers, acknowledge, end and deactivation, in events made by hand."""

from checker_support import HandMade, ended, found, reads, returned, taken, writes

from arm_hyp.events import DeviceAccess
from arm_hyp.explain.checkers import Watch
from arm_hyp.machine.gic.virtual_list import ACTIVE_BIT, HW_BIT, PENDING_BIT

IRQ = None


def emitted(made: HandMade, *steps):
    """Give a watch events; a step that can be called changes the machine in between."""
    watch = Watch(made)
    for step in steps:
        step() if callable(step) else watch.emit(step)
    return [finding.code for finding in watch.findings]


def holding(*lists: int) -> HandMade:
    made = HandMade()
    made.lists[: len(lists)] = lists
    return made


def test_a_list_register_that_the_guest_still_needs_may_not_be_overwritten_unread():
    made = holding(PENDING_BIT | 40)
    assert found(taken(0x104), writes("ICH_LR0_EL2", PENDING_BIT | 41), witness=made) == ["HYP007"]
    assert found(taken(0x104), writes("ICH_LR0_EL2", 0), witness=made) == ["HYP007"]
    assert found(taken(0x104), writes("ICH_LR1_EL2", PENDING_BIT | 41), witness=made) == []


def test_one_that_was_read_or_keeps_what_it_held_may():
    made = holding(ACTIVE_BIT | 40)
    read = reads("ICH_LR0_EL2", ACTIVE_BIT | 40)
    assert found(taken(0x104), read, writes("ICH_LR0_EL2", 0), witness=made) == []
    assert found(taken(0x104), writes("ICH_LR0_EL2", ACTIVE_BIT | PENDING_BIT | 40), witness=made) == []


def test_a_gicv2_has_the_same_rule():
    made = holding(PENDING_BIT | 40)
    write = DeviceAccess(
        n=0, seq=0, cpu=0, el=2, pc=8, device="gich", offset=0x100, size_bytes=4, is_write=True, value=0
    )
    assert found(taken(0x104), write, witness=made) == ["HYP007"]


def test_a_linked_list_register_needs_an_active_interrupt():
    made = holding(HW_BIT | PENDING_BIT | 30 << 32 | 30)
    assert found(returned(0), witness=made) == ["HYP009"]
    made.active = {30}
    assert found(returned(0), witness=made) == []


def handler(made: HandMade, *ends: str, deactivates: bool):
    def deactivate() -> None:
        made.active = set()

    made.active = {30}
    steps = [taken(0x104, IRQ), reads("ICC_IAR1_EL1", 30)]
    steps += [writes(f"ICC_{name}_EL1", 30) for name in ends]
    return [*steps, deactivate if deactivates else lambda: None, returned(0x104), ended()]


def test_an_interrupt_must_be_ended_and_deactivated():
    made = HandMade()
    assert emitted(made, *handler(made, "EOIR1", "DIR", deactivates=True)) == []
    assert emitted(made, *handler(made, "EOIR1", deactivates=True)) == []
    assert emitted(made, *handler(made, "EOIR1", deactivates=False)) == ["HYP008"]
    assert emitted(made, *handler(made, deactivates=False)) == ["HYP010"]


def test_what_a_guest_will_deactivate_is_right():
    made = holding(HW_BIT | PENDING_BIT | 30 << 32 | 30)
    assert emitted(made, *handler(made, "EOIR1", deactivates=False)) == []


def test_a_handler_that_never_returned_is_not_judged():
    made = HandMade()
    made.active = {30}
    steps = [taken(0x104, IRQ), reads("ICC_IAR1_EL1", 30), writes("ICC_EOIR1_EL1", 30), ended()]
    assert emitted(made, *steps) == []


def test_a_spurious_interrupt_needs_no_end():
    assert found(taken(0x104, IRQ), reads("ICC_IAR1_EL1", 1023), returned(0x104), ended()) == []
