"""A lesson on paper: all that is asked, nothing of the answers, and nothing that a text could smuggle in."""

from pathlib import Path

from course_support import FILES, HANDLER, HEAD, QUIZ, make

from arm_hyp.course.handout import handout

TEXT = """
Press <kbd>F8</kbd>. <script>alert(1)</script>

## One & two

`arm-hyp run`

@task quiz

## Three

@task call
"""


def page(folder: Path) -> str:
    manifest = HEAD + QUIZ.replace("this", "x < y") + HANDLER
    return handout(make(folder / "01-both", manifest, FILES | {"text.md": TEXT}))


def test_a_page_has_the_text_and_what_is_asked(tmp_path: Path):
    made = page(tmp_path)
    for part in (
        "<h1>A title</h1>",
        "Press <kbd>F8</kbd>.",
        "<h2>One &amp; two</h2>",
        "<code>arm-hyp run</code>",
        "<li>&#9744; a: x &lt; y</li>",
        "edit handlers.py",
        "<li>DDI 0487, D19.2.48: HCR_EL2</li>",
    ):
        assert part in made


def test_a_page_has_no_hints_no_answers_and_no_scripts(tmp_path: Path):
    made = page(tmp_path)
    assert "&lt;script&gt;" in made
    for part in ("<script", "is not it", "three", "@task", "http"):
        assert part not in made
