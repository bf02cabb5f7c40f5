"""Any word of the screen explained: registers and fields, exception classes, instructions, checks, abbreviations.

Read `tui/glossary.py` and `explain/bits.py` before this file, `tui/app.py` after it.

    explain_word("HCR_EL2.TWI", view)   # lines of text
    word_at("MSR HCR_EL2, X0", 5)       # "HCR_EL2"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from rich.text import Text

from arm_hyp.arch import sysregs
from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.control_bits import HCR_E2H
from arm_hyp.arch.iss_layouts import layouts_of
from arm_hyp.arch.registers import PSTATE, REGISTERS, layout_of
from arm_hyp.arch.syndromes import EC, EXCEPTION_CLASSES, decode_esr, ec_description
from arm_hyp.errors import UserError
from arm_hyp.explain.bits import BitStory, explain_bit, explain_instruction, summarize_bit
from arm_hyp.explain.checkers.catalogue import RULES
from arm_hyp.explain.checkers.code_pages import paragraph, rule_of
from arm_hyp.explain.examples import word_of
from arm_hyp.timeline.process.answers import RegistersAnswer
from arm_hyp.tui.glossary import MNEMONICS, TERMS
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.bit_grid import value_text
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.view import View, number

Lines = list[Text] | None
_WORD: Final = re.compile(r"EC 0x[0-9A-Fa-f]+|[A-Za-z_][\w$]*(?:\.[\w$]+)*")
_CODE: Final = re.compile(r"HYP\d+")
_CLASS: Final = re.compile(r"EC (0X[0-9A-F]+|\d+)")
_SYNDROME: Final = re.compile(r"(?:ESR(?:_EL[12])?[ =]+)?0X([0-9A-F]{1,16})")
_ISS2_LSB: Final = 32
_GENERAL: Final = re.compile(r"([XW])([0-9]|[12][0-9]|30)")
_VECTOR: Final = re.compile(r"[VQDSHB]([0-9]|[12][0-9]|3[01])")
_CALLS: Final = {
    8: " A system call puts its number here.",
    29: " By convention the frame pointer.",
    30: " The link register: BL puts the address behind it here.",
}
_MOST_RULES: Final = 5
_MOST_FIELDS: Final = 12
_NEAR: Final = 4


def word_at(text: str, column: int) -> str:
    """Return the word of a line that a column lies in, with its field or class; empty where there is none."""
    return next((found[0] for found in _WORD.finditer(text) if found.start() <= column < found.end()), "")


def explain_word(word: str, view: View, look: Look | None = None) -> list[Text]:
    """Explain a word, with its value at the cursor where it has one; say so, with near words, if nobody knows it."""
    chosen, asked = look or Look(), " ".join(word.strip(" ,;:!?()[]<>\"'`").split())
    for explain in _WAYS:
        found = explain(asked, view, chosen)
        if found is not None:
            return found
    return _unknown(asked, chosen)


def _title(name: str, words: str, look: Look) -> Text:
    return Text().append(name, look.style("title")).append(f"  {words}" if words else "", look.style("strong"))


def _plain(text: str, look: Look, role: str = "text") -> Text:
    return Text().append(text, look.style(role))


# --- checks, classes, syndromes ---------------------------------------------------------------------------------------


def _check(word: str, view: View, look: Look) -> Lines:
    if not _CODE.fullmatch(word.upper()):
        return None
    try:
        rule = rule_of(word)
    except UserError as error:
        return [_plain(f"{error.thing}: {error.cause}; {error.way_out}.", look)]
    parts = (rule.what, f"How it shows: {paragraph(rule.symptom)}", f"The way out: {paragraph(rule.remedy)}")
    return [_title(rule.code, rule.title, look), *(_plain(paragraph(part), look) for part in parts)]


def _exception_class(word: str, view: View, look: Look) -> Lines:
    found = _CLASS.fullmatch(word.upper())
    if found is None:
        return None
    value = int(found[1], 0)
    if value >= len(EXCEPTION_CLASSES):
        return [_plain(f"An exception class has six bits: EC {value:#x} is none.", look)]
    row = EXCEPTION_CLASSES[value]
    lines = [_title(f"EC {value:#04x}", row.name, look), _plain(f"{_sentence(ec_description(value, 2))}", look)]
    if row.defined:
        lines.append(_plain(f"It is taken to EL{row.lowest_target_el} or higher.", look, "dim"))
    return lines


def _syndrome(word: str, view: View, look: Look) -> Lines:
    """Take a syndrome apart: a number, with or without ESR before it. Those of EL2 say what those of EL1 do."""
    found = _SYNDROME.fullmatch(word.upper())
    if found is None:
        return None
    value = int(found[1], 16)
    lines = [_title(f"{number(value)} as a syndrome", "", look)]
    for leaf in decode_esr(value, 2, sysregs.name_of).leaves():
        if not leaf.value and (leaf.is_res0 or leaf.lsb >= _ISS2_LSB):
            continue
        bits = f"<{leaf.msb}>" if leaf.msb == leaf.lsb else f"<{leaf.msb}:{leaf.lsb}>"
        lead = f"{leaf.name} {bits} is {leaf.value:#x}"
        lines.append(Text.assemble((lead, look.style("strong")), (f"  {leaf.meaning}", look.style("text"))))
    return lines


def _syndrome_field(word: str, view: View, look: Look) -> Lines:
    """Explain a field of ISS, as the class of the last exception has it; else as the first class that has one."""
    stem, _, name = word.partition(".")
    if stem.upper() != "ISS" or not name:
        return None
    trap = view.trap
    own = (trap.esr >> 26 & 0x3F,) if trap is not None and trap.esr is not None else ()
    for ec in (*own, EC.DATA_ABORT_LOWER, *range(len(EXCEPTION_CLASSES))):
        found = _field_of(layouts_of(ec), name)
        if found is not None:
            lines = [_title(f"ISS.{found.name} {_range(found)}", f"EC {ec:#04x}, {EXCEPTION_CLASSES[ec].name}", look)]
            return [*lines, *_meaning_lines(found, look), *_here(found.name, ec, view, look)]
    return None


def _field_of(layouts: tuple[type[Register], ...], name: str) -> Field | None:
    return next((f for layout in layouts for f in layout.FIELDS if f.name.upper() == name.upper()), None)


def _here(name: str, ec: int, view: View, look: Look) -> Iterator[Text]:
    trap = view.trap
    if trap is None or trap.esr is None or trap.esr >> 26 & 0x3F != ec:
        return
    for node in decode_esr(trap.esr, trap.to_el, sysregs.name_of).leaves():
        if node.name == name:
            yield _plain(f"In the last exception it is {node.value:#x}: {node.meaning}.", look, "dim")


# --- registers --------------------------------------------------------------------------------------------------------


def _field(word: str, view: View, look: Look) -> Lines:
    register, _, name = word.partition(".")
    layout = _layout(register.upper(), view) if name else None
    found = None if layout is None else _field_of((layout,), name)
    if layout is None or found is None:
        return None if layout is None else _no_field(register.upper(), name, layout, look)
    full = f"{register.upper()}.{found.name}"
    lines = [_title(f"{full} {_range(found)}", "", look), *_meaning_lines(found, look)]
    value = value_of(register.upper(), view)
    if value is not None:
        lines.append(_plain(f"Here it is {value_text(found, value >> found.lsb & found.max)}.", look, "strong"))
    return [*lines, *_caught(full, view, look)]


def _no_field(register: str, name: str, layout: type[Register], look: Look) -> list[Text]:
    known = [field.name for field in layout.FIELDS]
    near = get_close_matches(name, known, n=_NEAR, cutoff=0.4) or known[:_MOST_FIELDS]
    return [_plain(f"{register} has no field {visible(name)}; it has {', '.join(near)}.", look)]


def _layout(register: str, view: View) -> type[Register] | None:
    if register == "PSTATE":
        return PSTATE
    return layout_of(register, e2h=bool((value_of("HCR_EL2", view) or 0) & HCR_E2H))


def _range(field: Field) -> str:
    return f"<{field.msb}>" if field.width_bits == 1 else f"<{field.msb}:{field.lsb}>"


def _meaning_lines(field: Field, look: Look) -> Iterator[Text]:
    if field.meaning:
        yield _plain(_sentence(field.meaning), look)
    for value in range(min(field.max + 1, 16)):
        told = field.text(value)
        if told and told != "reserved value":
            yield _plain(f"  {value_text(field, value)}: {told}", look, "dim")


def _caught(full: str, view: View, look: Look) -> Iterator[Text]:
    """Say which rules ask for a control bit, with an example; nothing for a field that none asks for."""
    try:
        story: BitStory = explain_bit(full, view.subject.model, view.subject.gic)
    except UserError:
        return
    if story.caught or story.register != "PSTATE":
        yield _plain(summarize_bit(full), look)
    for one in story.caught[:_MOST_RULES]:
        yield _plain(f"  {one.text}", look, "dim")
    if len(story.caught) > _MOST_RULES:
        yield _plain(f"  and {len(story.caught) - _MOST_RULES} more rules: arm-hyp explain bit {full}", look, "dim")
    if story.example is not None:
        yield _plain(f"Example: {story.example.sentence}", look)
    if story.missing:
        yield _plain(f"This machine does not have it: {story.missing}.", look)


def _register(word: str, view: View, look: Look) -> Lines:
    name = _register_names().get(word.upper())
    if name is None:
        return None
    row, layout = sysregs.by_name(name), _layout(name, view)
    about = (layout.__doc__ or "").partition(" Ref:")[0].splitlines()[0] if layout is not None else ""
    lines = [_title(name, about.rstrip("."), look), _plain(_access(row), look, "dim")]
    value = value_of(name, view)
    if value is not None:
        lines.append(_plain(f"Here it is {number(value)}.", look, "strong"))
    if layout is not None:
        lines += _set_fields(layout, value or 0, look)
    return lines


def _access(row: sysregs.SystemRegister) -> str:
    ways = {"RW": "read and written", "RO": "read", "WO": "written"}[row.access]
    return f"A system register that can be {ways} from EL{row.min_el} on, if nothing traps it."


def _set_fields(layout: type[Register], value: int, look: Look) -> Iterator[Text]:
    set_fields = [row for row in layout(value & (1 << layout.WIDTH) - 1).describe() if row.value]
    for row in set_fields[:_MOST_FIELDS]:
        yield _plain(f"  {row.name} = {row.value:#x}: {row.meaning}", look, "dim")


@lru_cache(maxsize=1)
def _register_names() -> dict[str, str]:
    return {row.name.upper(): row.name for row in sysregs.TABLE}


def value_of(register: str, view: View) -> int | None:
    """Return the value of a register of the CPU looked at, if it was read for this view; None if it was not."""
    for message, answer in view.answers.items():
        if isinstance(answer, RegistersAnswer) and getattr(message, "whose", None) == view.whose:
            value = next((group.values[register] for group in answer.groups if register in group.values), None)
            if isinstance(value, int):
                return value
    return None


def _general(word: str, view: View, look: Look) -> Lines:
    upper = word.upper()
    found = _GENERAL.fullmatch(upper)
    if found is not None:
        index, is_low = int(found[2]), found[1] == "W"
        what = "The low 32 bits of a general register." if is_low else "A general register of 64 bits."
        lines = [_title(upper, "", look), _plain(what + _CALLS.get(index, ""), look)]
        value = value_of(f"X{index}", view)
        shown = None if value is None else number(value & 0xFFFF_FFFF, 8) if is_low else number(value)
        return lines if shown is None else [*lines, _plain(f"Here it is {shown}.", look, "strong")]
    if _VECTOR.fullmatch(upper):
        return [_title(upper, "", look), _plain("A register of 128 bits for FP and SIMD, or a part of one.", look)]
    if upper in ("SP", "WSP"):
        return [_title(upper, "", look), _plain("The stack pointer: SP_EL0 or that of this level, by PSTATE.SP.", look)]
    return None


def _flag(word: str, view: View, look: Look) -> Lines:
    """Take a word for a field of PSTATE: N, DAIF's letters, IL, PAN."""
    return _field(f"PSTATE.{word}", view, look) if _field_of((PSTATE,), word) is not None else None


