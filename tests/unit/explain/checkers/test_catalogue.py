"""Every rule has its page, in the terminal, for machines and in `docs/checks.md`, and a checker that raises it."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from arm_hyp.errors import UserError
from arm_hyp.explain.checkers import ALL_CODES, BY_CODE, RULES, code_as_data, explain_code, parse_codes
from arm_hyp.explain.checkers.code_pages import code_as_markdown
from arm_hyp.explain.checkers.watch import CHECKERS

DOCUMENT = (Path(__file__).parents[4] / "docs" / "checks.md").read_text(encoding="utf-8")


def test_each_code_has_one_rule_and_one_checker():
    codes = [code for checker in CHECKERS for code in checker.codes]
    assert sorted(codes) == [rule.code for rule in RULES] == sorted(BY_CODE)
    assert all(re.fullmatch(r"HYP\d{3}", code) for code in codes)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_page_of_a_rule_is_documented(rule):
    assert code_as_markdown(rule) in DOCUMENT


def test_no_other_rule_is_documented():
    assert set(re.findall(r"^## (HYP\d+)", DOCUMENT, re.MULTILINE)) == ALL_CODES


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("code", sorted(ALL_CODES))
def test_the_page_fits_and_says_everything(code, width):
    console = Console(width=width, color_system=None, record=True)
    with console.capture() as capture:
        console.print(explain_code(code.lower()))
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    data = code_as_data(code)
    assert all(
        " ".join(str(data[name]).split()) in words for name in ("title", "what", "symptom", "remedy", "not_seen")
    )


def test_codes_are_read_in_any_case():
    assert parse_codes("all") == ALL_CODES and parse_codes("None") == frozenset()
    assert parse_codes("hyp001, HYP012") == {"HYP001", "HYP012"}


@pytest.mark.parametrize("text", ["HYP000", "HYP001,HYP999", "", "every"])
def test_a_code_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="there is no such rule"):
        parse_codes(text)


def test_a_page_that_is_none_is_refused():
    with pytest.raises(UserError, match="HYP001 to HYP"):
        explain_code("HYP999")
