"""A syndrome in one line, as a trace shows it.

Read `arch/iss_layouts.py` before this file and `arch/syndromes.py` after it. One function for each kind of ISS, found
in one total table; none of them changes or checks anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.iss_classes import EC, EXCEPTION_CLASSES
from arm_hyp.arch.iss_faults import FAULT_STATUS, INSTRUCTION_FAULT_STATUS, MMU_FAULTS, FaultStatus
from arm_hyp.arch.iss_layouts import layout_for
from arm_hyp.arch.sysreg_table import Encoding

NameOf = Callable[[Encoding, bool], str | None]
"""Gives Arm's name of a register or System instruction, read or written; `sysregs.name_of` is one."""

_PSTATE_FIELDS = {
    (0, 3): "UAO",
    (0, 4): "PAN",
    (0, 5): "SPSel",
    (1, 0): "ALLINT",
    (3, 1): "SSBS",
    (3, 2): "DIT",
    (3, 3): "SVCR",
    (3, 4): "TCO",
    (3, 6): "DAIFSet",
    (3, 7): "DAIFClr",
}
_TI = ("WFI", "WFE", "WFIT", "WFET")


class Subject(NamedTuple):
    """What a line is about: the class, the ISS in its layout, and what the caller knows besides."""

    ec: int
    iss: Register
    el: int
    name_of: NameOf | None
    control: str
    tge: bool

    def get(self, name: str) -> int:
        """Return the value of a field, 0 if this layout has no such field."""
        field = vars_of(self.iss).get(name)
        return field.__get__(self.iss, type(self.iss)) if field else 0

    def text(self, name: str) -> str:
        """Return the meaning of a field's value."""
        return self.iss.field(name).text(self.get(name))


def vars_of(iss: Register) -> dict[str, Field]:
    """Return the fields of a layout by name."""
    return {field.name: field for field in iss.FIELDS}


def one_line(esr: int, el: int = 1, name_of: NameOf | None = None, *, control: str = "", tge: bool = False) -> str:
    """Describe an ESR_ELx value in one line, e.g. "MSR TVM: write of SCTLR_EL1 from X3".

    `el` is the level the exception was taken to. `control` is the trap control that did it, where it is known: a
    syndrome does not hold it. `tge` says that HCR_EL2.TGE was 1.
    Simplified: the syndrome does not say which stage faulted. For a fault taken to EL2 from a lower level this says
    stage 2, unless `tge`.
    """
    ec, bits = esr >> 26 & 0x3F, esr & 0x1FFFFFF
    subject = Subject(ec, layout_for(ec, bits)(bits), el, name_of, control, tge)
    return _LINES[ec](subject)


def general_register(number: int, is_64_bit: bool | int = True) -> str:
    """Return the name of a general-purpose register, with 31 the zero register."""
    prefix = "X" if is_64_bit else "W"
    return f"{prefix}ZR" if number == 31 else f"{prefix}{number}"


def system_name(encoding: Encoding, is_read: bool = True, name_of: NameOf | None = None) -> str:
    """Return Arm's name for an encoding, or the generic one, e.g. S3_0_C1_C0_0."""
    return (name_of(encoding, is_read) if name_of else None) or encoding.generic_name


def _with_control(subject: Subject, head: str, detail: str) -> str:
    return f"{head} {subject.control}: {detail}" if subject.control else f"{head}: {detail}"


def _class_only(subject: Subject) -> str:
    row = EXCEPTION_CLASSES[subject.ec]
    if not row.defined:
        return f"{row.name}: ISS {int(subject.iss):#x}"
    if row.name.lower() in row.description.lower() and not subject.control:
        return row.description
    return _with_control(subject, row.name, row.description)


def _wfx(subject: Subject) -> str:
    ti = subject.get("TI")
    register = f" {general_register(subject.get('RN'))}" if subject.get("RV") and ti > 1 else ""
    return _with_control(subject, "WFx", f"trapped {_TI[ti]}{register} (TI=0b{ti:02b})")


def _encoding(subject: Subject) -> Encoding:
    return Encoding(*(subject.get(name) for name in ("Op0", "Op1", "CRn", "CRm", "Op2")))


