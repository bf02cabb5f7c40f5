"""Syndromes: total tables, trees that cover every bit, encoders that agree with the decoder and with the manual."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arm_hyp.arch import syndromes as s
from arm_hyp.arch.iss_layouts import LAYOUTS
from arm_hyp.arch.syndromes import EC, FaultKind, SyndromeTree, decode_esr, encode_tree, one_line
from arm_hyp.arch.sysreg_table import Encoding

ESR_VALUES = st.integers(0, 2**32 - 1)
WIDE_ESR_VALUES = st.integers(0, 2**64 - 1)
DATA_ABORT_ISS2_AND_ISV = 0xFFF << 32 | EC.DATA_ABORT_LOWER << 26 | 0x1FFFFFF


def name_of(encoding: Encoding, is_read: bool) -> str | None:
    names = {
        (3, 0, 1, 0, 0): "SCTLR_EL1",
        (1, 0, 8, 7, 0): "TLBI VMALLE1",
        (2, 3, 0, 5, 0): "DBGDTRRX_EL0" if is_read else "DBGDTRTX_EL0",
    }
    return names.get(encoding)


class TestClasses:
    def test_every_value_of_ec_has_one_row(self) -> None:
        assert [row.value for row in s.EXCEPTION_CLASSES] == list(range(64))
        assert {row.value for row in s.EXCEPTION_CLASSES if row.defined} == {int(ec) for ec in EC}

    @pytest.mark.parametrize(
        "ec", [0x02, 0x0B, 0x0F, 0x10, 0x23, 0x29, 0x2A, 0x2B, 0x2E, 0x36, 0x37, 0x39, 0x3B, 0x3E, 0x3F]
    )
    def test_unallocated_values_are_reserved(self, ec: int) -> None:
        assert s.ec_description(ec) == "reserved"
        assert decode_esr(ec << 26 | 0x123).find("ISS").children[0].meaning.startswith("no meaning is defined")

    def test_a_class_that_never_comes_to_this_el_says_so(self) -> None:
        assert "never taken to EL1" in s.ec_description(EC.HVC64, 1)
        assert "never" not in s.ec_description(EC.HVC64, 2)

    @pytest.mark.parametrize("ec", [-1, 64])
    def test_a_value_wider_than_ec_is_refused(self, ec: int) -> None:
        with pytest.raises(ValueError, match="6 bits"):
            s.ec_name(ec)


class TestFaultStatus:
    def test_every_code_has_one_row(self) -> None:
        assert [row.code for row in s.FAULT_STATUS] == list(range(64))
        assert [row.code for row in s.INSTRUCTION_FAULT_STATUS] == list(range(64))

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            (0b000000, "address size fault, level 0"),
            (0b000111, "translation fault, level 3"),
            (0b001001, "access flag fault, level 1"),
            (0b001110, "permission fault, level 2"),
            (0b010000, "synchronous external abort"),
            (0b010011, "synchronous external abort on a translation table walk, level -1"),
            (0b010110, "synchronous external abort on a translation table walk, level 2"),
            (0b011101, "synchronous parity or ECC error on a translation table walk, level 1"),
            (0b100001, "alignment fault"),
            (0b101000, "granule protection fault"),
            (0b101011, "translation fault, level -1"),
            (0b110000, "TLB conflict abort"),
            (0b110101, "IMPLEMENTATION DEFINED fault (unsupported exclusive or atomic access)"),
            (0b111111, "reserved fault status code"),
        ],
    )
    def test_codes_by_the_manual(self, code: int, text: str) -> None:
        assert s.FAULT_STATUS[code].text == text
        assert decode_esr(EC.DATA_ABORT_SAME << 26 | code).find("DFSC").meaning == text

    def test_data_only_faults_are_reserved_in_ifsc(self) -> None:
        assert s.INSTRUCTION_FAULT_STATUS[0b100001].kind is FaultKind.RESERVED
        assert s.INSTRUCTION_FAULT_STATUS[0b000101].kind is FaultKind.TRANSLATION

    @pytest.mark.parametrize("row", [row for row in s.FAULT_STATUS if row.kind is not FaultKind.RESERVED])
    def test_a_fault_encodes_to_the_code_it_came_from(self, row: s.FaultStatus) -> None:
        assert s.encode_fsc(row.kind, row.level) == row.code

    @pytest.mark.parametrize(("kind", "level"), [(FaultKind.PERMISSION, 4), (FaultKind.ALIGNMENT, 0)])
    def test_a_fault_without_code_is_refused(self, kind: FaultKind, level: int) -> None:
        with pytest.raises(ValueError, match="no fault status code"):
            s.encode_fsc(kind, level)


def covers_exactly(node: SyndromeTree) -> bool:
    """Tell whether the children split the node's bits from msb to lsb without gap or overlap, with the same value."""
    if not node.children:
        return True
    next_bit = node.msb
    for child in node.children:
        in_parent = node.value >> child.lsb - node.lsb & (1 << child.msb - child.lsb + 1) - 1
        if child.msb != next_bit or child.value != in_parent or not covers_exactly(child):
            return False
        next_bit = child.lsb - 1
    return next_bit == node.lsb - 1


