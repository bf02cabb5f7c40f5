"""The trap decision where rules meet: priorities, hosts, rerouting, and instructions that neither wait nor trap.

`test_trap_bits.py` has single bits, `test_trap_rules.py` every rule of the table.
"""

from __future__ import annotations

import pytest
from traps_support import (
    ALL_FEATURES,
    E2H,
    MODES,
    TGE,
    bits,
    expected_esr,
    instruction,
    open_controls,
    request,
    sysreg_esr,
)

from arm_hyp.arch import id_policy, sysregs, traps
from arm_hyp.arch.traps import (
    Context,
    Controls,
    DataAccess,
    FpAccess,
    InstructionFetch,
    Outcome,
    StackAccess,
    decide,
    rules_about,
)


def verdict_of(text: str, el: int, mode: str = "guest", **changes: int) -> traps.Verdict:
    """Decide with OPEN controls, in which `changes` are flipped bit masks."""
    controls = open_controls(MODES[mode])
    controls = controls._replace(**{name: getattr(controls, name) ^ mask for name, mask in changes.items()})
    return decide(request(text), Context(el, controls, features=ALL_FEATURES))


def rule_id(verdict: traps.Verdict) -> str | None:
    return verdict.rule.id if verdict.rule else None


def test_el1_decides_before_el2() -> None:
    both = verdict_of("mrs CTR_EL0", 0, sctlr_el1=bits(15), hcr_el2=bits(17))
    assert (both.target_el, rule_id(both)) == (1, "SCTLR_EL1.UCT")
    assert verdict_of("wfi", 0, sctlr_el1=bits(16), hcr_el2=bits(13)).target_el == 1
    assert verdict_of("fp", 1, cpacr_el1=bits(20), cptr_el2=bits(10)).target_el == 1
    assert verdict_of("mrs PMCR_EL0", 0, pmuserenr_el0=1, mdcr_el2=bits(6)).target_el == 1


def test_el2_decides_before_el3() -> None:
    assert verdict_of("wfi", 1, hcr_el2=bits(13), scr_el3=bits(12)).target_el == 2
    assert verdict_of("mrs APIAKeyLo_EL1", 1, hcr_el2=bits(40), scr_el3=bits(16)).target_el == 2


def test_a_host_ignores_el1s_controls_and_most_of_hcr() -> None:
    for text in ("wfi", "wfe", "mrs CTR_EL0", "dc zva", "ic ivau", "fp", "sve", "mrs CNTVCT_EL0", "mrs CNTFRQ_EL0"):
        closed = verdict_of(text, 0, "host", sctlr_el1=(1 << 64) - 1, cpacr_el1=bits(16, 17, 20, 21), cntkctl_el1=0x303)
        assert closed.outcome is Outcome.EXECUTE, text
        hcr = bits(13, 14, 17, 18, 23, 24, 28)
        assert verdict_of(text, 0, "host", hcr_el2=hcr).outcome is Outcome.EXECUTE, text


def test_e2h_alone_leaves_el0_with_el1() -> None:
    assert verdict_of("mrs CTR_EL0", 0, "vhe", sctlr_el1=bits(15)).target_el == 1
    assert verdict_of("mrs CTR_EL0", 0, "vhe", sctlr_el2=bits(15)).outcome is Outcome.EXECUTE
    assert verdict_of("fp", 0, "vhe", cptr_el2=bits(21)).outcome is Outcome.EXECUTE


def test_the_layout_of_cptr_follows_e2h() -> None:
    tfp = bits(10)
    assert verdict_of("fp", 1, "vhe", cptr_el2=tfp).outcome is Outcome.EXECUTE
    assert verdict_of("fp", 1, "guest", cptr_el2=bits(20, 21)).outcome is Outcome.EXECUTE


def test_without_vhe_e2h_counts_as_zero() -> None:
    context = Context(1, open_controls()._replace(hcr_el2=E2H, cptr_el2=bits(10)), features=frozenset())
    assert rule_id(decide(FpAccess(), context)) == "CPTR_EL2.TFP"


def test_sve_asks_zen_before_fpen() -> None:
    assert verdict_of("sve", 1, cpacr_el1=bits(16, 20)).esr == 0x19 << 26 | 1 << 25
    assert verdict_of("sve", 1, cptr_el2=bits(8, 10)).esr == 0x19 << 26 | 1 << 25
    assert verdict_of("sve", 1, cptr_el2=bits(10)).esr == expected_esr("fp", 0x07)


