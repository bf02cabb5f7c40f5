"""Long text with styles in lines."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from arm_hyp.tui.printed import in_columns
from arm_hyp.tui.text import flowed


def test_lines_break_at_spaces_and_keep_their_styles():
    text = Text("one ").append("two three", "bold").append(" four")
    lines = flowed(text, 9, indent=2)
    assert [line.plain for line in lines] == ["one two", "  three", "  four"]
    assert [str(span.style) for span in lines[1].spans] == ["bold"]


@given(st.text(st.sampled_from("ab 漢"), max_size=60), st.integers(2, 20), st.integers(0, 4))
def test_no_line_is_too_wide_and_no_word_is_lost(plain: str, width: int, indent: int):
    lines = flowed(Text(plain), width, indent)
    assert all(line.cell_len <= width for line in lines)
    assert "".join("".join(line.plain for line in lines).split()) == "".join(plain.split())


def test_the_prompt_breaks_its_lines_at_words_where_there_is_a_terminal():
    text = "EL1 traps to EL2.\n  step [N]: one step on"
    assert in_columns(text, 14) == ["EL1 traps to", "EL2.", "  step [N]:", "  one step on"]
    assert in_columns(text, 30) == in_columns(text, None) == text.split("\n")
