"""What a trap rule is: its row type, the conditions it can name, and the words its rows are written in.

Read `arch/registers/` (the control bits) and `arch/sysregs.py` (the names) before, then the rows, `undefined.py` first,
and `arch/traps.py`, which evaluates them, last.

A rule says: this access, from these exception levels, while these control bits have these values, goes there. The rows
are data; nothing in them runs. `Bits("HCR_EL2", "E2H,TGE", (0, 1, 2))` is the manual's `HCR_EL2.<E2H,TGE> != '11'`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.syndromes import EC

Direction = Literal["read", "write", "both"]


class Outcome(Enum):
    """What becomes of an instruction: it does its work, it traps, it is UNDEFINED, or it completes without effect."""

    EXECUTE = "execute"
    TRAP = "trap"
    UNDEFINED = "undefined"
    NOP = "nop"


class Fact(Enum):
    """What only the register table knows, and a rule may ask: no control bit changes it."""

    ANY = "nothing is asked"
    UNALLOCATED = "no register or operation of this machine has this encoding"
    WRONG_DIRECTION = "it is read-only and written, or write-only and read"
    EL_TOO_LOW = "it is for a higher exception level"
    FOR_EL2 = "it is not for EL1, but for EL2"


class PE(Register):
    """State of the processing element that decides over traps but is in no register. Not Arm's layout."""

    EventRegister = Field(0, meaning="the Event Register is set")
    InterruptPending = Field(1, meaning="a WFI wake-up event is pending")
    TimeoutExpired = Field(2, meaning="the local timeout of WFIT or WFET has passed")


@dataclass(frozen=True, slots=True)
class Bits:
    """A condition: these fields, joined as in `<E2H,TGE>` (first is most significant), have one of `values`.

    `register` names a class of `arch/registers/`, so `CPTR_EL2_E2H` is CPTR_EL2 in its layout with HCR_EL2.E2H = 1;
    PSTATE and PE (above) may be named too.
    """

    register: str
    fields: str
    values: tuple[int, ...]

    def __str__(self) -> str:
        fields = f"<{self.fields}>" if "," in self.fields else self.fields
        return f"{self.register}.{fields} in {{{', '.join(map(str, self.values))}}}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which an access may be refused, diverted or made void.

    `what` holds names with shell wildcards: of registers, operations (`DC ISW`), generic names (`S3_?_C15_*`),
    PSTATE fields (`DAIFSet (immediate)`), instruction kinds (`SMC`) and the subjects of requests (`FP access`).
    `feature` is the feature that the rule comes with; `!X` is a rule of machines without X.
    `target_el` is the least exception level it goes to: never lower than the current one, and from EL0 with HCR_EL2.TGE
    set EL2 in place of EL1, then with `ec_rerouted` if that is given. `ec` counts for `Outcome.TRAP` only.
    """

    id: str
    what: tuple[str, ...]
    text: str
    ref: str
    bits: tuple[Bits, ...] = ()
    els: tuple[int, ...] = (1,)
    access: Direction = "both"
    feature: str = ""
    outcome: Outcome = Outcome.TRAP
    target_el: int = 2
    ec: EC = EC.SYSREG
    ec_rerouted: EC | None = None
    fact: Fact = Fact.ANY


def names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of names."""
    return tuple(name.strip() for name in text.split(","))


ALL_ELS = (0, 1, 2, 3)
BELOW_EL3 = (0, 1, 2)
BELOW_EL2 = (0, 1)

NOT_HOST = Bits("HCR_EL2", "E2H,TGE", (0b00, 0b01, 0b10))
"""EL0 belongs to EL1 (or to nobody): not ELIsInHost(EL0)."""
HOST = Bits("HCR_EL2", "E2H,TGE", (0b11,))
"""EL0 runs under a host at EL2: ELIsInHost(EL0)."""
E2H_0 = Bits("HCR_EL2", "E2H", (0,))
E2H_1 = Bits("HCR_EL2", "E2H", (1,))
GUEST_OF_VHE = Bits("HCR_EL2", "E2H,TGE", (0b10,))


def hcr(field: str, value: int = 1) -> Bits:
    """Ask for one field of HCR_EL2."""
    return Bits("HCR_EL2", field, (value,))