def test_daif_is_never_el0s_under_a_host() -> None:
    for text in ("mrs DAIF", "msr DAIF", "daifset", "daifclr"):
        verdict = verdict_of(text, 0, "host")
        assert (verdict.outcome, verdict.target_el, verdict.esr) == (Outcome.TRAP, 2, sysreg_esr(text))


def test_daifset_syndrome_is_that_of_its_encoding() -> None:
    # MSR DAIFSet, #2: Op0 0, Op1 3, CRn 4, CRm 2, Op2 6, Rt 31, a write.
    iss = 0 << 20 | 6 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1
    assert verdict_of("daifset", 0, sctlr_el1=bits(9)).esr == 0x18 << 26 | 1 << 25 | iss


@pytest.mark.parametrize(("text", "flag"), [("wfe", "event_register"), ("wfi", "interrupt_pending")])
@pytest.mark.parametrize("el", [0, 1])
def test_nothing_to_wait_for_means_no_trap(text: str, flag: str, el: int) -> None:
    """Arm ARM D1.6: TWE and TWI trap only what would otherwise wait."""
    controls = Controls(hcr_el2=bits(13, 14))
    verdict = decide(instruction(text), Context(el, controls, **{flag: True}))
    assert (verdict.outcome, verdict.target_el, verdict.esr) == (Outcome.NOP, None, None)
    other = "interrupt_pending" if flag == "event_register" else "event_register"
    assert decide(instruction(text), Context(el, controls, **{other: True})).outcome is Outcome.TRAP


def test_wfit_after_its_timeout_does_not_trap() -> None:
    controls = Controls(hcr_el2=bits(13, 14))
    context = Context(1, controls, features=ALL_FEATURES, timeout_expired=True)
    assert decide(instruction("wfit"), context).outcome is Outcome.NOP
    assert decide(instruction("wfi"), context).outcome is Outcome.TRAP


@pytest.mark.parametrize("text", ["wfi", "sev", "mrs SCTLR_EL2", "smc", "fp", "nop", "ldr +2", "msr VBAR_EL1"])
@pytest.mark.parametrize("el", [0, 1, 2])
@pytest.mark.parametrize("tge", [0, TGE])
def test_illegal_state_comes_first(text: str, el: int, tge: int) -> None:
    """Arm ARM D1.3.4: whatever the instruction, EC 0x0E; from EL0 to EL2 while TGE is 1."""
    verdict = decide(request(text), Context(el, Controls(hcr_el2=tge), pstate=1 << 20))
    target = 2 if el == 2 or (el == 0 and tge) else 1
    assert (verdict.outcome, verdict.target_el, verdict.esr) == (Outcome.TRAP, target, 0x0E << 26 | 1 << 25)


def test_pc_alignment_comes_before_illegal_state() -> None:
    context = Context(1, pstate=1 << 20)
    assert decide(InstructionFetch(0x1002), context).esr == 0x22 << 26 | 1 << 25
    assert decide(InstructionFetch(0x1004), context).outcome is Outcome.EXECUTE
    assert decide(InstructionFetch(0x1001), Context(0, Controls(hcr_el2=TGE))).target_el == 2


@pytest.mark.parametrize(
    ("text", "el"),
    [
        ("mrs SCTLR_EL1", 0),
        ("mrs ID_AA64PFR0_EL1", 0),
        ("mrs HCR_EL2", 1),
        ("msr SCR_EL3", 2),
        ("tlbi alle1", 1),
        ("at s12e1r", 1),
        ("tlbi vmalle1", 0),
        ("dc ivac", 0),
        ("msr TPIDRRO_EL0", 0),
        ("msr PMUSERENR_EL0", 0),
        ("msr CNTFRQ_EL0", 2),
        ("msr CTR_EL0", 1),
        ("mrs ICC_EOIR1_EL1", 1),
        ("mrs S3_0_C13_C5_5", 2),
        ("spsel", 0),
        ("pan", 0),
        ("hvc", 0),
        ("smc", 0),
        ("eret", 0),
        ("drps", 2),
        ("dcps1", 1),
        ("hlt", 1),
    ],
)
def test_undefined(text: str, el: int) -> None:
    """UNDEFINED goes to EL1, from EL2 to EL2, and has EC 0 with IL = 1. Ref: AArch64.Undefined."""
    verdict = verdict_of(text, el)
    assert (verdict.outcome, verdict.target_el, verdict.esr) == (Outcome.UNDEFINED, max(el, 1), 1 << 25)
    if el == 0:
        assert verdict_of(text, 0, "tge").target_el == 2


