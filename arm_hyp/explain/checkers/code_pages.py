"""A rule's page: for the terminal, for machines, and as Markdown for `docs/checks.md`.

Read `catalogue.py` before this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arm_hyp.errors import UserError
from arm_hyp.explain.checkers.catalogue import BY_CODE, RULES
from arm_hyp.explain.checkers.model import Rule

if TYPE_CHECKING:
    from rich.console import RenderableType

_PARTS: Final = (
    ("What goes wrong", "what"),
    ("How it shows", "symptom"),
    ("The way out", "remedy"),
    ("What is not seen", "not_seen"),
)


def rule_of(code: str) -> Rule:
    """Return a rule by its code, in any case. Raises: UserError."""
    rule = BY_CODE.get(code.upper())
    if rule is None:
        raise UserError(code, "there is no such rule", f"the codes go from {RULES[0].code} to {RULES[-1].code}")
    return rule


def paragraph(text: str) -> str:
    """Return a text of a rule as one line."""
    return " ".join(text.split())


def _indented(text: str) -> RenderableType:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(text), (0, 0, 0, 2), expand=False)


def explain_code(code: str) -> RenderableType:
    """Return a rule's page for the terminal. Raises: UserError."""
    from rich.console import Group
    from rich.text import Text

    rule = rule_of(code)
    parts: list[RenderableType] = [Text.assemble((rule.code, "bold red"), "  ", (rule.title, "bold"))]
    for heading, name in _PARTS:
        parts += [Text(""), Text(heading, style="bold cyan"), _indented(paragraph(getattr(rule, name)))]
    parts += [Text(""), Text("Where to read", style="bold cyan")]
    parts += [_indented(reference) for reference in rule.references]
    return Group(*parts)


def code_as_data(code: str) -> dict[str, object]:
    """Return a rule as plain data, for `--json`. Raises: UserError."""
    rule = rule_of(code)
    texts = {name: paragraph(getattr(rule, name)) for _, name in _PARTS}
    return {"code": rule.code, "title": rule.title, **texts, "references": list(rule.references)}


def code_as_markdown(rule: Rule) -> str:
    """Return a rule as a section of a page."""
    lines = [f"## {rule.code}: {rule.title}"]
    lines += [f"**{heading}.** {paragraph(getattr(rule, name))}" for heading, name in _PARTS]
    lines += [f"**Where to read.** {'; '.join(rule.references)}."]
    return "\n\n".join(lines) + "\n"
