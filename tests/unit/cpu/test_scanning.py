"""The filter in C never misses a site; the pages of code are kept account of, in RAM and elsewhere."""

import pytest
from core_support import BASE, events, machine
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arm_hyp.arch.instructions import is_fp_simd, uses_fp
from arm_hyp.cpu.counting import SWITCH
from arm_hyp.cpu.scanning import PAGE_SHIFT, CodePages, scan_library
from arm_hyp.events import ExceptionTaken, NullSink, RecordingSink

LIBRARY = scan_library()
needs_helper = pytest.mark.skipif(LIBRARY is None, reason="the C helper is not built here")
CORES = [machine("nop", **options).core for options in ({}, {"model": "max"}, {"cpus": 2}, {"gic": 3})]

# Words near what is interesting: system instructions, and those that write SP.
SYSTEM = st.builds(lambda low: 0xD500_0000 | low, st.integers(0, (1 << 24) - 1))
EXCEPTION = st.builds(lambda low: 0xD400_0000 | low, st.integers(0, (1 << 24) - 1))
BRANCH = st.builds(lambda low: 0xD600_0000 | low, st.integers(0, (1 << 25) - 1))
WRITES_SP = st.builds(lambda word: word | 31, st.integers(0, (1 << 32) - 1))
BASED_ON_SP = st.builds(lambda word: word & ~0x0200_0000 | 0x0800_0000 | 31 << 5, st.integers(0, (1 << 32) - 1))
WORDS = st.one_of(SYSTEM, EXCEPTION, BRANCH, WRITES_SP, BASED_ON_SP, st.integers(0, (1 << 32) - 1))


@needs_helper
@given(WORDS, st.sampled_from(CORES), st.integers(0, 2), st.booleans())
def test_what_is_a_site_may_be_one(word, core, el, e2h):
    assert LIBRARY is not None
    if core.system.is_site(word, el, e2h):
        assert LIBRARY.may_be_site(word)


@needs_helper
@given(WORDS)
def test_what_uses_fp_is_known_to_or_may_be_a_site(word):
    assert LIBRARY is not None
    assert bool(LIBRARY.is_fp_simd(word)) == is_fp_simd(word)
    if uses_fp(word):
        assert LIBRARY.may_be_site(word) or LIBRARY.is_fp_simd(word)


@needs_helper
@pytest.mark.parametrize(
    "word",
    [0xD503201F, 0xD503233F, 0xD5033FDF, 0xD5384100, 0xD4000001, 0xA9BF7BFD, 0xF94007E0, 0xD65F03C0, 0x910003FD],
    ids=[
        "nop",
        "paciasp",
        "isb",
        "mrs x0, sp_el0",
        "svc",
        "stp x29, x30, [sp, #-16]!",
        "ldr x0, [sp, #8]",
        "ret",
        "mov x29, sp",
    ],
)
def test_what_is_everywhere_is_passed_over(word):
    assert LIBRARY is not None
    assert not LIBRARY.may_be_site(word)


def test_pages_in_and_outside_the_table():
    pages = CodePages()
    pages.cover(4 << PAGE_SHIFT, 2 << PAGE_SHIFT)
    for page in (3, 5):
        pages.add(page)
    assert [page for page in range(8) if pages.any(page << PAGE_SHIFT, 4)] == [3, 5]
    assert pages.any(4 << PAGE_SHIFT, 2 << PAGE_SHIFT) and not pages.any(4 << PAGE_SHIFT, 1 << PAGE_SHIFT)
    assert pages.any(0, 6 << PAGE_SHIFT) and not pages.any(0, 3 << PAGE_SHIFT)
    pages.clear()
    assert not pages.any(0, 8 << PAGE_SHIFT)


def test_code_that_another_writes_is_translated_anew():
    made = machine("1: mov x0, #1\n b 1b\n", NullSink())
    made.core.run(10)
    assert made.core.x(0) == 1
    made.write_memory(BASE, (0xD280_0040).to_bytes(4, "little"))  # mov x0, #2
    made.core.run(20)
    assert made.core.x(0) == 2


def test_fp_that_is_trapped_later_traps_though_it_was_translated_before():
    source = "mov x9, #0x300000\n msr cpacr_el1, x9\n mov x1, #2\n 1: fmov d0, d1\n subs x1, x1, #1\n b.ne 2f\n"
    source += "ldr x0, =0x84000008\n smc #0\n 2: mov x2, #0x400\n mrs x3, cptr_el2\n orr x3, x3, x2\n"
    made = machine(source + "ldr x4, =0x40090000\n msr vbar_el2, x4\n msr cptr_el2, x3\n isb\n b 1b\n.ltorg\n")
    made.core.run(60)
    assert (made.core.x(1), events(made, ExceptionTaken)[0].ec) == (1, 0x07)


