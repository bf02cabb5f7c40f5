"""A course: which lessons, in which order, for how many points."""

from pathlib import Path

import pytest
from course_support import HANDLER, HEAD, QUIZ, make, write

from arm_hyp.course.catalogue import Catalogue
from arm_hyp.errors import UserError


def course(folder: Path, toml: str = "") -> Catalogue:
    make(folder / "01-one", HEAD + QUIZ + HANDLER)
    make(folder / "02-two", HEAD + QUIZ)
    write(folder, {"README.md": "no lesson", "03-no-manifest/x": ""})
    if toml:
        write(folder, {"course.toml": toml})
    return Catalogue(folder)


def test_lessons_come_in_order_and_by_any_form_of_their_name(tmp_path: Path):
    made = course(tmp_path)
    assert made.names == ("01-one", "02-two")
    assert {made.lesson(name).name for name in ("02-two", "02", "2", "two")} == {"02-two"}
    with pytest.raises(UserError, match="lesson twoo: there is no such lesson; did you mean 02-two"):
        made.lesson("twoo")


def test_a_teacher_chooses_lessons_order_and_points(tmp_path: Path):
    made = course(tmp_path, 'lessons = ["02-two", "01-one"]\npoints = { 01-one = 30, "01-one/quiz" = 5 }\n')
    assert made.names == ("02-two", "01-one")
    assert made.points(made.lesson("01")) == {"quiz": 5, "call": 20}
    assert made.points(made.lesson("02")) == {"quiz": 1}


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('lessons = ["02-too"]', "lessons: 02-too: there is no such lesson; did you mean 02-two"),
        ('lessons = ["../01-one"]', "there is no such lesson"),
        ("points = { 05-x = 3 }", "points: 05-x: is no lesson of this course"),
        ("points = { 01-one = 0 }", "points: 01-one: 0.0 is no number of points"),
        ("lesson = 3", "the table contains unknown field `lesson`"),
    ],
)
def test_mistakes_in_a_course_are_told(tmp_path: Path, toml: str, told: str):
    with pytest.raises(UserError) as error:
        course(tmp_path, toml)
    assert told in str(error.value)


def test_a_broken_lesson_hides_no_other(tmp_path: Path):
    made = course(tmp_path)
    write(tmp_path, {"01-one/lesson.toml": "[broken"})
    assert made.lesson("02").name == "02-two"
    with pytest.raises(UserError, match="is not a TOML file"):
        made.lesson("01")