def test_el_too_low_comes_before_el2s_traps() -> None:
    assert verdict_of("mrs ID_AA64PFR0_EL1", 0, hcr_el2=bits(18)).outcome is Outcome.UNDEFINED
    assert verdict_of("tlbi vmalle1", 0, hcr_el2=bits(25)).outcome is Outcome.UNDEFINED
    assert verdict_of("mrs S3_1_C15_C2_0", 0, hcr_el2=bits(20)).outcome is Outcome.UNDEFINED


def test_absent_features_come_before_traps() -> None:
    """Without FEAT_PAuth the key registers do not exist, so APK = 0 traps nothing."""
    context = Context(1, Controls(), features=frozenset())
    assert rule_id(decide(instruction("mrs APIAKeyLo_EL1"), context)) == "UNDEFINED.unallocated"
    assert rule_id(decide(instruction("mrs LORC_EL1"), context)) == "UNDEFINED.unallocated"
    assert rule_id(decide(instruction("wfit"), context)) == "UNDEFINED.WFxT"


def test_nested_virtualization_traps_what_is_undefined() -> None:
    for text in ("mrs HCR_EL2", "tlbi alle1", "mrs SCTLR_EL12", "mrs SP_EL1"):
        verdict = verdict_of(text, 1, hcr_el2=bits(42))
        assert (verdict.outcome, verdict.target_el, verdict.esr) == (Outcome.TRAP, 2, sysreg_esr(text)), text
    assert verdict_of("mrs VBAR_EL1", 1, hcr_el2=bits(42)).outcome is Outcome.EXECUTE
    assert rule_id(verdict_of("mrs VBAR_EL1", 1, hcr_el2=bits(42, 43))) == "HCR_EL2.NV1"
    assert verdict_of("mrs SCR_EL3", 1, hcr_el2=bits(42)).outcome is Outcome.UNDEFINED


def test_el12_names_need_e2h() -> None:
    for text in ("mrs SCTLR_EL12", "msr CNTV_CTL_EL02"):
        assert verdict_of(text, 2).outcome is Outcome.UNDEFINED
        assert verdict_of(text, 2, "vhe").outcome is Outcome.EXECUTE
        assert verdict_of(text, 1, "vhe").outcome is Outcome.UNDEFINED


@pytest.mark.parametrize(("mode", "outcome"), [(0b0101, Outcome.EXECUTE), (0b0100, Outcome.UNDEFINED)])
def test_sp_el0_is_undefined_while_it_is_the_stack_pointer(mode: int, outcome: Outcome) -> None:
    assert decide(instruction("mrs SP_EL0"), Context(1, open_controls(), pstate=mode)).outcome is outcome


def test_smc_trap_comes_before_smd() -> None:
    """Arm ARM, AArch64.CheckForSMCUndefOrTrap: at EL1 HCR_EL2.TSC wins over SCR_EL3.SMD."""
    both = verdict_of("smc", 1, hcr_el2=bits(19), scr_el3=bits(7))
    assert (both.target_el, both.esr) == (2, 0x17 << 26 | 1 << 25 | 1)
    assert verdict_of("smc", 1, scr_el3=bits(7)).outcome is Outcome.UNDEFINED
    assert verdict_of("smc", 2, hcr_el2=bits(19)).outcome is Outcome.EXECUTE
    assert verdict_of("smc", 2, scr_el3=bits(7)).target_el == 2
    assert verdict_of("smc", 0, hcr_el2=bits(19)).outcome is Outcome.UNDEFINED


