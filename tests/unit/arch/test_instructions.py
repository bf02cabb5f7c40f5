"""Instruction decoding against Capstone, over generated words, and by hand where Capstone knows other things."""

from __future__ import annotations

import capstone
import pytest
from capstone import arm64
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arm_hyp.arch.instructions import (
    InstructionKind,
    decode_system,
    is_fp_simd,
    is_load_store,
    is_sve,
    load_store_access,
    mnemonic,
    pstate_field,
)
from arm_hyp.arch.sysregs import OPERATIONS, TABLE, by_encoding, operation_by_encoding

DISASSEMBLER = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
DISASSEMBLER.detail = True

# Capstone's spelling of what we name otherwise, or know and it does not.
NEWER = {"smstart", "smstop", "tcancel", "tcommit", "tstart", "ttest", "dfb", "brb"}
PREFETCH_AND_OTHERS = ("prf", "stg", "st2g", "stzg", "stz2g", "ldg", "cpy", "set", "ld64b", "st64b", "stgp")


def disassemble(word: int) -> capstone.CsInsn | None:
    return next(iter(DISASSEMBLER.disasm(word.to_bytes(4, "little"), 0)), None)


def system_word(op0: int, op1: int, crn: int, crm: int, op2: int, rt: int, is_read: bool) -> int:
    numbers = is_read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt
    return 0xD500_0000 | numbers


FIELDS = {
    "op1": st.integers(0, 7),
    "crn": st.integers(0, 15),
    "crm": st.integers(0, 15),
    "op2": st.integers(0, 7),
    "rt": st.integers(0, 31),
}


@given(op0=st.integers(2, 3), is_read=st.booleans(), **FIELDS)
def test_mrs_and_msr_decode_to_their_fields(op0, op1, crn, crm, op2, rt, is_read):
    word = system_word(op0, op1, crn, crm, op2, rt, is_read)
    decoded = decode_system(word)
    assert decoded is not None
    assert decoded.kind is (InstructionKind.MRS if is_read else InstructionKind.MSR)
    assert (decoded.encoding, decoded.rt, decoded.is_read) == ((op0, op1, crn, crm, op2), rt, is_read)
    theirs = disassemble(word)
    assert theirs is not None and theirs.mnemonic == ("mrs" if is_read else "msr")


@pytest.mark.parametrize("row", [row for row in TABLE if row.group != "impdef"], ids=lambda row: row.name)
def test_each_register_is_written_as_capstone_writes_it(row):
    is_read = row.access != "WO"
    word = system_word(*row.encoding, 7, is_read)
    decoded, theirs = decode_system(word), disassemble(word)
    assert decoded is not None and theirs is not None
    text = f"{theirs.mnemonic} {theirs.op_str}".lower()
    generic = row.encoding.generic_name.lower()
    assert mnemonic(decoded).lower() in (text, text.replace(generic, row.name.lower()))


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_each_operation_is_written_as_capstone_writes_it(row):
    word = system_word(*row.encoding, 9 if row.takes_register else 31, False)
    decoded, theirs = decode_system(word), disassemble(word)
    assert decoded is not None and theirs is not None
    if theirs.mnemonic != "sys":  # DC CGVADP and its like, and CFP, are not known to it by name
        assert mnemonic(decoded) == f"{theirs.mnemonic} {theirs.op_str}"
    assert operation_by_encoding(decoded.encoding) is row


@given(rest=st.integers(0, (1 << 24) - 1), top=st.sampled_from([0xD4, 0xD5, 0xD6]))
def test_what_capstone_knows_as_a_system_instruction_is_decoded(rest, top):
    word = top << 24 | rest
    theirs, decoded = disassemble(word), decode_system(word)
    if theirs is None or theirs.mnemonic in NEWER or top == 0xD6:
        return
    if top == 0xD5 and word >> 19 & 3 == 0 and theirs.mnemonic in ("msr", "mrs"):
        return  # Capstone prints words of op0 = 0 that the manual does not allot as S0_...
    assert decoded is not None


@pytest.mark.parametrize("crn", [1, 2, 3])
def test_all_hints_and_barriers_have_capstones_names(crn):
    compared = 0
    for word in range(0xD503_0000 + (crn << 12), 0xD503_1000 + (crn << 12)):
        theirs, decoded = disassemble(word), decode_system(word)
        if theirs is None or decoded is None or theirs.mnemonic in NEWER or mnemonic(decoded) == "clrbhb":
            continue
        assert mnemonic(decoded) == f"{theirs.mnemonic} {theirs.op_str}".strip()
        compared += 1
    assert compared >= {1: 64, 2: 127, 3: 53}[crn]


