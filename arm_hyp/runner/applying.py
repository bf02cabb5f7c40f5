"""Settings of registers are written: to a CPU before its first instruction, or to a vCPU.

Read `runner/settings.py` and `hypervisor/vcpu_registers.py` before this file and `runner/runner.py` after it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import sysregs
from arm_hyp.arch.registers import layout_of
from arm_hyp.cpu.context import El1Contexts, write_pstate
from arm_hyp.cpu.core import Core
from arm_hyp.errors import UserError
from arm_hyp.runner.settings import Setting

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu


def apply_setting(core: Core, setting: Setting) -> None:
    """Write the register, with all effects that a write by software would have. Raises: UserError."""
    direct = next((write for form, write in _DIRECT if form.fullmatch(setting.register)), None)
    if direct is None or setting.field is not None:
        _apply_system(core, setting)
        return
    try:
        direct(core, setting)
    except ValueError as error:
        raise UserError(f"--set {setting.text}", str(error)) from None


def _apply_x(core: Core, setting: Setting) -> None:
    core.set_x(int(setting.register[1:]), setting.value)


def _apply_sp(core: Core, setting: Setting) -> None:
    core.sp = setting.value


def _apply_pc(core: Core, setting: Setting) -> None:
    core.pc, core.pc_misaligned = setting.value, setting.value & 3 != 0


def _apply_pstate(core: Core, setting: Setting) -> None:
    write_pstate(core, setting.value)


def _apply_vector(core: Core, setting: Setting) -> None:
    El1Contexts(core).write(setting.register, setting.value)


_DIRECT: Final = (
    (re.compile(r"X([12]?\d|30)"), _apply_x),
    (re.compile("SP"), _apply_sp),
    (re.compile("PC"), _apply_pc),
    (re.compile("PSTATE"), _apply_pstate),
    (re.compile(r"Q([12]?\d|30|31)"), _apply_vector),
)
"""What is no system register, and how it is written."""


def _apply_system(core: Core, setting: Setting) -> None:
    thing = f"--set {setting.text}"
    try:
        encoding = sysregs.by_name(setting.register).encoding
    except KeyError as error:
        raise UserError(
            thing, str(error.args[0]), "X0..X30, SP, PC, PSTATE, Q0..Q31 and every system register have names"
        ) from None
    value = setting.value if setting.field is None else _with_field(setting, core.registers.read(encoding))
    if not core.registers.write(encoding, value):
        raise UserError(thing, f"{setting.register} cannot be written", "it is read-only, or of another --cpu or --gic")


def apply_vcpu_setting(vcpu: Vcpu, setting: Setting) -> None:
    """Write a register of a vCPU: any that `Vcpu.write` knows; SP is SP_EL1. Raises: UserError."""
    name = "SP_EL1" if setting.register == "SP" else setting.register
    try:
        value = setting.value if setting.field is None else _with_field(setting, vcpu.read(name))
        vcpu.write(name, value)
    except (KeyError, ValueError) as error:
        raise UserError(f"--set {setting.text}", str(error.args[0])) from None


def _with_field(setting: Setting, current: int | None) -> int:
    thing = f"--set {setting.text}"
    layout = layout_of(setting.register)
    if layout is None or current is None or setting.field is None:
        raise UserError(thing, f"{setting.register} has no fields", f"set it whole: --set {setting.register}=VALUE")
    try:
        return int(layout(current & (1 << layout.WIDTH) - 1).replace(**{setting.field: setting.value}))
    except (KeyError, ValueError) as error:
        raise UserError(thing, str(error.args[0])) from None