def test_hvc_is_disabled_by_hce_or_without_el3_by_hcd() -> None:
    assert verdict_of("hvc", 1).outcome is Outcome.EXECUTE
    assert verdict_of("hvc", 1, hcr_el2=bits(29)).outcome is Outcome.EXECUTE
    assert verdict_of("hvc", 1, scr_el3=bits(8)).outcome is Outcome.UNDEFINED
    without = Context(1, Controls(hcr_el2=bits(29), scr_el3=0), features=frozenset({"NoEL3"}))
    assert rule_id(decide(instruction("hvc"), without)) == "HCR_EL2.HCD"
    enabled = Context(1, Controls(scr_el3=0), features=frozenset({"NoEL3"}))
    assert decide(instruction("hvc"), enabled).outcome is Outcome.EXECUTE
    assert decide(instruction("smc"), enabled).outcome is Outcome.UNDEFINED


def test_pauth_keys_that_are_not_enabled_do_not_trap() -> None:
    closed = bits(41)
    assert verdict_of("pacia", 1, sctlr_el1=bits(31), hcr_el2=closed).outcome is Outcome.NOP
    assert verdict_of("pacib", 1, sctlr_el1=bits(31), hcr_el2=closed).outcome is Outcome.TRAP
    assert verdict_of("pacia", 0, "host", sctlr_el2=bits(31)).outcome is Outcome.NOP
    assert verdict_of("pacga", 0, "host", hcr_el2=closed).outcome is Outcome.EXECUTE


def test_pmu_read_enables() -> None:
    """PMUSERENR_EL0: CR lets EL0 read the cycle counter, ER the event counters, SW write PMSWINC_EL0; EN all."""
    for enable, reads in ((bits(2), "PMCCNTR_EL0"), (bits(3), "PMEVCNTR0_EL0"), (bits(3), "PMXEVCNTR_EL0")):
        assert verdict_of(f"mrs {reads}", 0, pmuserenr_el0=1 | enable).outcome is Outcome.EXECUTE
        assert verdict_of(f"msr {reads}", 0, pmuserenr_el0=1 | enable).target_el == 1
    assert verdict_of("msr PMSWINC_EL0", 0, pmuserenr_el0=1 | bits(1)).outcome is Outcome.EXECUTE
    assert verdict_of("msr PMSELR_EL0", 0, pmuserenr_el0=1 | bits(3)).outcome is Outcome.EXECUTE
    assert verdict_of("mrs PMUSERENR_EL0", 0, pmuserenr_el0=1).outcome is Outcome.EXECUTE


def test_cntfrq_needs_one_of_two_enables() -> None:
    assert verdict_of("mrs CNTFRQ_EL0", 0, cntkctl_el1=bits(0)).outcome is Outcome.EXECUTE
    assert verdict_of("mrs CNTFRQ_EL0", 0, cntkctl_el1=bits(0, 1)).target_el == 1
    assert verdict_of("mrs CNTFRQ_EL0", 0, "host", cnthctl_el2=bits(0, 1)).target_el == 2


def test_tge_guards_the_debug_channel() -> None:
    verdict = verdict_of("mrs DBGDTRRX_EL0", 0, "tge")
    assert (verdict.outcome, verdict.target_el, verdict.is_rerouted) == (Outcome.TRAP, 2, False)


def test_ordered_and_device_accesses_must_be_aligned() -> None:
    plain = Context(1, open_controls())
    for text in ("ldxr +2", "ldr device+2"):
        assert decide(request(text), plain).esr == 0x25 << 26 | 1 << 25 | 0x21
    assert decide(request("ldr +2"), plain).outcome is Outcome.EXECUTE
    lse2 = Context(1, open_controls(), features=frozenset({"LSE2"}))
    assert decide(request("ldxr +2"), lse2).outcome is Outcome.EXECUTE
    closed = Context(1, open_controls()._replace(sctlr_el1=bits(1)))
    assert decide(DataAccess(0x1004, 4), closed).outcome is Outcome.EXECUTE
    assert decide(StackAccess(0x1010), Context(1, Controls(sctlr_el1=bits(3)))).outcome is Outcome.EXECUTE


@pytest.mark.parametrize("text", ["svc", "brk", "sev"])
def test_some_instructions_have_no_rule(text: str) -> None:
    full = Controls(*((1 << 64) - 1 for _ in Controls._fields))
    assert decide(instruction(text), Context(1, full, features=ALL_FEATURES)).outcome is Outcome.EXECUTE


