"""The system register table: against itself, against GNU as, against the core, and against what real systems use."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import unicorn
from hypothesis import given
from hypothesis import strategies as st
from unicorn import arm64_const

from arm_hyp.arch.instructions import decode_system, mnemonic
from arm_hyp.arch.sysreg_table import operation_rows, register_rows
from arm_hyp.arch.sysregs import (
    ALIASES,
    OPERATIONS,
    OTHER_NAMES,
    TABLE,
    Encoding,
    by_encoding,
    by_name,
    core_extras,
    is_el12,
    name_of,
    operation_by_encoding,
    operation_by_name,
    parse_name,
    redirect,
    reset_value,
    resolve,
    route,
    undefined_reason,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "sysregs"
MODELS = ("a72", "max")

encodings = st.builds(
    Encoding, st.integers(1, 3), st.integers(0, 7), st.integers(0, 15), st.integers(0, 15), st.integers(0, 7)
)


# --- the table itself


def test_the_table_is_sorted_and_names_are_unique():
    assert list(TABLE) == sorted(TABLE, key=lambda row: (row.encoding, row.name))
    assert max(Counter(row.name for row in TABLE).values()) == 1
    assert max(Counter(row.name for row in OPERATIONS).values()) == 1
    assert max(Counter(row.encoding for row in OPERATIONS).values()) == 1


def test_only_the_debug_data_registers_share_an_encoding():
    shared = [e for e, count in Counter(row.encoding for row in TABLE).items() if count > 1]
    assert shared == [(2, 3, 0, 5, 0)]
    assert name_of(shared[0]) == "DBGDTRRX_EL0"
    assert name_of(shared[0], is_read=False) == "DBGDTRTX_EL0"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_names_go_both_ways(row):
    assert by_name(row.name.lower()) is row
    assert parse_name(row.name) == row.encoding
    assert parse_name(row.encoding.generic_name.lower()) == row.encoding
    assert by_encoding(row.encoding, is_read=row.access != "WO") is row
    assert row.min_el <= row.min_write_el <= 3


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_operation_names_go_both_ways(row):
    assert operation_by_name(row.name.lower()) is row
    assert operation_by_encoding(parse_name(row.name)) is row
    assert name_of(row.encoding) == row.name


@given(encoding=encodings)
def test_every_encoding_has_a_name_that_parses_back(encoding):
    assert parse_name(name_of(encoding)) == encoding
    assert parse_name(encoding.generic_name) == encoding


@pytest.mark.parametrize("name", ["", "SCTLR_EL9", "s3_0_c16_c0_0", "s0_0_c4_c0_5", "s3_8_c0_c0_0", "tlbi nothing"])
def test_unknown_names_are_refused_by_name(name):
    with pytest.raises(KeyError):
        parse_name(name)


def test_a_near_miss_tells_near_names():
    with pytest.raises(KeyError, match="SCTLR_EL2"):
        by_name("SCTLR_EL2X")


@pytest.mark.parametrize("other", sorted(OTHER_NAMES))
def test_other_names_reach_a_row(other):
    assert by_name(other).name == OTHER_NAMES[other]


def test_the_virtual_cpu_interface_shares_encodings_with_the_physical_one():
    assert parse_name("ICV_IAR1_EL1") == parse_name("ICC_IAR1_EL1")
    for physical_only in ("ICV_SGI1R_EL1", "ICV_SRE_EL1", "ICV_ASGI1R_EL1"):
        with pytest.raises(KeyError):
            by_name(physical_only)


@pytest.mark.parametrize(
    "text",
    [
        "X 3 0 1 0 0 1 RW",
        "X 3 0 16 0 0 1 RW native",
        "X 3 0 1 0 0 1 XX native",
        "X 3 0 1 0 0 1 RW maybe",
        "X 1 0 1 0 0 1 RW native",
    ],
)
def test_malformed_register_rows_are_refused(text):
    with pytest.raises(ValueError, match=r"X 3 0|X 1 0"):
        list(register_rows("group", text))


@pytest.mark.parametrize("text", ["DC X 0 7 6 1 1", "DC X 0 7 6 1 1 maybe", "DC X 0 7 16 1 1 Xt"])
def test_malformed_operation_rows_are_refused(text):
    with pytest.raises(ValueError, match="DC X"):
        list(operation_rows(text))


def test_access_by_exception_level():
    assert by_name("TPIDRRO_EL0").may_access(0, is_read=True)
    assert not by_name("TPIDRRO_EL0").may_access(0, is_read=False)
    assert by_name("TPIDRRO_EL0").may_access(1, is_read=False)
    assert not by_name("HCR_EL2").may_access(1, is_read=True)
    assert not by_name("CTR_EL0").may_access(3, is_read=False)
    assert not by_name("OSLAR_EL1").may_access(3, is_read=True)
    assert by_name("CNTFRQ_EL0").may_access(3, is_read=False)
    assert not by_name("CNTFRQ_EL0").may_access(2, is_read=False)


# --- VHE


def test_aliases_lead_to_their_registers():
    assert ALIASES[parse_name("SCTLR_EL12")] == parse_name("SCTLR_EL1")
    assert ALIASES[parse_name("CNTV_CTL_EL02")] == parse_name("CNTV_CTL_EL0")
    for source, target in ALIASES.items():
        assert source == target._replace(op1=5)
        assert is_el12(source) and not is_el12(target)


@given(encoding=encodings, el=st.integers(0, 3), tge=st.booleans())
def test_without_e2h_nothing_is_redirected(encoding, el, tge):
    assert redirect(encoding, el, False, tge) == encoding


@pytest.mark.parametrize(
    ("name", "el", "tge", "reached"),
    [
        ("CPACR_EL1", 2, 0, "CPTR_EL2"),
        ("CNTKCTL_EL1", 2, 0, "CNTHCTL_EL2"),
        ("CNTV_CVAL_EL0", 2, 1, "CNTHV_CVAL_EL2"),
        ("CNTP_CTL_EL0", 2, 1, "CNTHP_CTL_EL2"),
        ("CNTP_CTL_EL0", 0, 1, "CNTHP_CTL_EL2"),
        ("CNTP_CTL_EL0", 0, 0, "CNTP_CTL_EL0"),
        ("CNTP_CTL_EL0", 1, 0, "CNTP_CTL_EL0"),
        ("CNTVCT_EL0", 2, 1, "CNTVCT_EL0"),
        ("VBAR_EL1", 2, 1, "VBAR_EL2"),
        ("VBAR_EL1", 1, 0, "VBAR_EL1"),
        ("VBAR_EL1", 3, 0, "VBAR_EL1"),
        ("VBAR_EL12", 2, 1, "VBAR_EL1"),
        ("VBAR_EL12", 3, 0, "VBAR_EL1"),
        ("VBAR_EL12", 1, 0, "VBAR_EL12"),
        ("CNTP_TVAL_EL02", 2, 0, "CNTP_TVAL_EL0"),
        ("CONTEXTIDR_EL1", 2, 0, "CONTEXTIDR_EL2"),
        ("TPIDR_EL1", 2, 0, "TPIDR_EL1"),
        ("SP_EL1", 2, 0, "SP_EL1"),
        ("PAR_EL1", 2, 0, "PAR_EL1"),
    ],
)
def test_redirection_with_e2h(name, el, tge, reached):
    assert name_of(redirect(parse_name(name), el, True, tge)) == reached


def test_each_el12_name_undoes_a_redirection():
    for target in ALIASES.values():
        assert redirect(target, 2, True) != target


# --- routes


@given(encoding=encodings, is_read=st.booleans(), model=st.sampled_from(MODELS), gic=st.sampled_from([2, 3]))
def test_every_encoding_resolves_and_undefined_ones_say_why(encoding, is_read, model, gic):
    answer = resolve(encoding, is_read, model, gic)
    assert answer.route in ("native", "shadow", "emulated", "undefined")
    assert bool(answer.reason) == (answer.route == "undefined")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("gic", [2, 3])
def test_every_row_has_a_route(model, gic):
    for row in (*TABLE, *OPERATIONS):
        assert (route(row, model, gic) == "undefined") == (undefined_reason(row, model, gic) is not None)


@pytest.mark.parametrize(
    ("name", "model", "gic", "is_read", "expected", "reason"),
    [
        ("HCR_EL2", "a72", 2, True, "shadow", ""),
        ("CNTV_CTL_EL0", "a72", 2, False, "emulated", ""),
        ("VBAR_EL1", "max", 2, False, "native", ""),
        ("ICC_IAR1_EL1", "a72", 3, True, "emulated", ""),
        ("ICC_IAR1_EL1", "a72", 2, True, "undefined", "GICv3"),
        ("ICC_IAR1_EL1", "a72", 3, False, "undefined", "read-only"),
        ("ICH_LR3_EL2", "a72", 3, True, "emulated", ""),
        ("ICH_LR4_EL2", "a72", 3, True, "undefined", "ListRegs"),
        ("SCTLR_EL12", "max", 2, True, "emulated", ""),
        ("SCTLR_EL12", "a72", 2, True, "undefined", "VHE"),
        ("DBGBVR5_EL1", "a72", 2, True, "native", ""),
        ("DBGBVR6_EL1", "a72", 2, True, "undefined", "BRPs"),
        ("PMEVCNTR5_EL0", "a72", 2, True, "emulated", ""),
        ("PMEVCNTR6_EL0", "a72", 2, True, "undefined", "PMCR_EL0.N"),
        ("RNDR", "max", 2, True, "emulated", ""),
        ("RNDR", "a72", 2, True, "undefined", "RNG"),
        ("MPAM1_EL1", "max", 3, True, "undefined", "MPAM"),
        ("HFGRTR_EL2", "max", 3, True, "undefined", "FGT"),
        ("ZCR_EL1", "max", 3, True, "undefined", "SVE"),
        ("DLR_EL0", "max", 3, True, "undefined", "Debug state"),
        ("RVBAR_EL2", "a72", 2, True, "undefined", "EL3 is implemented"),
        ("S3_1_C15_C2_0", "a72", 2, True, "undefined", "does not model"),
        ("S3_3_C15_C7_7", "max", 2, True, "undefined", "implementation-defined"),
        ("S2_1_C0_C1_0", "max", 2, True, "undefined", "trace unit"),
        ("S3_0_C0_C7_7", "a72", 2, True, "emulated", ""),
        ("TLBI VAE1IS", "a72", 2, False, "native", ""),
        ("TLBI VAE1OS", "max", 2, False, "undefined", "TLBIOS"),
        ("TLBI RVAE1IS", "max", 2, False, "undefined", "TLBIRANGE"),
        ("DC CVAP", "max", 2, False, "native", ""),
        ("DC CVAP", "a72", 2, False, "undefined", "DPB"),
        ("AT S1E1RP", "a72", 2, False, "undefined", "PAN2"),
        ("DC ZVA", "a72", 2, True, "undefined", "SYSL"),
    ],
)
def test_chosen_routes(name, model, gic, is_read, expected, reason):
    answer = resolve(parse_name(name), is_read, model, gic)
    assert answer.route == expected
    assert reason in answer.reason


def test_resolve_refuses_a_machine_that_does_not_exist():
    with pytest.raises(ValueError, match="a53"):
        resolve(parse_name("HCR_EL2"), True, "a53", 2)


# --- what real systems executed


def lines(path: Path) -> list[str]:
    return [line.split(maxsplit=1)[1].strip() for line in path.read_text().splitlines() if line.strip()]


EVENTS_AND_CALLS = {
    # what is not a register or an operation: (word without its immediate, kinds)
    "hint": (0xD503201F, {"HINT", "WFE", "WFI", "SEV", "SEVL", "YIELD"}),
    "svc": (0xD4000001, {"SVC"}),
    "hvc": (0xD4000002, {"HVC"}),
    "smc": (0xD4000003, {"SMC"}),
}
PLAIN = {"wfe": 0xD503205F, "wfi": 0xD503207F, "sev": 0xD503209F, "sevl": 0xD50320BF, "yield": 0xD503203F}


def line_route(text: str, model: str, gic: int) -> str:
    """Return the route of one line, `instruction` for what needs no register. Raises for what nothing knows."""
    word, _, rest = text.partition(" ")
    if word in ("mrs", "msr"):
        return resolve(parse_name(rest), word == "mrs", model, gic).route
    if word in ("tlbi", "at", "dc", "ic"):
        return resolve(parse_name(text), False, model, gic).route
    if word in PLAIN:
        decoded = decode_system(PLAIN[word])
        assert decoded is not None and mnemonic(decoded) == word
        return "instruction"
    base, kinds = EVENTS_AND_CALLS[word]
    decoded = decode_system(base | int(rest.removeprefix("#"), 0) << 5)
    assert decoded is not None and decoded.kind.name in kinds
    assert decoded.imm == int(rest.removeprefix("#"), 0)
    return "instruction"


# Nothing that these systems executed is UNDEFINED on the machine they ran on.
UNDEFINED_BY_INTENT: set[str] = set()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.txt")), ids=lambda path: path.stem)
def test_every_line_of_a_real_system_resolves(path, model, capsys):
    gic = 3 if "gicv3" in path.stem else 2
    routes = {text: line_route(text, model, gic) for text in lines(path)}
    undefined = {text for text, found in routes.items() if found == "undefined"}
    with capsys.disabled():
        counts = ", ".join(f"{name} {count}" for name, count in sorted(Counter(routes.values()).items()))
        print(f"\n  {path.stem} on {model}: {counts}", end="")
    assert routes
    assert undefined == UNDEFINED_BY_INTENT


def test_all_fixtures_are_there():
    assert len(list(FIXTURES.glob("*.txt"))) == 9


# --- against GNU as

ASSEMBLER, OBJCOPY = (shutil.which(f"aarch64-linux-gnu-{tool}") for tool in ("as", "objcopy"))


@pytest.mark.skipif(not (ASSEMBLER and OBJCOPY), reason="GNU as for AArch64 is not installed")
def test_gnu_as_encodes_our_names_as_we_do(tmp_path):
    rows: list[tuple[str, int]] = []
    for row in TABLE:
        if not row.name.startswith("S3_") and row.group != "impdef":
            is_read = row.access != "WO"
            text = f"mrs x0, {row.name}" if is_read else f"msr {row.name}, x0"
            rows.append((text, 0xD5000000 | is_read << 21 | _bits(row.encoding)))
    for operation in OPERATIONS:
        operand, rt = (", x0", 0) if operation.takes_register else ("", 31)
        rows.append((operation.name + operand, 0xD5000000 | _bits(operation.encoding) | rt))
    words, unknown = _assemble([text for text, _ in rows], tmp_path)
    known = [row for number, row in enumerate(rows) if number not in unknown]
    assert len(known) > 600
    wrong = [text for (text, ours), theirs in zip(known, words, strict=True) if ours != theirs]
    assert wrong == []


def _bits(encoding: Encoding) -> int:
    op0, op1, crn, crm, op2 = encoding
    return op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


def _assemble(source: list[str], folder: Path) -> tuple[list[int], set[int]]:
    """Assemble lines with all extensions; return the words, and the lines that this `as` does not know."""
    unknown: set[int] = set()
    for _ in range(8):
        kept = [number for number in range(len(source)) if number not in unknown]
        (folder / "t.s").write_text("\n".join(source[number] for number in kept) + "\n")
        command = [str(ASSEMBLER), "-march=armv8.8-a+sve2+memtag+profile+rng+predres+sme", "t.s", "-o", "t.o"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        errors = {kept[int(line) - 1] for line in re.findall(r"t\.s:(\d+): Error", result.stderr)}
        if not errors:
            assert result.returncode == 0, result.stderr
            break
        unknown |= errors
    subprocess.run([str(OBJCOPY), "-O", "binary", "-j", ".text", "t.o", "t.bin"], cwd=folder, check=True)
    data = (folder / "t.bin").read_bytes()
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)], unknown


# --- against the core

PSTATE = {0: 0x3C0, 1: 0x3C5, 2: 0x3C9, 3: 0x3CD}
SCR_EL3, HCR_EL2, CPTR_EL3 = Encoding(3, 6, 1, 1, 0), Encoding(3, 4, 1, 1, 0), Encoding(3, 6, 1, 1, 2)
CODE, MARK = 0x1000, 0x0123_4567


class Core:
    """A bare core at one exception level, to execute single words."""

    def __init__(self, model: str, el: int) -> None:
        self.uc: Any = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        names = {"a72": arm64_const.UC_CPU_ARM64_A72, "max": arm64_const.UC_CPU_ARM64_MAX}
        self.uc.ctl_set_cpu_model(names[model])
        self.uc.mem_map(0, 0x10000)
        self.interrupts: list[int] = []
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupt)
        is_max = model == "max"
        self.write_raw(HCR_EL2, 1 << 31 | (3 << 40 if is_max else 0))
        self.write_raw(SCR_EL3, 0x30531 if is_max else 0x531)
        self.uc.reg_write(arm64_const.UC_ARM64_REG_PSTATE, PSTATE[el])
        self.write_raw(SCR_EL3, 0x30531 if is_max else 0x531)

    def _interrupt(self, uc: Any, number: int, data: object) -> None:
        self.interrupts.append(number)
        uc.emu_stop()

    def write_raw(self, encoding: Encoding, value: int) -> None:
        op0, op1, crn, crm, op2 = encoding
        self.uc.reg_write(arm64_const.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))

    def execute(self, word: int, x0: int = MARK) -> int | None:
        """Execute one word; return X0, or None when the core took an exception."""
        self.uc.mem_write(CODE, word.to_bytes(4, "little"))
        self.uc.reg_write(arm64_const.UC_ARM64_REG_X0, x0)
        self.uc.emu_start(CODE, 0xFFF0, count=1)
        return None if self.interrupts else int(self.uc.reg_read(arm64_const.UC_ARM64_REG_X0))


def mrs(encoding: Encoding) -> int:
    return 0xD5200000 | _bits(encoding)


@pytest.mark.parametrize("model", MODELS)
def test_the_core_has_each_native_register_at_its_level_and_not_below(model):
    lacking, below = [], []
    for row in TABLE:
        if route(row, model) in ("native", "shadow") and row.access != "WO":
            if Core(model, max(row.min_el, 1)).execute(mrs(row.encoding)) is None:
                lacking.append(row.name)
            if row.min_el and Core(model, row.min_el - 1).execute(mrs(row.encoding)) is not None:
                below.append(row.name)
    assert (lacking, below) == ([], [])


@pytest.mark.parametrize("model", MODELS)
def test_native_registers_have_the_reset_value_that_the_table_says(model):
    wrong = {}
    for row in TABLE:
        if route(row, model) == "native" and row.access != "WO" and row.group not in ("cache", "id"):
            el = max(row.min_el, 1)
            expected = el << 2 if row.name == "CurrentEL" else reset_value(row, model)
            found = Core(model, el).execute(mrs(row.encoding))
            if found != expected:
                wrong[row.name] = found
    assert wrong == {}


@pytest.mark.parametrize("model", MODELS)
def test_the_core_answers_for_unclaimed_registers_only_where_we_know_it(model):
    """What the core has and we do not claim must be made UNDEFINED by hand: `core_extras` is exactly that list."""
    found = set()
    for row in TABLE:
        if route(row, model) == "undefined" and row.access != "WO":
            core = Core(model, max(row.min_el, 1))
            if core.execute(mrs(row.encoding)) is not None:
                found.add(row.encoding)
    assert found == core_extras(model)


@pytest.mark.parametrize("model", MODELS)
def test_the_core_executes_exactly_the_operations_that_we_claim(model):
    wrong = []
    for row in OPERATIONS:
        word = 0xD5000000 | _bits(row.encoding) | (0 if row.takes_register else 31)
        executed = Core(model, max(row.min_el, 1)).execute(word, 0x2000) is not None
        if executed != (route(row, model) == "native"):
            wrong.append(row.name)
        if row.min_el and Core(model, row.min_el - 1).execute(word, 0x2000) is not None:
            wrong.append(f"{row.name} below EL{row.min_el}")
    assert wrong == []


@pytest.mark.parametrize(("name", "el", "bit"), [("HCR_EL2", 2, 29), ("HCR_EL2", 2, 38), ("SCR_EL3", 3, 40)])
def test_shadow_registers_lose_bits_in_the_core(name, el, bit):
    core, encoding = Core("a72", el), parse_name(name)
    assert core.execute(mrs(encoding) & ~(1 << 21), 1 << bit) is not None
    read = core.execute(mrs(encoding))
    assert read is not None and not read >> bit & 1
