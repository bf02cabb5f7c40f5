"""The ID policy: exact values, no claim without the core or us behind it, and only fields that exist."""

from __future__ import annotations

from typing import Any

import pytest
import unicorn
from unicorn import arm64_const

from arm_hyp.arch.id_policy import (
    FIELDS,
    MODELS,
    NAMES,
    NEVER,
    RULES,
    features,
    has_feature,
    id_value,
    missing_reason,
    mpidr,
)
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.arch.sysregs import OPERATIONS, TABLE, Encoding, by_name, parse_name, reset_value

MACHINES = [(model, gic) for model in MODELS for gic in (2, 3)]

VALUES = [
    # name, a72, max (GICv2)
    ("MIDR_EL1", 0x410FD083, 0x000F0510),
    ("MPIDR_EL1", 0x80000000, 0x80000000),
    ("ID_AA64PFR0_EL1", 0x1111, 0x111111),
    ("ID_AA64PFR1_EL1", 0, 1),
    ("ID_AA64DFR0_EL1", 0x10305106, 0x10305406),
    ("ID_AA64ISAR0_EL1", 0x11120, 0x1021111110212120),
    ("ID_AA64ISAR1_EL1", 0, 0x11101211012),
    ("ID_AA64ISAR2_EL1", 0, 0),
    ("ID_AA64MMFR0_EL1", 0x1124, 0x101124),
    ("ID_AA64MMFR1_EL1", 0, 0x211120),
    ("ID_AA64MMFR2_EL1", 0, 0x11),
    ("ID_AA64ZFR0_EL1", 0, 0),
    ("ID_PFR0_EL1", 0, 0),
    ("MVFR1_EL1", 0, 0),
    ("S3_0_C0_C7_7", 0, 0),
    ("CTR_EL0", 0x8444C004, 0x8444C004),
    ("PMCR_EL0", 0x41023040, 0x3040),
]


@pytest.mark.parametrize(("name", "a72", "maximum"), VALUES, ids=lambda value: str(value))
def test_values(name, a72, maximum):
    assert (id_value(name, "a72", 2), id_value(name, "max", 2)) == (a72, maximum)


@pytest.mark.parametrize("model", MODELS)
def test_gicv3_adds_one_field_and_ich_vtr(model):
    assert id_value("ID_AA64PFR0_EL1", model, 3) ^ id_value("ID_AA64PFR0_EL1", model, 2) == 1 << 24
    assert id_value("ICH_VTR_EL2", model, 3) & 0x1F == 3
    with pytest.raises(KeyError, match="ICH_VTR_EL2"):
        id_value("ICH_VTR_EL2", model, 2)
    for name in NAMES - {"ID_AA64PFR0_EL1", "ICH_VTR_EL2"}:
        assert id_value(name, model, 2) == id_value(name, model, 3)


@pytest.mark.parametrize(("model", "gic"), MACHINES)
def test_the_machine_is_aarch64_only_with_all_four_levels(model, gic):
    value = id_value("ID_AA64PFR0_EL1", model, gic)
    assert value & 0xFFFF == 0x1111
    assert not has_feature("AArch32AtEL1", model, gic)


@pytest.mark.parametrize(("model", "gic"), MACHINES)
def test_every_id_register_of_the_table_has_a_policy(model, gic):
    for row in TABLE:
        if row.group == "id":
            assert 0 <= id_value(row.name, model, gic) < 1 << 64
            assert reset_value(row, model, gic) == id_value(row.name, model, gic)


def test_every_policy_name_is_a_register():
    for name in NAMES:
        assert by_name(name).name == name


def test_what_is_not_an_id_register_is_refused():
    for name in ("SCTLR_EL1", "S3_0_C1_C0_0", "S3_0_C0_C0_1", "S3_0_C0_C7_8"):
        with pytest.raises(KeyError, match=name):
            id_value(name, "a72", 2)
    for model, gic in (("a53", 2), ("a72", 4)):
        with pytest.raises(ValueError, match=r"no CPU model|no GIC version"):
            id_value("MIDR_EL1", model, gic)


def test_fields_do_not_overlap_and_fit():
    used: set[tuple[str, int]] = set()
    for (register, name), field in FIELDS.items():
        assert (field.register, field.name) == (register, name)
        assert field.lsb % 4 == 0 and 0 <= field.lsb <= 60
        assert all(0 <= claim <= 15 for claim in field.claims)
        assert (register, field.lsb) not in used
        used.add((register, field.lsb))