# --- instructions and terms -------------------------------------------------------------------------------------------


def _operation(word: str, view: View, look: Look) -> Lines:
    try:
        row = sysregs.operation_by_name(word.upper())
    except KeyError:
        return None
    stem = row.name.partition(" ")[0]
    takes = "takes a register" if row.takes_register else "takes no register"
    lines = [_title(row.name, "", look), _plain(MNEMONICS.get(stem, ""), look)]
    lines.append(_plain(f"It {takes}, and exists from EL{row.min_el} on.", look, "dim"))
    return [*lines, *_touching(row.name, view, look)]


def _mnemonic(word: str, view: View, look: Look) -> Lines:
    stem, dot, _ = word.upper().partition(".")
    name = next((each for each in (word.upper(), stem + dot, stem) if each in MNEMONICS), "")
    words = MNEMONICS.get(name)
    if words is None:
        return None
    return [_title(name, "", look), _plain(words, look), *_touching(name, view, look)]


def _touching(name: str, view: View, look: Look) -> Iterator[Text]:
    """Say which trap rules can touch an instruction, by the level that it is executed at."""
    found = word_of(name, is_read=False)
    if found is None:
        return
    story = explain_instruction(found[1], found[0], view.subject.model, view.subject.gic)
    for el, rules in story.rules.items():
        if rules and el < 3:
            yield _plain(f"At EL{el}: {', '.join(dict.fromkeys(one.rule for one in rules))}", look, "dim")


