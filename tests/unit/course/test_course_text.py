"""text.md in steps, and what a text mentions."""

from pathlib import Path

import pytest
from course_support import HEAD, QUIZ, make

from arm_hyp.course.text import Step, commands_in, keys_in, read_steps, words_in
from arm_hyp.errors import UserError

TEXT = """# A title

Before the first step.

## One

Press <kbd>Space</kbd>.

@task quiz
@go EC=WFX
@panel registers

## Two

```
## no step
@task no directive
```
"""


def steps(folder: Path, text: str) -> tuple[Step, ...]:
    return read_steps(make(folder / "01-a", HEAD + QUIZ, {"text.md": text}))


def test_steps_have_titles_bodies_and_what_is_for_the_program(tmp_path: Path):
    before, one, two = steps(tmp_path, TEXT)
    assert before == Step("", "Before the first step.")
    assert one == Step("One", "Press <kbd>Space</kbd>.", task="quiz", go="EC=WFX", panel="registers")
    assert one.plain == "Press [Space]."
    assert (two.title, two.task) == ("Two", "")
    assert "## no step\n@task no directive" in two.body


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("## One\n@tsk quiz\n", r"text\.md:2: @tsk quiz is nothing to do; there are @task, @run, @go, @panel"),
        ("## One\n@task quiz\n@task quiz\n", r"text\.md:3: a second @task in one step"),
        ("## One\n```\nopen\n", "a block of code does not end"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, text: str, told: str):
    with pytest.raises(UserError, match=told):
        steps(tmp_path, text)


def test_commands_keys_and_words_of_a_text_are_found():
    text = (
        "Type `arm-hyp lesson check -x` or\n\n    $ arm-hyp run guest.s\n\nor <kbd>F8</kbd>.\n@task a\n```\ncode\n```\n"
    )
    assert commands_in(text) == [["lesson", "check", "-x"], ["run", "guest.s"]]
    assert keys_in(text) == ["F8"]
    assert words_in(text) == 12