@pytest.mark.parametrize(
    ("word", "kind", "text"),
    [
        (0xD503201F, "HINT", "nop"),
        (0xD503203F, "YIELD", "yield"),
        (0xD503205F, "WFE", "wfe"),
        (0xD503207F, "WFI", "wfi"),
        (0xD503209F, "SEV", "sev"),
        (0xD50320BF, "SEVL", "sevl"),
        (0xD5031003, "WFET", "wfet x3"),
        (0xD5031023, "WFIT", "wfit x3"),
        (0xD5033F9F, "BARRIER", "dsb sy"),
        (0xD50330FF, "BARRIER", "sb"),
        (0xD5033FDF, "BARRIER", "isb"),
        (0xD503323F, "DSB_NXS", "dsb oshnxs"),
        (0xD5033F5F, "CLREX", "clrex"),
        (0xD500401F, "FLAGS", "cfinv"),
        (0xD50343DF, "MSR_IMM", "msr DAIFSet, #3"),
        (0xD50041BF, "MSR_IMM", "msr SPSel, #1"),
        (0xD4000001, "SVC", "svc #0"),
        (0xD41FFFE2, "HVC", "hvc #0xffff"),
        (0xD4000023, "SMC", "smc #1"),
        (0xD4200000, "BRK", "brk #0"),
        (0xD45E0000, "HLT", "hlt #0xf000"),
        (0xD4A00001, "DCPS", "dcps1"),
        (0xD69F03E0, "ERET", "eret"),
        (0xD69F0BFF, "ERETAA", "eretaa"),
        (0xD69F0FFF, "ERETAB", "eretab"),
        (0xD6BF03E0, "DRPS", "drps"),
        (0xD508831F, "SYS", "tlbi vmalle1is"),
        (0xD50B7423, "SYS", "dc zva, x3"),
        (0xD52B7423, "SYSL", "sysl x3, #3, C7, C4, #1"),
        (0xD5381000, "MRS", "mrs x0, SCTLR_EL1"),
        (0xD51BF01F, "MSR", "msr S3_3_C15_C0_0, xzr"),
    ],
)
def test_examples(word, kind, text):
    decoded = decode_system(word)
    assert decoded is not None
    assert (decoded.kind, mnemonic(decoded)) == (InstructionKind[kind], text)


@pytest.mark.parametrize("word", [0x00000000, 0x14000000, 0xD65F03C0, 0xD61F0000, 0xD4000000, 0xD4000004, 0xD5200000])
def test_other_words_are_not_system_instructions(word):
    assert decode_system(word) is None


@pytest.mark.parametrize(
    ("op1", "op2", "name"), [(0, 5, "SPSel"), (3, 6, "DAIFSet"), (3, 7, "DAIFClr"), (0, 4, "PAN"), (5, 5, None)]
)
def test_pstate_fields(op1, op2, name):
    decoded = decode_system(system_word(0, op1, 4, 2, op2, 31, False))
    assert decoded is not None and decoded.imm == 2
    assert pstate_field(decoded) == name


@given(word=st.integers(0, (1 << 32) - 1))
def test_decoding_keeps_the_word_and_the_classes_exclude_one_another(word):
    decoded = decode_system(word)
    assert decoded is None or decoded.word == word
    assert not (decoded is not None and (is_fp_simd(word) or is_sve(word) or is_load_store(word)))
    assert not (is_sve(word) and (is_fp_simd(word) or is_load_store(word)))
    assert load_store_access(word) is None or is_load_store(word)


def fp_words() -> st.SearchStrategy[int]:
    return st.integers(0, (1 << 32) - 1).map(lambda word: word | 0x0E00_0000)


def fp_operands(instruction: capstone.CsInsn) -> bool:
    """Tell whether a disassembled instruction names a B, H, S, D, Q or V register."""
    names = [instruction.reg_name(o.reg) for o in instruction.operands if o.type == arm64.ARM64_OP_REG]
    return any(name[0] in "bhsdqv" and name[1:].isdigit() for name in names)


@given(word=st.one_of(fp_words(), st.integers(0, (1 << 32) - 1)))
@settings(max_examples=1000)
@example(word=0x3D800000)
@example(word=0x1E204000)
@example(word=0x0C407000)
def test_fp_simd_is_what_names_a_vector_register(word):
    theirs = disassemble(word)
    if theirs is None or is_sve(word) or word >> 25 & 15 == 0:
        return
    assert fp_operands(theirs) <= is_fp_simd(word)
    if is_fp_simd(word) and not is_load_store(word):
        assert fp_operands(theirs) or theirs.mnemonic in ("fjcvtzs",)


def load_store_words() -> st.SearchStrategy[int]:
    return st.integers(0, (1 << 32) - 1).map(lambda word: word & ~0x0A00_0000 | 0x0800_0000)


@given(word=load_store_words())
@settings(max_examples=2000)
def test_loads_and_stores_have_capstones_base_and_writeback(word):
    theirs, ours = disassemble(word), load_store_access(word)
    if theirs is None:
        return
    if ours is None:
        assert theirs.mnemonic.startswith(PREFETCH_AND_OTHERS)
        return
    if ours.base is None:
        assert not any(operand.type == arm64.ARM64_OP_MEM for operand in theirs.operands)
        return
    memory = next(operand.mem for operand in theirs.operands if operand.type == arm64.ARM64_OP_MEM)
    assert theirs.reg_name(memory.base) == {31: "sp", 29: "fp", 30: "lr"}.get(ours.base, f"x{ours.base}")
    assert ours.has_writeback == theirs.writeback
    assert ours.uses_sp == (ours.base == 31)


