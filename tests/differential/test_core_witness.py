"""The trap rules against the core's own decisions, in this process: outcome, level and syndrome must be equal.

Read `arm_hyp/arch/traps.py` and `arm_hyp/cpu/native.py` before. No site is planted here, so what is seen is the core's
native decision. Only what the core gets right is asked (`judged.is_witnessed`, `HCR_BITS`); the rest is for
`test_qemu.py` and for cases by hand in `tests/unit/arch/`. `LONG=1` asks 100,000 cases,
`CASES=1000000` so many, `SEED=n` others.

Ref: ADR 002 (the architecture model decides, the core is a witness).
"""

from __future__ import annotations

import ctypes
import os
import random
import struct
from collections import Counter
from typing import NamedTuple

from generator import ONE, make_cases
from judged import FEATURES, MODEL, is_witnessed
from unicorn import arm64_const as a64

from arm_hyp.arch.instructions import SystemInstruction, decode_system
from arm_hyp.arch.traps import Context, Controls, Outcome, decide
from arm_hyp.cpu import probe
from arm_hyp.cpu.controls import ENCODINGS
from arm_hyp.cpu.native import SCR_EL3_LEAVE, NativeCore

SEED = int(os.environ.get("SEED", "20262"))
COUNT = int(os.environ.get("CASES") or (100_000 if os.environ.get("LONG") == "1" else 2_000))
BASE = 0x4000_0000
SPIN = 0x1400_0000
LOADED = ("cptr_el2", "mdcr_el2", "cnthctl_el2", "cntkctl_el1", "sctlr_el1", "sctlr_el2", "pmuserenr_el0", "hcr_el2")
HCR_BITS = tuple(ONE[name] for name in ONE if name not in ("VM", "SWIO", "VF", "VI", "TIDCP"))
"""TIDCP is ignored by the core, VF and VI raise interrupts, VM would need tables."""

_BY_NAME = {name: encoding for encoding, name in ENCODINGS.items()}


class Decision(NamedTuple):
    """What becomes of an instruction, by the rules or by the core. EL and syndrome are 0 where it executes."""

    outcome: Outcome
    target_el: int
    esr: int


class Witness:
    """A bare core that runs one instruction and tells what it decided."""

    def __init__(self) -> None:
        self._ram = ctypes.create_string_buffer(0x3000)
        aligned = (ctypes.addressof(self._ram) + 0xFFF) & ~0xFFF
        self._page = (ctypes.c_char * 0x1000).from_address(aligned)
        self.core = NativeCore(MODEL, probe.internals())
        self.core.map_ram(BASE, 0x1000, aligned)
        self.core.write_cp((3, 6, 1, 1, 0), SCR_EL3_LEAVE[MODEL])
        self._state = self.core.batch([a64.UC_ARM64_REG_PSTATE, *(_BY_NAME[name] for name in LOADED)])
        self._x0 = self.core.batch([a64.UC_ARM64_REG_X0])
        self._decision = Decision(Outcome.EXECUTE, 0, 0)
        self.core.on_interrupt(self._note)

    def _note(self, number: int) -> None:
        if number in (1, 12):
            record = self.core.record()
            outcome = Outcome.TRAP if record.syndrome >> 26 else Outcome.UNDEFINED
            self._decision = Decision(outcome, max(record.target_el, 1), record.syndrome)
        self.core.stop()

    def decide(self, word: int, el: int, controls: Controls) -> Decision:
        """Run a word at a level under controls."""
        self._page[0:8] = struct.pack("<2I", word, SPIN)
        self.core.drop_translations(BASE, BASE + 8)
        self._state.write(0x3C0 | el << 2 | (el > 0), *(getattr(controls, name) for name in LOADED))
        self._x0.write(BASE + 0x800)
        self._decision = Decision(Outcome.EXECUTE, 0, 0)
        self.core.start(BASE, 1)
        return self._decision


def predict(instruction: SystemInstruction, el: int, controls: Controls) -> tuple[Decision, str]:
    """Ask the rules, and say which decided."""
    verdict = decide(instruction, Context(el=el, controls=controls, features=FEATURES))
    name = verdict.rule.id if verdict.rule else "nothing"
    if verdict.target_el is None or verdict.esr is None:
        return Decision(Outcome.EXECUTE, 0, 0), name
    return Decision(verdict.outcome, verdict.target_el, verdict.esr), name


def _case(rng: random.Random) -> tuple[SystemInstruction, int, Controls]:
    while True:
        case = make_cases(rng.getrandbits(48), 1)[0]
        instruction = decode_system(case.word)
        if instruction is None or not is_witnessed(instruction):
            continue
        loaded = {name: getattr(case.controls, name) for name in LOADED}
        loaded["hcr_el2"] = 1 << 31 | case.controls.hcr_el2 & sum(1 << bit for bit in HCR_BITS)
        if case.el == 1:  # an ERET to EL1 with TGE set is illegal, so nothing runs there
            loaded["hcr_el2"] &= ~(1 << ONE["TGE"])
        return instruction, case.el, Controls(**loaded)


def test_the_core_decides_as_the_rules_predict() -> None:
    rng, witness = random.Random(SEED), Witness()
    outcomes: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    wrong = []
    for _ in range(COUNT):
        instruction, el, controls = _case(rng)
        predicted, rule = predict(instruction, el, controls)
        native = witness.decide(instruction.word, el, controls)
        outcomes[predicted.outcome.value] += 1
        rules[rule] += 1
        if native != predicted:
            wrong.append(f"{instruction} EL{el} {controls}\n  core {native}\n  {rule}: {predicted}")
    print(f"\ncore witness: seed {SEED}, {COUNT} cases judged: {dict(outcomes)}, by {len(rules)} rules")
    assert not wrong, f"seed {SEED}: {len(wrong)} of {COUNT} differ\n" + "\n".join(wrong[:20])
