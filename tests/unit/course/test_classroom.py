"""The loop: what a student does, what is remembered, and that nothing of theirs is lost."""

from pathlib import Path

import pytest
from course_support import ANSWERS_CALL, HANDLER, HEAD, QUIZ, both, make, write

from arm_hyp.course.build import drawn, seed_text
from arm_hyp.course.catalogue import Catalogue
from arm_hyp.course.classroom import Classroom, open_classroom
from arm_hyp.course.progress import PROGRESS, read_progress
from arm_hyp.course.watching import watch_lesson
from arm_hyp.course.workspace import Workspace
from arm_hyp.errors import UserError
from arm_hyp.timeline.recordings.replay import Replay

RIGHT = ANSWERS_CALL.format("call.args[0] + 1")


def classroom(folder: Path) -> Classroom:
    """Return a course with two lessons, and a student who has begun the first."""
    both(folder / "lessons")
    make(folder / "lessons" / "02-quiz", HEAD + QUIZ, {"text.md": "Text.", "solution/answers.toml": 'quiz = "b"'})
    made = Classroom(Catalogue(folder / "lessons"), Workspace.make(folder / "mine", str(folder / "lessons")))
    made.begin(made.current)
    return made


def again(made: Classroom) -> Classroom:
    """Return the classroom as another start of the program has it."""
    return open_classroom(made.workspace.folder)


def test_a_lesson_begins_with_copies_that_can_be_read_and_run(tmp_path: Path):
    made = classroom(tmp_path)
    folder = made.workspace.of(made.current)
    assert {"handlers.py", "text.md", "guest.s", "seed.inc", "include"} == {path.name for path in folder.iterdir()}
    (_, call) = made.current.tasks
    assert made.machine(made.current, call).image == str(folder / "guest.s")


def test_the_copy_of_the_seed_has_the_number_of_every_task(tmp_path: Path):
    table = HANDLER.replace('name = "call"', 'name = "again"').replace("{ SEED_", "{ SEED_OTHER = [1, 9], SEED_")
    lesson = make(tmp_path / "lessons" / "01-both", HEAD + HANDLER + table)
    made = Classroom(Catalogue(tmp_path / "lessons"), Workspace.make(tmp_path / "mine"))
    made.begin(lesson)
    numbers = drawn(lesson, lesson.task("call"), 0) | drawn(lesson, lesson.task("again"), 0)
    assert drawn(lesson, lesson.task("call"), 0).items() <= drawn(lesson, lesson.task("again"), 0).items()
    assert (made.workspace.of(lesson) / "seed.inc").read_text() == seed_text(numbers, 0)


def test_beginning_again_copies_only_what_is_missing(tmp_path: Path):
    made = classroom(tmp_path)
    folder = write(made.workspace.of(made.current), {"handlers.py": "mine"})
    (folder / "text.md").unlink()
    assert made.begin(made.current) == ["text.md"]
    assert (folder / "handlers.py").read_text() == "mine"


def test_what_passed_is_remembered_and_forgotten_when_it_no_longer_does(tmp_path: Path):
    made = classroom(tmp_path)
    lesson = made.current
    folder = made.workspace.of(lesson)
    made.answer(lesson, lesson.task("quiz"), ["b"])
    made.check(lesson)
    assert [(each.passed, each.tasks) for each in again(made).standings()] == [(1, 2), (0, 1)]
    assert made.next_task(lesson).name == "call"
    write(folder, {"handlers.py": RIGHT})
    made.check(lesson, tasks=["call"])
    assert made.points(lesson) == (3, 3)
    assert again(made).standings()[0].is_passed
    made.answer(lesson, lesson.task("quiz"), ["a"])
    made.check(lesson, tasks=["quiz"])
    assert again(made).points(lesson) == (2, 3)
    assert not again(made).standings()[0].is_passed


def test_the_current_lesson_is_where_one_was_or_where_one_stands(tmp_path: Path):
    made = classroom(tmp_path)
    following = made.next_lesson(made.current)
    assert following is not None and following.name == "02-quiz"
    made.begin(following)
    assert again(made).current.name == "02-quiz"
    assert made.at(made.workspace.folder / "01-both" / "include").name == "01-both"
    assert made.at(tmp_path).name == "02-quiz"
    assert made.next_lesson(following) is None


def test_the_step_of_a_text_is_remembered(tmp_path: Path):
    made = classroom(tmp_path)
    assert made.step(made.current) == 0
    made.remember_step(made.current, 2)
    assert again(made).step(made.current) == 2


def test_hints_get_plainer_and_the_last_one_stays(tmp_path: Path):
    made = classroom(tmp_path)
    task = made.current.task("quiz")
    texts = [again(made).hint(made.current, task).text for _ in range(4)]
    assert texts == ["one", "two", "three", "three"]


def test_a_reset_keeps_what_the_student_had(tmp_path: Path):
    made = classroom(tmp_path)
    lesson = made.current
    folder = write(made.workspace.of(lesson), {"handlers.py": RIGHT})
    made.answer(lesson, lesson.task("quiz"), ["b"])
    made.check(lesson)
    kept = made.reset(lesson)
    assert sorted(path.name for path in kept) == ["answers.toml.kept-1", "handlers.py.kept-1"]
    assert (folder / "handlers.py.kept-1").read_text() == RIGHT
    assert (folder / "handlers.py").read_text() == ANSWERS_CALL.format("0")
    assert made.answers(lesson) == {}
    assert again(made).standings()[0].passed == 0


