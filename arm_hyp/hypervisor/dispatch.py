"""Which handler takes which exit: one total table by exception class.

Read `hypervisor/exits.py` and the modules of `hypervisor/handlers/` before this file, `hypervisor/hypervisor.py` after
it. Nothing falls off the end: an exit that no guest should cause injects an UNDEFINED exception, as KVM does.

Compare Linux: `arm_exit_handlers` in `arch/arm64/kvm/handle_exit.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.arch.iss_classes import EC
from arm_hyp.hypervisor.exits import SyncExit
from arm_hyp.hypervisor.handlers.calls import handle_hvc, handle_smc
from arm_hyp.hypervisor.handlers.memory import handle_data_abort, handle_instruction_abort
from arm_hyp.hypervisor.handlers.other import handle_debug, handle_fp, handle_other, handle_serror, handle_sve
from arm_hyp.hypervisor.handlers.sysregs import handle_sysreg
from arm_hyp.hypervisor.handlers.wfx import handle_wfx
from arm_hyp.hypervisor.vcpu import Vcpu

Handler = Callable[[Vcpu, Any], None]

_HANDLERS: Final[dict[int, Handler]] = {
    EC.WFX: handle_wfx,
    EC.FP_ACCESS: handle_fp,
    EC.SVE: handle_sve,
    EC.HVC64: handle_hvc,
    EC.SMC64: handle_smc,
    EC.SYSREG: handle_sysreg,
    EC.INSTRUCTION_ABORT_LOWER: handle_instruction_abort,
    EC.DATA_ABORT_LOWER: handle_data_abort,
    EC.SERROR: handle_serror,
    EC.BREAKPOINT_LOWER: handle_debug,
    EC.STEP_LOWER: handle_debug,
    EC.WATCHPOINT_LOWER: handle_debug,
    EC.BRK: handle_debug,
}
DEFAULTS: Final[tuple[Handler, ...]] = tuple(_HANDLERS.get(ec, handle_other) for ec in range(64))
"""The default handler of each of the 64 exception classes."""


def dispatch(vcpu: Vcpu, exit: SyncExit) -> None:
    """Handle an exit with the default handlers."""
    DEFAULTS[exit.ec](vcpu, exit)