class TestTree:
    @given(ESR_VALUES)
    @example(0xFFFFFFFF)
    def test_what_was_decoded_encodes_to_the_same_integer(self, esr: int) -> None:
        assert encode_tree(decode_esr(esr)) == esr

    @given(WIDE_ESR_VALUES, st.sampled_from([1, 2, 3]))
    @example(DATA_ABORT_ISS2_AND_ISV, 2)
    @example(2**64 - 1, 1)
    def test_every_bit_is_in_one_leaf_with_a_meaning(self, esr: int, el: int) -> None:
        tree = decode_esr(esr, el, name_of)
        assert covers_exactly(tree)
        assert all(leaf.meaning for leaf in tree.leaves())

    @given(ESR_VALUES)
    def test_fields_alone_encode_back_where_res0_is_zero(self, esr: int) -> None:
        tree = decode_esr(esr)
        fields = {leaf.name: leaf.value for leaf in tree.find("ISS").leaves() if not leaf.is_res0}
        res0 = sum(leaf.value << leaf.lsb for leaf in tree.leaves() if leaf.is_res0)
        assert s.encode_fields(tree.find("EC").value, il=tree.find("IL").value, **fields) == esr & ~res0

    @pytest.mark.parametrize("ec", range(64))
    def test_every_layout_of_every_class_is_chosen_by_some_value(self, ec: int) -> None:
        selectors = [isv << 24 | extype << 20 | fsc for isv in (0, 1) for extype in range(4) for fsc in range(64)]
        assert {s.layout_for(ec, iss) for iss in selectors} == set(LAYOUTS[ec][0])

    def test_set_reserved_bits_are_shown_where_they_are(self) -> None:
        node = next(leaf for leaf in decode_esr(s.encode_hvc(7) | 1 << 20).leaves() if leaf.is_res0 and leaf.value)
        assert (node.msb, node.lsb, node.value) == (24, 16, 0x10)
        assert node.meaning == "reserved bits that should be zero are set"

    def test_fields_depend_on_isv_and_fault(self) -> None:
        def names(iss: int) -> set[str]:
            return {leaf.name for leaf in s.decode_iss(EC.DATA_ABORT_LOWER, iss).leaves()}

        assert {"SAS", "SSE", "SRT", "SF", "AR"} <= names(1 << 24 | 0b000110)
        assert not {"SAS", "SSE", "SRT", "SF", "AR"} & names(0b000110)
        assert {"SET", "FnV"} <= names(0b010000) and "LST" in names(0b000110)
        assert not {"SET", "FnV", "LST"} & names(0b100001)

    def test_find_names_the_missing_field(self) -> None:
        with pytest.raises(KeyError, match="SRT"):
            decode_esr(s.encode_hvc(0)).find("SRT")

    @pytest.mark.parametrize("esr", [-1, 1 << 64])
    def test_a_value_wider_than_the_register_is_refused(self, esr: int) -> None:
        with pytest.raises(ValueError, match="64 bits"):
            decode_esr(esr)


