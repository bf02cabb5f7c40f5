"""Encoders: the ESR_ELx integer for an exception, EC<<26 | IL<<25 | ISS.

Read `arch/iss_layouts.py` before and `arch/syndromes.py` after this file. Those called for every exception are plain
integer arithmetic with cheap checks; `encode_fields` takes any class and its fields by Arm's names, and is slower.
IL is 1 everywhere but where the architecture has 16-bit instructions (`encode_bkpt` and `il=0` in `encode`).
Every encoder raises ValueError when an argument does not fit its field.
"""

from __future__ import annotations

from arm_hyp.arch.iss_aborts import DEBUG_FSC
from arm_hyp.arch.iss_classes import EC
from arm_hyp.arch.iss_layouts import iss2_layout_for, layout_for, layouts_of

_IL = 1 << 25
_ALWAYS = 1 << 24 | 14 << 20
_WFX = EC.WFX << 26 | _IL
_SYSREG = EC.SYSREG << 26 | _IL
_SVC = EC.SVC64 << 26 | _IL
_HVC = EC.HVC64 << 26 | _IL
_SMC = EC.SMC64 << 26 | _IL
_BRK = EC.BRK << 26 | _IL
_BKPT = EC.BKPT32 << 26
_BTI = EC.BTI << 26 | _IL
_ERET = EC.ERET << 26 | _IL
_PAC_FAIL = EC.PAC_FAIL << 26 | _IL
_SERROR = EC.SERROR << 26 | _IL
_FP_ACCESS = EC.FP_ACCESS << 26 | _IL
_INSTRUCTION_ABORTS = (0x20, 0x21)
_DATA_ABORTS = (0x24, 0x25)


def encode(ec: int, iss: int = 0, *, il: int = 1, iss2: int = 0) -> int:
    """Put an ESR_ELx value together from its parts."""
    if ec >> 6 or iss >> 25 or il >> 1 or iss2 >> 24:
        raise ValueError(f"EC {ec:#x}, IL {il}, ISS {iss:#x}, ISS2 {iss2:#x}: one is wider than its field")
    return iss2 << 32 | ec << 26 | il << 25 | iss


def encode_unknown() -> int:
    """Encode EC 0x00, as for an UNDEFINED instruction. Ref: AArch64.Undefined."""
    return _IL


def encode_wfx(ti: int, cv: int = 1, cond: int = 14, rn: int = 0, rv: int = 0) -> int:
    """Encode EC 0x01; `ti` is 0 WFI, 1 WFE, 2 WFIT, 3 WFET. Ref: AArch64.WFxTrap."""
    if ti >> 2 or cv >> 1 or cond >> 4 or rn >> 5 or rv >> 1:
        raise ValueError(f"WFx syndrome: TI {ti}, CV {cv}, COND {cond}, RN {rn}, RV {rv}: one is too wide")
    return _WFX | cv << 24 | cond << 20 | rn << 5 | rv << 2 | ti


def encode_sysreg(op0: int, op1: int, crn: int, crm: int, op2: int, rt: int, is_read: bool | int) -> int:
    """Encode EC 0x18, a trapped MSR, MRS, SYS or SYSL. Ref: AArch64.SystemAccessTrap."""
    if op0 >> 2 or op1 >> 3 or crn >> 4 or crm >> 4 or op2 >> 3 or rt >> 5:
        raise ValueError(f"MSR/MRS syndrome: S{op0}_{op1}_C{crn}_C{crm}_{op2}, Rt {rt}: one is too wide")
    return _SYSREG | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | (1 if is_read else 0)


def encode_svc(imm16: int) -> int:
    """Encode EC 0x15. Ref: AArch64.CallSupervisor."""
    return _SVC | _immediate(imm16)


def encode_hvc(imm16: int) -> int:
    """Encode EC 0x16. Ref: AArch64.CallHypervisor."""
    return _HVC | _immediate(imm16)


def encode_smc(imm16: int) -> int:
    """Encode EC 0x17. Ref: AArch64.CallSecureMonitor, AArch64.CheckForSMCUndefOrTrap."""
    return _SMC | _immediate(imm16)


def encode_brk(imm16: int) -> int:
    """Encode EC 0x3C. Ref: AArch64.SoftwareBreakpoint."""
    return _BRK | _immediate(imm16)