def test_the_solution_is_for_those_who_passed_or_ask_twice(tmp_path: Path):
    made = classroom(tmp_path)
    with pytest.raises(UserError, match="is for those who have passed, or ask twice"):
        made.solution(made.current)
    assert made.solution(made.current)["handlers.py"] == RIGHT
    second = made.course.lesson("02-quiz")
    made.answer(second, second.task("quiz"), ["b"])
    made.check(second)
    assert made.solution(second) == {"answers.toml": 'quiz = "b"'}


def test_a_damaged_progress_is_kept_and_a_new_one_begins(tmp_path: Path):
    made = classroom(tmp_path)
    path = made.workspace.folder / PROGRESS
    path.write_text('{"passed": [')
    opened = Workspace(made.workspace.folder)
    assert (opened.progress.current, opened.kept) == ("", path.with_name(f"{PROGRESS}.kept-1"))
    assert path.with_name(f"{PROGRESS}.kept-1").read_text() == '{"passed": ['
    path.write_bytes(bytes(100))
    made.remember_step(made.current, 1)
    assert path.with_name(f"{PROGRESS}.kept-2").read_bytes() == bytes(100)
    assert Workspace(made.workspace.folder).kept is None
    path.write_text('{"version": 99}')
    with pytest.raises(UserError, match="is of a later arm-hyp"):
        read_progress(made.workspace.folder)


def test_answers_that_cannot_be_read_are_told_with_the_way_out(tmp_path: Path):
    made = classroom(tmp_path)
    lesson = made.current
    write(made.workspace.of(lesson), {"answers.toml": 'quiz = "b'})
    with pytest.raises(UserError, match=r"is not a TOML file: .*; mend it, or begin a new one"):
        made.answer(lesson, lesson.task("quiz"), ["b"])
    assert (made.workspace.of(lesson) / "answers.toml").read_text() == 'quiz = "b'


def test_a_file_in_the_place_of_a_lesson_is_told(tmp_path: Path):
    made = classroom(tmp_path)
    write(made.workspace.folder, {"02-quiz": "mine"})
    with pytest.raises(UserError, match="is a file, and the lesson needs a folder of this name"):
        made.begin(made.course.lesson("02-quiz"))


def test_a_place_that_is_no_folder_of_the_course_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="is no folder of the course; make one: arm-hyp init DIR"):
        open_classroom(tmp_path)
    write(tmp_path, {"file": ""})
    with pytest.raises(UserError, match="is a file; name a folder"):
        Workspace.make(tmp_path / "file")


def test_a_lesson_that_cannot_be_read_is_listed_with_the_reason(tmp_path: Path):
    made = classroom(tmp_path)
    write(made.course.folder, {"01-both/lesson.toml": "[broken"})
    first, second = made.standings()
    assert "is not a TOML file" in first.problem and second.title == "A title"


def test_a_bug_is_to_be_found_in_a_recording(tmp_path: Path):
    bug = HANDLER.replace("call", "find").replace('"handler"', '"bug"').replace('files = ["handlers.py"]\n', "")
    bug = bug.replace('"handlers.py"', '""') + 'question = "Where?"\n'
    files = {"text.md": "", "machine/guest.s": "_start: b _start", "solution/answers.toml": 'find = "_start"'}
    lesson = make(tmp_path / "lessons" / "01-bug", HEAD + bug, files)
    made = Classroom(Catalogue(tmp_path / "lessons"), Workspace.make(tmp_path / "mine"))
    assert "find.hyp" in made.begin(lesson)
    with Replay.open(str(made.workspace.of(lesson) / "find.hyp")) as replay:
        assert replay.recording.end.n == 20_000


def test_what_another_terminal_did_in_the_meantime_is_not_lost(tmp_path: Path):
    made = classroom(tmp_path)
    lesson, other = made.current, again(made)
    second = other.course.lesson("02-quiz")
    other.begin(second)
    other.answer(second, second.task("quiz"), ["b"])
    other.check(second)
    other.remember_step(second, 3)
    other.hint(second, second.task("quiz"))
    with pytest.raises(UserError, match="ask twice"):
        other.solution(lesson)
    made.check(lesson, tasks=["quiz"])
    made.hint(lesson, lesson.task("quiz"))
    made.remember_step(lesson, 1)
    made.solution(lesson)
    made.reset(lesson)
    found = read_progress(made.workspace.folder)
    assert found.passed == {"02-quiz": ["quiz"]}
    assert found.step == {"01-both": 1, "02-quiz": 3}
    assert found.hints == {"01-both/quiz": 1, "02-quiz/quiz": 1}
    assert (found.asked, found.current) == ({"01-both": 2}, "02-quiz")


# --- watching ---------------------------------------------------------------------------------------------------------


def test_a_save_checks_the_tasks_that_look_at_that_file(tmp_path: Path):
    made = classroom(tmp_path)
    lesson = made.current
    folder = made.workspace.of(lesson)
    results = watch_lesson(made, lesson, saves(folder), seed=0)
    told = [[(task.task, task.status) for task in result.tasks] for result in results]
    assert told == [
        [("quiz", "failed"), ("call", "failed")],
        [("quiz", "passed")],
        [("call", "failed")],
        [("call", "passed")],
    ]


def saves(folder: Path):
    """Write files one after the other, as an editor does, and wake the watcher after each."""
    yield "nothing was written"
    for name, text in (
        ("answers.toml", 'quiz = "b"'),
        ("answers.toml", 'quiz = "b"'),
        ("text.md", "a note of mine"),
        ("handlers.py", "broken ("),
        ("handlers.py", RIGHT),
    ):
        write(folder, {name: text})
        yield name
    pytest.fail("it watches though all is passed")