# Integers written out by hand from the diagrams in the manual.
KNOWN = [
    (s.encode_unknown(), 0x02000000),
    (s.encode_wfx(0), 0x07E00000),
    (s.encode_wfx(1), 0x07E00001),
    (s.encode_wfx(2, rn=3, rv=1), 0x07E00066),
    (s.encode_svc(0), 0x56000000),
    (s.encode_hvc(0x4A48), 0x5A004A48),
    (s.encode_smc(1), 0x5E000001),
    (s.encode_sysreg(3, 0, 1, 0, 0, 3, False), 0x62300460),
    (s.encode_sysreg(3, 0, 0, 4, 1, 2, True), 0x62320049),
    (s.encode_sysreg(1, 7, 15, 15, 7, 31, 0), 0x621FFFFE),
    (s.encode_fp_access(), 0x1FE00000),
    (s.encode_sve_access(), 0x66000000),
    (s.encode_eret(), 0x6A000000),
    (s.encode_eret(1), 0x6A000002),
    (s.encode_eret(1, 1), 0x6A000003),
    (s.encode_pauth(), 0x26000000),
    (s.encode_pac_fail(is_data=1, is_b=0), 0x72000002),
    (s.encode_bti(2), 0x36000002),
    (s.encode_illegal_state(), 0x3A000000),
    (s.encode_pc_alignment(), 0x8A000000),
    (s.encode_sp_alignment(), 0x9A000000),
    (s.encode_brk(0x3E8), 0xF20003E8),
    (s.encode_bkpt(1), 0xE0000001),
    (s.encode_step(EC.STEP_LOWER), 0xCB000022),
    (s.encode_step(EC.STEP_SAME, ex=1), 0xCF000062),
    (s.encode_breakpoint(EC.BREAKPOINT_LOWER), 0xC2000022),
    (s.encode_watchpoint(EC.WATCHPOINT_SAME, 1), 0xD6000062),
    (s.encode_watchpoint(EC.WATCHPOINT_LOWER, 0, wpt=3), 0xD20E0022),
    (s.encode_serror(), 0xBE000000),
    (s.encode_serror(0b010001, aet=3), 0xBE000C11),
    (s.encode_serror(ids=1, impdef=0xABCDEF), 0xBFABCDEF),
    (s.encode_virtual_serror(1 << 24 | 5), 0xBF000005),
    (s.encode_abort(EC.INSTRUCTION_ABORT_LOWER, 0b000110), 0x82000006),
    (s.encode_abort(EC.INSTRUCTION_ABORT_SAME, 0b000101, s1ptw=1), 0x86000085),
    (s.encode_abort(EC.DATA_ABORT_SAME, 0b000101, wnr=1), 0x96000045),
    (s.encode_abort(EC.DATA_ABORT_LOWER, 0b000110, isv=1, sas=2, srt=3, wnr=1), 0x93830046),
    (s.encode_abort(EC.DATA_ABORT_LOWER, 0b000111, isv=1, sas=3, srt=31, sf=1, ar=1), 0x93DFC007),
    (s.encode_abort(EC.DATA_ABORT_LOWER, 0b010000, fnv=1, set_=3, ea=1, cm=1), 0x92001F10),
    (s.encode_abort(EC.DATA_ABORT_LOWER, 0b001111, iss2=1 << 6), 1 << 38 | 0x9200000F),
]