def _term(word: str, view: View, look: Look) -> Lines:
    name = _term_names().get(word.upper().replace(" ", ""))
    return None if name is None else [_title(name, "", look), _plain(TERMS[name], look)]


@lru_cache(maxsize=1)
def _term_names() -> dict[str, str]:
    return {name.upper(): name for name in TERMS}


def _symbol(word: str, view: View, look: Look) -> Lines:
    name = word.partition("+")[0]
    address = view.subject.symbols.address_of(name)
    if address is None:
        return None
    return [_title(visible(name), "", look), _plain(f"A symbol of the guest, at {number(address)}.", look)]


def _field_alone(word: str, view: View, look: Look) -> Lines:
    """Explain a field without its register: that which decides the trap at the cursor, else that of HCR_EL2 or any."""
    deciding = [register for register, name in view.deciding if name == word.upper()]
    order = [*deciding, "HCR_EL2", *REGISTERS]
    found = list(dict.fromkeys(one for one in order if any(f.name == word.upper() for f in REGISTERS[one].FIELDS)))
    if not found:
        return None
    lines = _field(f"{found[0]}.{word}", view, look)
    more = found[1 : _MOST_FIELDS + 1]
    return lines if lines is None or not more else [*lines, _plain(f"Also in {', '.join(more)}.", look, "dim")]