def encode_bkpt(comment: int, il: int = 0) -> int:
    """Encode EC 0x38, a BKPT from AArch32; `il` is 0 for T32 and 1 for A32."""
    if il >> 1:
        raise ValueError(f"IL {il} is not one bit")
    return _BKPT | il << 25 | _immediate(comment)


def _immediate(imm16: int) -> int:
    if imm16 >> 16:
        raise ValueError(f"immediate {imm16:#x} does not fit in 16 bits")
    return imm16


def encode_fp_access(cv: int = 1, cond: int = 14) -> int:
    """Encode EC 0x07. Ref: AArch64.AdvSIMDFPAccessTrap."""
    if cv >> 1 or cond >> 4:
        raise ValueError(f"FP access syndrome: CV {cv}, COND {cond}: one is too wide")
    return _FP_ACCESS | cv << 24 | cond << 20


def encode_sve_access() -> int:
    """Encode EC 0x19. Ref: SVEAccessTrap."""
    return EC.SVE << 26 | _IL


def encode_illegal_state() -> int:
    """Encode EC 0x0E. Ref: AArch64.CheckIllegalState."""
    return EC.ILLEGAL_STATE << 26 | _IL


def encode_pc_alignment() -> int:
    """Encode EC 0x22. Ref: AArch64.PCAlignmentFault."""
    return EC.PC_ALIGNMENT << 26 | _IL


def encode_sp_alignment() -> int:
    """Encode EC 0x26. Ref: AArch64.SPAlignmentFault."""
    return EC.SP_ALIGNMENT << 26 | _IL


def encode_eret(is_pauth: bool | int = 0, key_b: bool | int = 0) -> int:
    """Encode EC 0x1A: ERET, or with `is_pauth` ERETAA, with `key_b` too ERETAB. Ref: AArch64.ERetTrap."""
    if key_b and not is_pauth:
        raise ValueError("ERET takes no key: key_b needs is_pauth")
    return _ERET | (2 if is_pauth else 0) | (1 if key_b else 0)


def encode_pauth() -> int:
    """Encode EC 0x09, a trapped use of pointer authentication. Ref: TrapPACUse."""
    return EC.PAUTH << 26 | _IL


def encode_pac_fail(is_data: bool | int, is_b: bool | int) -> int:
    """Encode EC 0x1C, a failed authentication. Ref: AArch64.PACFailException."""
    return _PAC_FAIL | (2 if is_data else 0) | (1 if is_b else 0)


def encode_bti(btype: int) -> int:
    """Encode EC 0x0D. Ref: AArch64.BranchTargetException."""
    if btype >> 2:
        raise ValueError(f"BTYPE {btype} does not fit in 2 bits")
    return _BTI | btype


def encode_abort(
    ec: int,
    fsc: int,
    *,
    wnr: int = 0,
    s1ptw: int = 0,
    cm: int = 0,
    ea: int = 0,
    fnv: int = 0,
    set_: int = 0,
    vncr: int = 0,
    isv: int = 0,
    sas: int = 0,
    sse: int = 0,
    srt: int = 0,
    sf: int = 0,
    ar: int = 0,
    iss2: int = 0,
) -> int:
    """Encode EC 0x20, 0x21 (instruction) or 0x24, 0x25 (data); `fsc` comes from `encode_fsc`.

    Ref: AArch64.FaultSyndrome.
    Raises: ValueError also for a syndrome (SAS to AR) without `isv`, and for data-only fields of an instruction abort.
    """
    if fsc >> 6 or (wnr | s1ptw | cm | ea | fnv | vncr | isv | sse | sf | ar) >> 1 or (set_ | sas) >> 2:
        raise ValueError(f"abort syndrome: FSC {fsc:#x} or a flag is wider than its field")
    if srt >> 5 or iss2 >> 24:
        raise ValueError(f"abort syndrome: SRT {srt} or ISS2 {iss2:#x} is wider than its field")
    common = iss2 << 32 | ec << 26 | _IL | set_ << 11 | fnv << 10 | ea << 9 | s1ptw << 7 | fsc
    if ec in _INSTRUCTION_ABORTS:
        if wnr | cm | vncr | isv | sas | sse | srt | sf | ar:
            raise ValueError("an instruction abort has no WnR, CM, VNCR or instruction syndrome")
        return common
    if ec not in _DATA_ABORTS:
        raise ValueError(f"EC {ec:#04x} is no abort")
    common |= vncr << 13 | cm << 8 | wnr << 6
    if isv:
        return common | 1 << 24 | sas << 22 | sse << 21 | srt << 16 | sf << 15 | ar << 14
    if sas | sse | srt | sf | ar:
        raise ValueError("SAS, SSE, SRT, SF and AR need ISV 1")
    return common