class TestEncoders:
    @pytest.mark.parametrize(("encoded", "expected"), KNOWN, ids=[hex(expected) for _, expected in KNOWN])
    def test_values_by_the_manual(self, encoded: int, expected: int) -> None:
        assert encoded == expected

    @given(*(st.integers(0, limit) for limit in (3, 7, 15, 15, 7, 31)), st.booleans())
    def test_sysreg_fields_come_back(
        self, op0: int, op1: int, crn: int, crm: int, op2: int, rt: int, is_read: bool
    ) -> None:
        iss = decode_esr(s.encode_sysreg(op0, op1, crn, crm, op2, rt, is_read)).find("ISS")
        names = ("Op0", "Op1", "CRn", "CRm", "Op2", "Rt", "Direction")
        assert [iss.find(name).value for name in names] == [op0, op1, crn, crm, op2, rt, is_read]

    @given(
        st.sampled_from([0, 1]),
        st.sampled_from([0b000111, 0b001101, 0b010000, 0b100001]),
        st.fixed_dictionaries({name: st.sampled_from([0, 1]) for name in ("wnr", "s1ptw", "cm", "ea", "vncr")}),
        st.fixed_dictionaries({"sas": st.integers(0, 3), "srt": st.integers(0, 31), "sf": st.integers(0, 1)}),
    )
    def test_abort_fields_come_back(self, isv: int, fsc: int, flags: dict[str, int], syndrome: dict[str, int]) -> None:
        given_fields = {**flags, **(syndrome if isv else {})}
        iss = decode_esr(s.encode_abort(EC.DATA_ABORT_LOWER, fsc, isv=isv, **given_fields)).find("ISS")
        by_name = {leaf.name.lower(): leaf.value for leaf in iss.leaves()}
        assert {name: by_name[name] for name in given_fields} == given_fields
        assert (by_name["isv"], by_name["dfsc"]) == (isv, fsc)

    def test_fields_by_name_reach_every_class_and_iss2(self) -> None:
        assert s.encode_fields(EC.MOPS, MemInst=1, destreg=2, srcreg=3, sizereg=4) == 0x9F000864
        assert s.encode_fields(EC.CP15_MCR_MRC, CV=1, COND=14, Opc1=0, CRn=1, Rt=3) == 0x0FE00460
        assert s.encode_fields(EC.DATA_ABORT_LOWER, DFSC=0b001111, Overlay=1, Xs=5) == 0x45 << 32 | 0x9200000F
        assert s.encode_fields(EC.BKPT32, il=0, Comment=2) == 0xE0000002

    @pytest.mark.parametrize(
        "call",
        [
            lambda: s.encode_hvc(0x10000),
            lambda: s.encode_svc(-1),
            lambda: s.encode_wfx(4),
            lambda: s.encode_sysreg(3, 0, 16, 0, 0, 0, 0),
            lambda: s.encode_sysreg(3, 0, 0, 0, 0, 32, 0),
            lambda: s.encode_eret(0, 1),
            lambda: s.encode_bti(4),
            lambda: s.encode_fp_access(cond=16),
            lambda: s.encode_abort(EC.DATA_ABORT_LOWER, 64),
            lambda: s.encode_abort(EC.DATA_ABORT_LOWER, 4, wnr=2),
            lambda: s.encode_abort(EC.DATA_ABORT_LOWER, 4, isv=1, srt=32),
            lambda: s.encode_abort(EC.DATA_ABORT_LOWER, 4, srt=3),
            lambda: s.encode_abort(EC.INSTRUCTION_ABORT_LOWER, 4, wnr=1),
            lambda: s.encode_abort(EC.WFX, 4),
            lambda: s.encode_step(EC.STEP_LOWER, ex=1, isv=0),
            lambda: s.encode_step(EC.BRK),
            lambda: s.encode_breakpoint(EC.BRK),
            lambda: s.encode_watchpoint(EC.WATCHPOINT_LOWER, 0, wpt=64),
            lambda: s.encode_serror(0, aet=1),
            lambda: s.encode_serror(ids=1, ea=1),
            lambda: s.encode_serror(impdef=1),
            lambda: s.encode(64),
            lambda: s.encode(0, 1 << 25),
            lambda: s.encode_fields(EC.WFX, Rt=1),
            lambda: s.encode_fields(EC.WFX, TI=4),
            lambda: s.encode_fields(EC.DATA_ABORT_LOWER, ISV=0, SAS=1),
        ],
    )
    def test_what_does_not_fit_is_refused(self, call: object) -> None:
        assert callable(call)
        with pytest.raises(ValueError):
            call()