# --- what nobody knows ------------------------------------------------------------------------------------------------


def _unknown(word: str, look: Look) -> list[Text]:
    if not word:
        return [_plain("There is no word here. Point at a register, a bit, or an instruction.", look)]
    near = get_close_matches(word.upper(), _all_names(), n=_NEAR, cutoff=0.6)
    lines = [_plain(f"Nobody here knows the word {visible(word[:60])}.", look)]
    return [*lines, _plain(f"Near words: {', '.join(map(_shown, near))}.", look)] if near else lines


def _shown(upper: str) -> str:
    return _register_names().get(upper) or _term_names().get(upper) or upper


@lru_cache(maxsize=1)
def _all_names() -> tuple[str, ...]:
    names = [*_register_names(), *REGISTERS, *MNEMONICS, *_term_names(), *(row.name for row in sysregs.OPERATIONS)]
    return tuple(dict.fromkeys([*names, *(rule.code for rule in RULES)]))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


_WAYS: Final[tuple[Callable[[str, View, Look], Lines], ...]] = (
    _check,
    _exception_class,
    _syndrome,
    _syndrome_field,
    _field,
    _general,
    _term,
    _register,
    _operation,
    _mnemonic,
    _flag,
    _symbol,
    _field_alone,
)
"""In this order; the first that knows a word explains it."""