def test_rerouting_is_told() -> None:
    verdict = verdict_of("fp", 0, "tge", cpacr_el1=bits(20))
    assert verdict.is_rerouted
    assert ("HCR_EL2", "TGE", 1) in verdict.considered[-1].bits
    assert ("CPACR_EL1", "FPEN", 2) in verdict.considered[-1].bits
    assert not verdict_of("fp", 0, cpacr_el1=bits(20)).is_rerouted


def test_rules_about_ignores_level_and_direction_of_no_interest() -> None:
    ids = {rule.id for rule in rules_about(instruction("msr SCTLR_EL1"))}
    assert "HCR_EL2.TVM" in ids
    assert "HCR_EL2.TRVM" not in ids


@pytest.mark.parametrize("model", id_policy.MODELS)
def test_the_models_features_are_enough(model: str) -> None:
    context = Context(1, open_controls(), features=id_policy.features(model, 3))
    for text in ("mrs DBGBVR5_EL1", "mrs PMEVCNTR5_EL0", "mrs ICC_AP1R0_EL1", "mrs MIDR_EL1", "hvc", "smc"):
        assert decide(instruction(text), context).outcome is Outcome.EXECUTE, text
    assert decide(instruction("mrs CPUECTLR_EL1"), context).outcome is Outcome.UNDEFINED


# the last register of each kind and the first that is not there, with the trap bits of the kind all set
NUMBERED = [
    ("mrs DBGBVR5_EL1", "mrs DBGBVR6_EL1", 1),
    ("msr DBGBCR5_EL1", "msr DBGBCR6_EL1", 1),
    ("mrs DBGWVR3_EL1", "mrs DBGWVR4_EL1", 1),
    ("msr DBGWCR3_EL1", "msr DBGWCR15_EL1", 1),
    ("mrs PMEVCNTR5_EL0", "mrs PMEVCNTR6_EL0", 0),
    ("msr PMEVTYPER5_EL0", "msr PMEVTYPER30_EL0", 1),
    ("mrs ICC_AP0R0_EL1", "mrs ICC_AP0R1_EL1", 1),
    ("msr ICC_AP1R0_EL1", "msr ICC_AP1R3_EL1", 1),
    ("mrs ICH_LR3_EL2", "mrs ICH_LR4_EL2", 2),
    ("mrs ICH_AP0R0_EL2", "mrs ICH_AP0R1_EL2", 2),
]


@pytest.mark.parametrize(("there", "absent", "el"), NUMBERED)
@pytest.mark.parametrize("model", id_policy.MODELS)
def test_a_numbered_register_that_is_not_there_is_undefined_before_any_trap(
    there: str, absent: str, el: int, model: str
) -> None:
    """Arm ARM, DBGBCR<n>_EL1: not implemented, then UNDEFINED. Where it leaves a choice (PMEVCNTR<n>_EL0), as QEMU."""
    closed = Controls(mdcr_el2=bits(6, 8), ich_hcr_el2=bits(11, 12), icc_sre_el1=1)
    context = Context(el, closed, features=id_policy.features(model, 3))
    assert decide(request(there), context).outcome is Outcome.TRAP
    assert rule_id(decide(request(absent), context)) == "UNDEFINED.unallocated"


@pytest.mark.parametrize("count", [1, 4, 16])
def test_the_number_of_list_registers_can_be_chosen(count: int) -> None:
    features = id_policy.features("a72", 3, count)
    context = Context(2, open_controls(), features=features)
    exist = [decide(instruction(f"mrs ICH_LR{n}_EL2"), context).outcome is Outcome.EXECUTE for n in range(16)]
    assert exist == [n < count for n in range(16)]
    routes = [sysregs.resolve(sysregs.parse_name(f"ICH_LR{n}_EL2"), True, "a72", 3, count).route for n in range(16)]
    assert routes == ["emulated" if n < count else "undefined" for n in range(16)]
    assert sysregs.reset_value(sysregs.by_name("ICH_VTR_EL2"), "a72", 3, count) & 31 == count - 1


@pytest.mark.parametrize("count", [0, 17])
def test_there_are_1_to_16_list_registers(count: int) -> None:
    with pytest.raises(ValueError, match="list registers"):
        sysregs.resolve(sysregs.parse_name("ICH_VTR_EL2"), True, "a72", 3, count)