LINES = [
    (s.encode_wfx(0), 2, "WFx: trapped WFI (TI=0b00)"),
    (s.encode_wfx(3, rn=4, rv=1), 2, "WFx: trapped WFET X4 (TI=0b11)"),
    (s.encode_hvc(0), 2, "HVC #0x0"),
    (s.encode_svc(0x10), 1, "SVC #0x10"),
    (s.encode_sysreg(3, 0, 1, 0, 0, 3, 0), 2, "MSR: write of SCTLR_EL1 from X3"),
    (s.encode_sysreg(3, 4, 1, 1, 0, 31, 1), 2, "MRS: read of S3_4_C1_C1_0 to XZR"),
    (s.encode_sysreg(2, 3, 0, 5, 0, 1, 0), 2, "MSR: write of DBGDTRTX_EL0 from X1"),
    (s.encode_sysreg(1, 0, 8, 7, 0, 31, 0), 2, "SYS: TLBI VMALLE1"),
    (s.encode_sysreg(1, 3, 7, 4, 1, 9, 0), 2, "SYS: S1_3_C7_C4_1, X9"),
    (s.encode_sysreg(0, 3, 4, 2, 6, 31, 0), 1, "MSR: write of DAIFSet, #2"),
    (
        s.encode_abort(0x24, 6, isv=1, sas=2, srt=3, wnr=1),
        2,
        "data abort, stage 2: translation fault, level 2, write, 4 bytes from W3",
    ),
    (
        s.encode_abort(0x24, 7, isv=1, sas=0, sse=1, srt=31, sf=1),
        2,
        "data abort, stage 2: translation fault, level 3, read, 1 byte to XZR, sign-extended",
    ),
    (s.encode_abort(0x25, 0b001111), 1, "data abort, stage 1: permission fault, level 3, read"),
    (s.encode_abort(0x25, 0b001111), 2, "data abort, stage 1: permission fault, level 3, read"),
    (
        s.encode_abort(0x24, 6, s1ptw=1, wnr=1),
        2,
        "data abort, stage 2: translation fault, level 2, write, on a stage 1 table walk",
    ),
    (
        s.encode_abort(0x25, 0b010000, fnv=1),
        1,
        "data abort: synchronous external abort, read, FAR not valid",
    ),
    (s.encode_abort(0x20, 6), 2, "instruction abort, stage 2: translation fault, level 2"),
    (s.encode_serror(0b010001, aet=0), 2, "SError: asynchronous SError exception, uncontainable (UC)"),
    (s.encode_eret(1, 1), 2, "ERET: trapped ERETAB"),
    (s.encode_illegal_state(), 1, "Illegal Execution state"),
    (s.encode_fields(EC.CP15_MCR_MRC, Rt=3, CRn=1, Direction=1), 2, "MRC: read of p15, 0, c1, c0, 0 to X3"),
    (s.encode_fields(EC.FP_EXCEPTION64, TFV=1, IOF=1, DZF=1), 1, "FP exception: IOF, DZF"),
    (s.encode_brk(1), 1, "BRK #0x1"),
    (0x3F << 26 | 5, 1, "reserved class 0x3f: ISS 0x5"),
]


class TestOneLine:
    @pytest.mark.parametrize(("esr", "el", "line"), LINES, ids=[line for _, _, line in LINES])
    def test_line(self, esr: int, el: int, line: str) -> None:
        assert one_line(esr, el, name_of) == line

    def test_the_control_is_named_where_the_caller_knows_it(self) -> None:
        esr = s.encode_sysreg(3, 0, 1, 0, 0, 3, 0)
        assert one_line(esr, 2, name_of, control="TVM") == "MSR TVM: write of SCTLR_EL1 from X3"

    def test_with_tge_a_fault_from_el0_to_el2_is_of_stage_1(self) -> None:
        assert one_line(s.encode_abort(0x24, 6), 2, tge=True).startswith("data abort, stage 1:")

    @given(WIDE_ESR_VALUES, st.sampled_from([1, 2, 3]))
    def test_every_value_has_one_line(self, esr: int, el: int) -> None:
        line = one_line(esr, el)
        assert line and "\n" not in line