def _sysreg(subject: Subject) -> str:
    op0, op1, crn, crm, op2 = encoding = _encoding(subject)
    rt, is_read = subject.get("Rt"), subject.get("Direction")
    if op0 == 0 and crn == 4 and not is_read:
        field = _PSTATE_FIELDS.get((op1, op2), f"PSTATE field op1={op1}, op2={op2}")
        return _with_control(subject, "MSR", f"write of {field}, #{crm}")
    name, register = system_name(encoding, bool(is_read), subject.name_of), general_register(rt)
    if op0 == 1:
        operand = "" if rt == 31 and not is_read else f", {register}"
        return _with_control(subject, "SYSL" if is_read else "SYS", name + operand)
    return _transfer(subject, ("MSR", "MRS"), name, register)


def _sysreg128(subject: Subject) -> str:
    encoding = _encoding(subject)
    name = system_name(encoding, bool(subject.get("Direction")), subject.name_of)
    if encoding.op0 == 1:
        return _with_control(subject, "SYSP", f"{name}, {subject.text('Rt')}")
    return _transfer(subject, ("MSRR", "MRRS"), name, subject.text("Rt"))


def _transfer(subject: Subject, heads: tuple[str, str], name: str, register: str) -> str:
    if subject.get("Direction"):
        return _with_control(subject, heads[1], f"read of {name} to {register}")
    return _with_control(subject, heads[0], f"write of {name} from {register}")


def _coprocessor(number: int) -> Callable[[Subject], str]:
    def line(subject: Subject) -> str:
        crn, crm, opc1, opc2 = (subject.get(name) for name in ("CRn", "CRm", "Opc1", "Opc2"))
        register = general_register(subject.get("Rt"))
        return _transfer(subject, ("MCR", "MRC"), f"p{number}, {opc1}, c{crn}, c{crm}, {opc2}", register)

    return line


def _coprocessor_pair(number: int) -> Callable[[Subject], str]:
    def line(subject: Subject) -> str:
        opc1, crm = subject.get("Opc1"), subject.get("CRm")
        registers = f"{general_register(subject.get('Rt'))}, {general_register(subject.get('Rt2'))}"
        return _transfer(subject, ("MCRR", "MRRC"), f"p{number}, {opc1}, c{crm}", registers)

    return line


def _ldc(subject: Subject) -> str:
    head = "LDC" if subject.get("Direction") else "STC"
    sign = "+" if subject.get("Offset") else "-"
    return _with_control(subject, head, f"p14, {subject.text('AM')}, offset {sign}{subject.get('imm8') * 4}")


def _vmrs(subject: Subject) -> str:
    return _with_control(subject, "VMRS", f"read of reg {subject.get('CRn')} to {general_register(subject.get('Rt'))}")


def _call(name: str, suffix: str = "") -> Callable[[Subject], str]:
    field = "Comment" if name in {"BRK", "BKPT"} else "imm16"
    return lambda subject: f"{name} #{subject.get(field):#x}{suffix}"


def _field(name: str) -> Callable[[Subject], str]:
    return lambda subject: _with_control(subject, EXCEPTION_CLASSES[subject.ec].name, subject.text(name))


def _eret(subject: Subject) -> str:
    name = ("ERETAB" if subject.get("ERETA") else "ERETAA") if subject.get("ERET") else "ERET"
    return _with_control(subject, "ERET", f"trapped {name}")


def _pac_fail(subject: Subject) -> str:
    return f"PAC fail: {subject.text('DnI')}, {subject.text('BnA')}"


def _fp_exception(subject: Subject) -> str:
    if not subject.get("TFV"):
        return "FP exception: which one is not reported"
    names = [name for name in ("IOF", "DZF", "OFF", "UFF", "IXF", "IDF") if subject.get(name)]
    return f"FP exception: {', '.join(names) or 'none'}"


def _stage(subject: Subject, status: FaultStatus) -> str:
    lower = subject.ec in {EC.DATA_ABORT_LOWER, EC.INSTRUCTION_ABORT_LOWER}
    if subject.get("S1PTW") or (subject.el == 2 and lower and not subject.tge and status.kind in MMU_FAULTS):
        return ", stage 2"
    return ", stage 1" if status.kind in MMU_FAULTS else ""


def _abort(subject: Subject) -> str:
    is_data = subject.ec in {EC.DATA_ABORT_LOWER, EC.DATA_ABORT_SAME}
    status = FAULT_STATUS[subject.get("DFSC")] if is_data else INSTRUCTION_FAULT_STATUS[subject.get("IFSC")]
    parts = [status.text, *_access(subject)] if is_data else [status.text]
    if subject.get("S1PTW"):
        parts.append("on a stage 1 table walk")
    if subject.get("FnV"):
        parts.append("FAR not valid")
    return f"{EXCEPTION_CLASSES[subject.ec].name}{_stage(subject, status)}: {', '.join(parts)}"


