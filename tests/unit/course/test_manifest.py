"""lesson.toml: what it says, and one line for whatever is wrong with it."""

from pathlib import Path

import pytest
from course_support import HANDLER, HEAD, QUIZ, make, write

from arm_hyp.course.manifest import read_lesson
from arm_hyp.errors import UserError


def test_a_lesson_has_its_folders_name_and_its_tasks(tmp_path: Path):
    lesson = make(tmp_path / "01-both", HEAD + QUIZ + HANDLER)
    assert (lesson.name, lesson.points, [task.name for task in lesson.tasks]) == ("01-both", 3, ["quiz", "call"])
    assert lesson.task("call").seed == {"SEED_NUMBER": (3, 99)}
    with pytest.raises(UserError, match="there is no such task; there are quiz, call"):
        lesson.task("cal")


def test_crlf_and_a_byte_order_mark_are_read(tmp_path: Path):
    folder = write(tmp_path / "01-a", {})
    folder.mkdir(exist_ok=True)
    (folder / "lesson.toml").write_bytes(b"\xef\xbb\xbf" + (HEAD + QUIZ).replace("\n", "\r\n").encode())
    assert read_lesson(folder).head.title == "A title"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[lesson", "is not a TOML file"),
        (HEAD, "missing required field `task`"),
        (HEAD + QUIZ.replace("points = 1", 'points = "1"'), "Expected `int`, got `str`, at `task[0].points`"),
        (HEAD + QUIZ.replace('"quiz"\ntitle', '"riddle"\ntitle'), "Invalid enum value 'riddle', at `task[0].kind`"),
        (HEAD + QUIZ + "colour = 1", "unknown field `colour`, at `task[0]`"),
        (HEAD + QUIZ + QUIZ, "two tasks are called quiz"),
        (HEAD + QUIZ.replace('name = "quiz"', 'name = "A b"'), "'A b' is no name of a task"),
        (HEAD + QUIZ.replace("points = 1", "points = 0"), "points: 0 is no number of points"),
        (HEAD + QUIZ.replace('why = { a = "', 'why = { c = "'), "why: there is no choice 'c'"),
        (HEAD + HANDLER.replace('["handlers.py"]', '["../handlers.py"]'), "cannot be a student's file"),
        (HEAD + HANDLER.replace("SEED_NUMBER = [3, 99]", "SEED_NUMBER = [9, 3]"), "with a range of numbers"),
        (HEAD + HANDLER.replace("limit = 20_000", "limit = 0"), "is no number of instructions"),
        (HEAD + 'requires = "99.0"\n' + "[[future]]", "needs arm-hyp 99.0, and this is"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, told: str):
    with pytest.raises(UserError) as error:
        make(tmp_path / "01-a", text, {})
    assert told in str(error.value)
    assert "lesson.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_other_encodings_and_missing_files_are_told(tmp_path: Path):
    folder = write(tmp_path / "01-a", {"text.md": ""})
    with pytest.raises(UserError, match="no such file or directory"):
        read_lesson(folder)
    (folder / "lesson.toml").write_bytes("[lesson]".encode("utf-16"))
    with pytest.raises(UserError, match="is not UTF-8 text from byte 0 on; save it as UTF-8"):
        read_lesson(folder)