def test_mpidr_counts_cpus_in_clusters_of_16():
    assert [mpidr(cpu) & 0xFFFF for cpu in (0, 1, 15, 16, 17)] == [0, 1, 15, 0x100, 0x101]
    assert len({mpidr(cpu) for cpu in range(4096)}) == 4096
    with pytest.raises(ValueError, match="no CPU"):
        mpidr(4096)


def test_features_follow_from_the_values():
    assert {name for name in features("a72", 2) if "-" not in name} == {"PMUv3"}
    assert {name for name in features("a72", 3) if "-" not in name} == {"PMUv3", "GICv3"}
    assert {"VHE", "LSE", "PAuth", "VMID16", "PAN", "UAO", "BTI", "RNG", "LOR"} <= features("max", 2)
    absent = {"SVE", "MTE", "RAS", "MPAM", "AMU", "FGT", "NV", "NV2", "HAFDBS", "FWB", "ECV", "SEL2", "SSBS"}
    assert not absent & features("max", 3)


@pytest.mark.parametrize("gic", [2, 3])
def test_max_fgt_is_max_with_five_more_features(gic):
    assert features("max-fgt", gic) == features("max", gic) | {"FGT", "HCX", "TCR2", "SCTLR2", "XS"}
    names = [row.name for row in TABLE if row.group == "id"]
    more = {name: id_value(name, "max-fgt", gic) ^ id_value(name, "max", gic) for name in names}
    changed = {name: value for name, value in more.items() if value}
    assert changed == {
        "ID_AA64MMFR0_EL1": 1 << 56,
        "ID_AA64MMFR1_EL1": 1 << 40,
        "ID_AA64MMFR3_EL1": 0x11,
        "ID_AA64ISAR1_EL1": 1 << 56,
    }


OF_TCR2_AND_SCTLR2 = """
ID_AA64MMFR3_EL1 S1PIE S1POE AIE MEC D128 ANERR ADERR
ID_AA64PFR1_EL1  THE DF2
ID_AA64ISAR2_EL1 SYSREG_128
"""


@pytest.mark.parametrize("model", MODELS)
def test_no_model_claims_what_a_field_of_tcr2_or_sctlr2_belongs_to(model):
    """So all their bits are RES0. Ref: Arm ARM, TCR2_EL1, TCR2_EL2, SCTLR2_EL1, SCTLR2_EL2."""
    for register, *fields in map(str.split, OF_TCR2_AND_SCTLR2.strip().splitlines()):
        value = REGISTERS[register](id_value(register, model, 3))
        assert [getattr(value, field) for field in fields] == [0] * len(fields)
    assert REGISTERS["ID_AA64MMFR1_EL1"](id_value("ID_AA64MMFR1_EL1", model, 3)).HAFDBS < 3  # FEAT_HAFT
    assert id_value("ID_AA64MMFR4_EL1", model, 3) == 0  # FEAT_ASID2
    assert id_value("ID_AA64ISAR3_EL1", model, 3) == 0  # FEAT_CPA2, FEAT_PAuth_LR
    assert {by_name(f"{name}_EL{el}").keeps for name in ("TCR2", "SCTLR2") for el in (1, 2)} == {0}


@pytest.mark.parametrize(("model", "gic"), MACHINES)
def test_later_features_need_their_forerunners(model, gic):
    pairs = [("PAN2", "PAN"), ("DPB2", "DPB"), ("NV2", "NV"), ("PMUv3p4", "PMUv3p1"), ("PMUv3p1", "PMUv3")]
    pairs += [("FlagM2", "FlagM"), ("MTE2", "MTE"), ("TLBIRANGE", "TLBIOS"), ("SSBS2", "SSBS"), ("ECV2", "ECV")]
    for later, earlier in pairs:
        assert not has_feature(later, model, gic) or has_feature(earlier, model, gic)


def test_reasons_name_the_field():
    assert missing_reason("", "a72", 2) is None
    assert missing_reason("VHE", "max", 2) is None
    assert "ID_AA64MMFR1_EL1.VH" in str(missing_reason("VHE", "a72", 2))
    assert "ID_AA64DFR0_EL1.PMSVer" in str(missing_reason("VHE+SPE", "max", 2))
    assert "list-register-4" in str(missing_reason("list-register-4", "a72", 3))
    with pytest.raises(KeyError):
        missing_reason("NoSuchFeature", "a72", 2)


def test_every_feature_that_a_row_asks_for_is_known():
    known = RULES.keys() | NEVER.keys()
    for row in (*TABLE, *OPERATIONS):
        assert set(filter(None, row.feature.split("+"))) <= known


