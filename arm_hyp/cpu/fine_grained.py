"""What FEAT_FGT makes decidable: the core has no such traps, so what they name is decided by our rules.

Read `arch/trap_rules/fine_grained.py` and `cpu/controls.py` before this file, `cpu/system.py` after it. On a CPU that
claims the feature, all that they can trap becomes a site at EL0 and EL1 when software first sets one of their bits,
and stays one, because hypervisors change them at each entry of a guest. Until then the core runs as fast as without:
a bit that traps as 0 belongs to a feature that no model claims. What the rules let pass is done here as the core alone
would have done it: reads and calls at once, because they come often, all else by the core, which costs 40 us each.

What HCRX_EL2 traps (FEAT_HCX) needs no sites: the core lacks it all and says UNDEFINED, so `cpu/system.py` is asked.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import syndromes, traps
from arm_hyp.arch.exceptions import Cause
from arm_hyp.arch.instructions import InstructionKind, SystemInstruction

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_NONE: Final = traps.FineGrained()


@lru_cache(maxsize=4096)
def is_governed(instruction: SystemInstruction) -> bool:
    """Tell whether a rule of FEAT_FGT is about an instruction."""
    return any("FGT" in rule.feature.split("+") for rule in traps.rules_about(instruction))


class FineGrainedSites:
    """The instructions of one core that are sites for the fine-grained traps alone."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.are_wanted = False

    def controls_changed(self) -> None:
        """Have all of these be sites from now on, when the first bit is set."""
        core = self._core
        if not self.are_wanted and core.controls.fine_grained._replace(hcrx_el2=0) != _NONE:
            self.are_wanted = True
            core.sites.look_everywhere(True)
            core.maintenance.drop_all()

    def is_site(self, instruction: SystemInstruction, el: int) -> bool:
        """Tell whether one of the traps can be about this instruction at this level."""
        return self.are_wanted and el < 2 and is_governed(instruction)

    def execute(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        """Do what was let pass."""
        if instruction.kind is InstructionKind.SVC:
            esr = syndromes.encode_svc(instruction.imm)
            self._core.exceptions.take_cause(Cause.SVC, pstate, esr, elr=pc + 4)
        elif instruction.kind is InstructionKind.MRS:
            self._read(instruction, pc, pstate)
        else:
            self._core.step_natively()

    def _read(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        core = self._core
        value = core.registers.read(instruction.encoding)
        if value is None:
            core.step_natively()
            return
        core.set_x(instruction.rt, value)
        core.complete(pc, pstate)