ALIASED = """
    adr x0, tables              // VA 0x40000000 and VA 0x80000000 are both PA 0x40000000
    ldr x1, =0x40000701
    str x1, [x0, #8]
    str x1, [x0, #16]
    msr ttbr0_el2, x0
    ldr x1, =0x80800019         // TCR_EL2: T0SZ = 25, 4 KiB granule
    msr tcr_el2, x1
    mov x1, #0xff
    msr mair_el2, x1
    isb
    mrs x1, sctlr_el2
    orr x1, x1, #1
    msr sctlr_el2, x1
    isb
    bl changing
    mov x20, x5
    adr x1, changing
    mov x2, #0x40000000
    add x2, x2, x1              // the same code at its other address
    ldr w3, other
    str w3, [x2]
    dc cvau, x2
    dsb ish
    ic ivau, x1
    dsb ish
    isb
    bl changing
    mov x21, x5
    ldr x0, =0x84000008
    smc #0
changing:
    mov x5, #1
    ret
other:
    mov x5, #2
    .ltorg
    .balign 4096
tables:
    .space 4096
"""


@pytest.mark.parametrize("sink", [NullSink, RecordingSink])
def test_code_changed_through_another_address_is_seen_after_maintenance(sink):
    made = machine(ALIASED, sink())
    assert made.run(200).reason == "guest"
    assert (made.core.x(20), made.core.x(21)) == (1, 2)
    assert made.retired == 34


@pytest.mark.parametrize("operation", ["ic ivau, x1", "ic iallu", "ic ialluis"])
def test_code_changed_through_another_address_is_seen_after_each_kind_of_maintenance(operation):
    made = machine(ALIASED.replace("ic ivau, x1", operation), NullSink())
    assert made.run(200).reason == "guest"
    assert (made.core.x(20), made.core.x(21)) == (1, 2)


NO_CODE_ELSEWHERE = "str x1, [x0, #16]", "orr x1, x1, #0x40000000000000\n str x1, [x0, #16]"
"""XN at the other address: the core takes the page for data there, and does not notice a store, but for the first."""
CHANGES = """
    ldr x3, =0xd2800005         // mov x5, #0
    mov x6, #0x40000000
    add x6, x6, x1              // the code at its other address
    ldr x10, =0x40001000
"""
STEPS = {
    "store": "add w4, w3, #{0} << 5\n str w4, [x1]\n",
    "store elsewhere": "add w4, w3, #{0} << 5\n str w4, [x6]\n",
    "store beside": "add w4, w3, #{0} << 5\n str w4, [x6, #8]\n",
    "by address": "ic ivau, x1\n dsb ish\n isb\n",
    "by address, elsewhere": "ic ivau, x6\n dsb ish\n isb\n",
    "everything": "ic iallu\n dsb ish\n isb\n",
    "run": "bl changing\n str x5, [x10], #8\n",
    "run beside": "bl beside\n str x5, [x10], #8\n",
}


def outcome(steps: list[tuple[str, int]], way: str) -> bytes:
    text = "".join(STEPS[step].format(value) for step, value in steps)
    head, tail = ALIASED.replace(*NO_CODE_ELSEWHERE).split("    bl changing\n", 1)
    code = tail[tail.index("changing:") :].replace("other:", "beside:").replace("mov x5, #2\n", "mov x5, #2\n ret\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, way)
        source = f"{head} adr x1, changing\n{CHANGES}{text} ldr x0, =0x84000008\n smc #0\n{code}"
        made = machine(source, NullSink())
    assert made.run(2000).reason == "guest"
    return made.read_memory(0x4000_1000, 8 * len(steps))


@needs_helper
@example(
    [
        ("store elsewhere", 1),
        ("run", 1),
        ("store", 2),
        ("run", 1),
        ("store elsewhere", 1),
        ("by address", 1),
        ("run", 1),
    ]
)
@example([("store elsewhere", 1), ("run", 1), ("store elsewhere", 2), ("run beside", 1), ("everything", 1), ("run", 1)])
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(1, 3)), max_size=14))
def test_code_that_changes_and_maintenance_do_the_same_with_the_helper_and_without(steps):
    assert outcome(steps, "c") == outcome(steps, "python")


@needs_helper
@pytest.mark.parametrize("noted", [0, 1023, 1024])
def test_blocks_with_fp_are_known_whoever_notes_them(noted: int):
    core = machine("mov x9, #0x300000\n msr cpacr_el1, x9\n isb\n 1: fmov d0, d1\n b 1b\n").core
    core.run(4)  # FP traps nowhere now
    assert core.sites._scanner is not None
    core.sites.take_fp_blocks()
    core.native.flush_translations()
    core.sites._scanner._state.fp_count = noted
    core.run(20)
    blocks = [size_bytes for address, size_bytes in core.sites.take_fp_blocks() if address]  # the others are of nothing
    assert blocks == [4, 8]  # one was cut where the run ended
    assert core.sites.take_fp_blocks() == []