# --- against the core

HCR_EL2, SCR_EL3, TCR_EL2 = Encoding(3, 4, 1, 1, 0), Encoding(3, 6, 1, 1, 0), Encoding(3, 4, 2, 0, 2)
CODE = 0x1000


def core_at_el2(model: str) -> Any:
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
    uc.ctl_set_cpu_model(arm64_const.UC_CPU_ARM64_A72 if model == "a72" else arm64_const.UC_CPU_ARM64_MAX)
    uc.ctl_set_tlb_mode(unicorn.UC_TLB_CPU)
    uc.mem_map(0, 0x20000)
    write_raw(uc, SCR_EL3, 0x531)
    uc.reg_write(arm64_const.UC_ARM64_REG_PSTATE, 0x3C9)
    write_raw(uc, SCR_EL3, 0x531)
    return uc


def write_raw(uc: Any, encoding: Encoding, value: int) -> None:
    op0, op1, crn, crm, op2 = encoding
    uc.reg_write(arm64_const.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))


def execute(uc: Any, word: int, x0: int = 0) -> int:
    uc.mem_write(CODE, word.to_bytes(4, "little"))
    uc.ctl_remove_cache(CODE, CODE + 4)
    uc.reg_write(arm64_const.UC_ARM64_REG_X0, x0)
    uc.emu_start(CODE, 0x1FFF0, count=1)
    return int(uc.reg_read(arm64_const.UC_ARM64_REG_X0))


def word_for(base: int, encoding: Encoding) -> int:
    op0, op1, crn, crm, op2 = encoding
    return base | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


MORE_THAN_THE_CORE = {
    # (register, field): why we claim more than the core's constant, or otherwise
    ("ID_AA64PFR0_EL1", "GIC"): "our own GICv3",
    ("ID_AA64MMFR0_EL1", "TGran16"): "the walker does 16K, see the test below",
    ("ID_AA64MMFR0_EL1", "FGT"): "max-fgt: our rules decide all that it can trap",
    ("ID_AA64MMFR1_EL1", "HCX"): "max-fgt: likewise",
    ("ID_AA64MMFR3_EL1", "TCRX"): "max-fgt: registers of ours, without a field",
    ("ID_AA64MMFR3_EL1", "SCTLRX"): "max-fgt: likewise",
    ("ID_AA64ISAR1_EL1", "XS"): "max-fgt: operations of ours, which do what those without nXS do",
}


@pytest.mark.parametrize("model", MODELS)
def test_no_field_claims_more_than_the_core_but_for_the_listed_ones(model):
    uc = core_at_el2(model)
    above = set()
    for (register, name), field in FIELDS.items():
        core = execute(uc, word_for(0xD5200000, parse_name(register))) >> field.lsb & 15
        if field.value(model, 3) > core:
            above.add((register, name))
    assert above <= MORE_THAN_THE_CORE.keys()
    assert ("ID_AA64PFR0_EL1", "GIC") in above


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["MIDR_EL1", "MPIDR_EL1", "REVIDR_EL1", "CTR_EL0", "DCZID_EL0", "CLIDR_EL1"])
def test_whole_values_are_the_cores(model, name):
    found = execute(core_at_el2(model), word_for(0xD5200000, parse_name(name)))
    assert found == id_value(name, model, 2)


def test_the_walker_does_the_16k_granule_that_max_claims():
    """T0SZ = 28 (36-bit VA) starts at level 2 with 16K: entry 1 is a block of 32 MiB."""
    uc = core_at_el2("max")
    block = 0x0400_0000 | 1 << 10 | 0x701
    # Entry 0 maps the code onto itself.
    uc.mem_write(0x8000, (0x701).to_bytes(8, "little") + block.to_bytes(8, "little"))
    write_raw(uc, Encoding(3, 4, 2, 0, 0), 0x8000)
    write_raw(uc, TCR_EL2, 28 | 2 << 14 | 4 << 16)
    write_raw(uc, Encoding(3, 4, 10, 2, 0), 0xFF)
    write_raw(uc, Encoding(3, 4, 1, 0, 0), 0x30C50831)
    write_raw(uc, HCR_EL2, 1 << 31)
    execute(uc, word_for(0xD5000000, parse_name("AT S1E2R")), 0x0212_3456)
    par = execute(uc, word_for(0xD5200000, parse_name("PAR_EL1")))
    assert par & 1 == 0
    assert par & 0x0000_FFFF_FFFF_F000 == 0x0412_3000