LOADS_AND_STORES = [
    # word, base, size, element, alignment, properties
    (0xF9400020, 1, 8, 8, 8, "load"),  # ldr x0, [x1]
    (0x39000020, 1, 1, 1, 1, "store"),  # strb w0, [x1]
    (0xB8801020, 1, 4, 4, 4, "load"),  # ldursw x0, [x1, #1]
    (0xF8008420, 1, 8, 8, 8, "store writeback"),  # str x0, [x1], #8
    (0xF8408FE0, 31, 8, 8, 8, "load writeback"),  # ldr x0, [sp, #8]!
    (0xA9BF7BFD, 31, 16, 8, 8, "store pair writeback"),  # stp x29, x30, [sp, #-16]!
    (0x69400420, 1, 8, 4, 4, "load pair"),  # ldpsw x0, x1, [x1]
    (0xAD400420, 1, 32, 16, 16, "load pair vector"),  # ldp q0, q1, [x1]
    (0x3DC00020, 1, 16, 16, 16, "load vector"),  # ldr q0, [x1]
    (0xC85F7C20, 1, 8, 8, 8, "load exclusive"),  # ldxr x0, [x1]
    (0xC85FFC20, 1, 8, 8, 8, "load exclusive ordered"),  # ldaxr x0, [x1]
    (0x88228FE0, 31, 8, 4, 8, "store exclusive ordered pair"),  # (stlxp w2, w0, w3, [sp])
    (0xC87F0420, 1, 16, 8, 16, "load exclusive pair"),  # ldxp x0, x1, [x1]
    (0xC8DFFC20, 1, 8, 8, 8, "load ordered"),  # ldar x0, [x1]
    (0x089FFC20, 1, 1, 1, 1, "store ordered"),  # stlrb w0, [x1]
    (0x48DFFC20, 1, 2, 2, 2, "load ordered"),  # ldarh w0, [x1]
    (0xC8A07C41, 2, 8, 8, 8, "load store atomic"),  # cas x0, x1, [x2]
    (0x48227C64, 3, 16, 8, 16, "load store atomic pair"),  # casp x2, x3, x4, x5, [x3]
    (0xB8E00041, 2, 4, 4, 4, "load store atomic ordered"),  # ldaddal w0, w1, [x2]
    (0xF8BFC020, 1, 8, 8, 8, "load ordered"),  # ldapr x0, [x1]
    (0xD9400020, 1, 8, 8, 8, "load ordered"),  # ldapur x0, [x1]
    (0xF8200C20, 1, 8, 8, 8, "load writeback"),  # ldraa x0, [x1, #0]!
    (0x4C402020, 1, 64, 1, 1, "load vector"),  # ld1 {v0.16b-v3.16b}, [x1]
    (0x4C9F7820, 1, 16, 4, 4, "store vector writeback"),  # st1 {v0.4s}, [x1], #16
    (0x0D408420, 1, 8, 8, 8, "load vector"),  # ld1 {v0.d}[0], [x1]
    (0x4D60E820, 1, 16, 4, 4, "load vector"),  # ld4r {v0.4s-v3.4s}, [x1]
]


@pytest.mark.parametrize("row", LOADS_AND_STORES, ids=lambda row: f"{row[0]:08x}")
def test_load_store_examples(row):
    word, base, size, element, alignment, properties = row
    access = load_store_access(word)
    assert access is not None
    assert (access.base, access.size_bytes, access.element_bytes, access.alignment_bytes) == (
        base,
        size,
        element,
        alignment,
    )
    flags = {
        "load": access.is_load,
        "store": access.is_store,
        "exclusive": access.is_exclusive,
        "ordered": access.is_ordered,
        "pair": access.is_pair,
        "vector": access.is_vector,
        "atomic": access.is_atomic,
        "writeback": access.has_writeback,
    }
    assert {name for name, value in flags.items() if value} == set(properties.split())
    assert access.can_have_isv == (not flags.keys() & set(properties.split()) - {"load", "store", "ordered"})


def test_literals_have_no_base_register_and_prefetches_no_access():
    literal = load_store_access(0x58000000)
    assert literal is not None and literal.base is None and not literal.uses_sp
    assert load_store_access(0xD8000000) is None
    assert load_store_access(0xF9800020) is None
    assert is_load_store(0xF9800020)


def test_reads_and_writes_of_one_encoding_have_their_own_names():
    read, write = decode_system(0xD5330500), decode_system(0xD5130500)
    assert read is not None and write is not None
    assert mnemonic(read) == "mrs x0, DBGDTRRX_EL0"
    assert mnemonic(write) == "msr DBGDTRTX_EL0, x0"
    assert by_encoding(read.encoding) is not by_encoding(write.encoding, is_read=False)
