"""EL1 contexts: two that differ in any single register alternate without touching each other."""

from core_support import machine
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.cpu.context import El1Contexts

CORE = machine("b .\n").core
CONTEXTS = El1Contexts(CORE)
RESET = CONTEXTS.save()


def writable(name: str) -> int:
    """Return the bits of a register that hold what is written, measured once."""
    held = ~0 & (1 << 64) - 1
    for pattern in (0, (1 << 64) - 1):
        CONTEXTS.load({**RESET, name: pattern & (1 << 64) - 1})
        held &= ~(CONTEXTS.save()[name] ^ pattern)
    CONTEXTS.load(RESET)
    return held


HELD = {name: bits for name in CONTEXTS.names if (bits := writable(name) & (1 << 64) - 1)}


def test_nearly_every_register_holds_values():
    for name in ("X0", "X30", "Q31", "SP_EL0", "SP_EL1", "VBAR_EL1", "TTBR0_EL1", "ELR_EL1", "SPSR_EL1", "SCTLR_EL1"):
        assert name in HELD
    assert len(HELD) > 90


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from(sorted(HELD)), value=st.integers(0, (1 << 64) - 1))
def test_two_contexts_alternate(name, value):
    other = {**RESET, name: RESET[name] & ~HELD[name] | value & HELD[name]}
    for context in (other, RESET, other):
        CONTEXTS.load(context)
        assert CONTEXTS.save() == context
    CONTEXTS.load(RESET)


def test_every_q_register_is_128_bits_wide():
    wide = {**RESET, "Q3": 1 << 127 | 5}
    CONTEXTS.load(wide)
    assert CONTEXTS.save()["Q3"] == 1 << 127 | 5
    CONTEXTS.load(RESET)