def encode_step(ec: int, ex: int = 0, isv: int = 1) -> int:
    """Encode EC 0x32 or 0x33, Software Step. Ref: AArch64.SoftwareStepException."""
    if ec not in (0x32, 0x33):
        raise ValueError(f"EC {ec:#04x} is no Software Step")
    if (ex | isv) >> 1 or (ex and not isv):
        raise ValueError(f"EX {ex}, ISV {isv}: each is one bit, and EX needs ISV")
    return ec << 26 | _IL | isv << 24 | ex << 6 | DEBUG_FSC


def encode_breakpoint(ec: int) -> int:
    """Encode EC 0x30, 0x31 (Breakpoint) or 0x3A (Vector Catch). Ref: AArch64.BreakpointException."""
    if ec not in (0x30, 0x31, 0x3A):
        raise ValueError(f"EC {ec:#04x} is no Breakpoint or Vector Catch")
    return ec << 26 | _IL | DEBUG_FSC


def encode_watchpoint(ec: int, wnr: int, *, cm: int = 0, vncr: int = 0, wpt: int | None = None) -> int:
    """Encode EC 0x34 or 0x35; `wpt`, the watchpoint's number, sets WPTV. Ref: AArch64.WatchpointException."""
    if ec not in (0x34, 0x35):
        raise ValueError(f"EC {ec:#04x} is no Watchpoint")
    if (wnr | cm | vncr) >> 1 or (wpt or 0) >> 6:
        raise ValueError(f"watchpoint syndrome: WnR {wnr}, CM {cm}, VNCR {vncr}, WPT {wpt}: one is too wide")
    number = 0 if wpt is None else wpt << 18 | 1 << 17
    return ec << 26 | _IL | number | vncr << 13 | cm << 8 | wnr << 6 | DEBUG_FSC


def encode_serror(dfsc: int = 0, *, aet: int = 0, iesb: int = 0, ea: int = 0, ids: int = 0, impdef: int = 0) -> int:
    """Encode EC 0x2F: AET, IESB and EA with DFSC 0b010001, or with `ids` the 24 bits `impdef`.

    Ref: AArch64.PhysicalSErrorSyndrome, AArch64.TakePhysicalSErrorException.
    """
    if dfsc >> 6 or aet >> 3 or (iesb | ea | ids) >> 1 or impdef >> 24:
        raise ValueError(f"SError syndrome: DFSC {dfsc:#x}, AET {aet} or another field is too wide")
    details = aet << 10 | iesb << 13 | ea << 9
    if ids:
        if details | dfsc:
            raise ValueError("an IMPLEMENTATION DEFINED SError syndrome (IDS 1) has no DFSC, AET, IESB or EA")
        return _SERROR | 1 << 24 | impdef
    if impdef or (details and dfsc != 0b010001):
        raise ValueError("impdef needs IDS 1; AET, IESB and EA need DFSC 0b010001")
    return _SERROR | details | dfsc


def encode_virtual_serror(vsesr: int) -> int:
    """Encode EC 0x2F from VSESR_EL2: IDS and ISS are copied. Ref: AArch64.TakeVirtualSErrorException."""
    return _SERROR | vsesr & 0x1FFFFFF


def encode_fields(ec: int, *, il: int = 1, **fields: int) -> int:
    """Encode any class from fields by Arm's names, ISS2's included; fields not given are 0.

    A class with several layouts gets the one that has all the fields given and that a decoder would choose.
    Raises: ValueError naming the fields that no layout of the class has, or a value that does not fit.
    """
    iss2_layout = iss2_layout_for(ec)
    iss2_names = {field.name for field in iss2_layout.FIELDS} if iss2_layout else set()
    iss2 = {name: value for name, value in fields.items() if name in iss2_names}
    iss = {name: value for name, value in fields.items() if name not in iss2_names}
    upper = int(iss2_layout.of(**iss2)) if iss2_layout else 0
    for layout in layouts_of(ec):
        if iss.keys() <= {field.name for field in layout.FIELDS}:
            value = int(layout.of(**iss))
            if layout_for(ec, value) is layout:
                return encode(ec, value, il=il, iss2=upper)
    raise ValueError(f"EC {ec:#04x} has no layout with these fields and values: {', '.join(sorted(iss)) or 'none'}")