def _access(subject: Subject) -> list[str]:
    is_write = subject.get("WnR")
    parts = ["cache maintenance or AT"] if subject.get("CM") else ["write" if is_write else "read"]
    if subject.get("VNCR"):
        parts.append("through VNCR_EL2")
    if subject.get("ISV"):
        size_bytes, register = 1 << subject.get("SAS"), general_register(subject.get("SRT"), subject.get("SF"))
        size = "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
        parts.append(f"{size} from {register}" if is_write else f"{size} to {register}")
        parts += ["sign-extended"] * subject.get("SSE") + ["acquire/release"] * subject.get("AR")
    return parts


def _gpc(subject: Subject) -> str:
    access = "instruction fetch" if subject.get("InD") else "write" if subject.get("WnR") else "read"
    return f"GPC: {subject.text('GPCSC')}, {access}"


def _gcs(subject: Subject) -> str:
    instruction = f", {subject.text('IT')}" if "IT" in vars_of(subject.iss) else ""
    return f"GCS: {subject.text('ExType')}{instruction}"


def _serror(subject: Subject) -> str:
    if subject.get("IDS"):
        return f"SError: IMPLEMENTATION DEFINED syndrome {subject.get('ISS'):#x}"
    details = f", {subject.text('AET')}" if "AET" in vars_of(subject.iss) else ""
    return f"SError: {subject.text('DFSC')}{details}"


def _step(subject: Subject) -> str:
    if not subject.get("ISV"):
        return "software step: nothing is known of the instruction"
    return f"software step: after {'a Load-Exclusive' if subject.get('EX') else 'one instruction'}"


def _watchpoint(subject: Subject) -> str:
    access = "cache maintenance" if subject.get("CM") else subject.text("WnR")
    return f"watchpoint: {access}" + (f", watchpoint {subject.get('WPT')}" if subject.get("WPTV") else "")


def _mops(subject: Subject) -> str:
    registers = ", ".join(general_register(subject.get(name)) for name in ("destreg", "srcreg", "sizereg"))
    return f"MOPS: {subject.text('MemInst')}, {subject.text('FromEpilogue')}, {registers}"


_SPECIAL: dict[int, Callable[[Subject], str]] = {
    EC.WFX: _wfx,
    EC.CP15_MCR_MRC: _coprocessor(15),
    EC.CP15_MCRR_MRRC: _coprocessor_pair(15),
    EC.CP14_MCR_MRC: _coprocessor(14),
    EC.CP14_LDC_STC: _ldc,
    EC.CP10_VMRS: _vmrs,
    EC.LS64: _field("ISS"),
    EC.CP14_MRRC: _coprocessor_pair(14),
    EC.BTI: lambda subject: f"BTI: not a valid target for BTYPE 0b{subject.get('BTYPE'):02b}",
    EC.SVC32: _call("SVC", " (AArch32)"),
    EC.HVC32: _call("HVC", " (AArch32)"),
    EC.SMC32: lambda subject: "SMC (AArch32)",
    EC.SYSREG128: _sysreg128,
    EC.SVC64: _call("SVC"),
    EC.HVC64: _call("HVC"),
    EC.SMC64: _call("SMC"),
    EC.SYSREG: _sysreg,
    EC.ERET: _eret,
    EC.TSTART: lambda subject: f"TSTART {general_register(subject.get('Rd'))}",
    EC.PAC_FAIL: _pac_fail,
    EC.SME: _field("SMTC"),
    EC.GPC: _gpc,
    EC.INSTRUCTION_ABORT_LOWER: _abort,
    EC.INSTRUCTION_ABORT_SAME: _abort,
    EC.DATA_ABORT_LOWER: _abort,
    EC.DATA_ABORT_SAME: _abort,
    EC.MOPS: _mops,
    EC.FP_EXCEPTION32: _fp_exception,
    EC.FP_EXCEPTION64: _fp_exception,
    EC.GCS: _gcs,
    EC.SERROR: _serror,
    EC.STEP_LOWER: _step,
    EC.STEP_SAME: _step,
    EC.WATCHPOINT_LOWER: _watchpoint,
    EC.WATCHPOINT_SAME: _watchpoint,
    EC.BKPT32: _call("BKPT"),
    EC.BRK: _call("BRK"),
    EC.PROFILING: _field("SYNC"),
}
_LINES = tuple(_SPECIAL.get(ec, _class_only) for ec in range(64))
