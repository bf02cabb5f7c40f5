"""An instruction as text whose parts can be asked about: mnemonic, registers, operations, targets.

Read `cpu/disassembler.py` before this file, `panels/code.py` and `panels/trap.py` after it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rich.text import Text

from arm_hyp.arch import sysregs
from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import visible

_TARGET: Final = re.compile(r"0x[0-9a-f]+ <(.+)>$")
_TOKEN: Final = re.compile(r"[A-Za-z_][\w.]*|[^A-Za-z_]+")
_GENERAL: Final = re.compile(r"[xw]([0-9]|[12][0-9]|30)|sp|wsp|[vqdshb]([0-9]|[12][0-9]|3[01])")
_OPERATIONS: Final = frozenset({"tlbi", "at", "dc", "ic", "cfp", "dvp", "cpp"})
_MNEMONIC_CELLS: Final = 7


def instruction_text(word: int, address: int, symbols: SymbolTable) -> str:
    """Return an instruction in one line; a target that has a symbol is shown by it alone."""
    text = disassemble(word, address, symbols)
    found = _TARGET.search(text)
    return visible(text if found is None else f"{text[: found.start()]}{found[1]}")


@lru_cache(maxsize=4096)
def styled(text: str, look: Look) -> Text:
    """Return an instruction with its operands in a column; what is known can be asked about."""
    mnemonic, _, operands = text.partition(" ")
    drawn = Text().append(mnemonic, look.style("strong", explain=mnemonic.upper()))
    if not operands:
        return drawn
    drawn.append(" " * max(_MNEMONIC_CELLS - len(mnemonic), 1))
    for token in _TOKEN.findall(operands):
        word = explained(mnemonic, token)
        drawn.append(token, look.style("code", explain=word) if word else look.style("code"))
    return drawn


def styled_cells(text: str) -> int:
    """Return how many cells an instruction takes when it is drawn."""
    mnemonic, _, operands = text.partition(" ")
    return max(len(mnemonic) + 1, _MNEMONIC_CELLS) + len(operands) if operands else len(mnemonic)


@lru_cache(maxsize=4096)
def explained(mnemonic: str, token: str) -> str:
    """Return the word by which a part of an instruction is explained; empty for what is not."""
    if mnemonic in _OPERATIONS:
        name = f"{mnemonic} {token}".upper()
        if name in _operation_names():
            return name
    return token.upper() if _GENERAL.fullmatch(token) else _register_names().get(token.upper(), "")


@lru_cache(maxsize=1)
def _register_names() -> dict[str, str]:
    return {row.name.upper(): row.name for row in sysregs.TABLE}


@lru_cache(maxsize=1)
def _operation_names() -> frozenset[str]:
    return frozenset(row.name for row in sysregs.OPERATIONS)
