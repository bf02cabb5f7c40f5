"""What the keys of a lesson do: one table, over that of every terminal.

Read `tui/keys.py` and `tui/lessons/app.py` before this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from rich.text import Text

from arm_hyp.course.verdict import LessonResult
from arm_hyp.errors import UserError
from arm_hyp.tui.actions import DO
from arm_hyp.tui.lessons.answering import Do, do_task, edit, flip, guarded
from arm_hyp.tui.lessons.page import FIRST_SAY
from arm_hyp.tui.lessons.screens import LessonsScreen
from arm_hyp.tui.lessons.verdict import failed_run, first_failed
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.screens import TextScreen

if TYPE_CHECKING:
    from arm_hyp.tui.lessons.app import LessonApp


# --- the text ---------------------------------------------------------------------------------------------------------


def _go_on(app: LessonApp) -> None:
    """Read on; behind the end of a step go to the next one, or do its task first."""
    task = app.study.task
    if app.read_on():
        return
    if task is not None and task.files and not app.study.has_passed(task):
        app.say(f"d edits {', '.join(task.files)}: what you save is checked; ] goes on without it")
    elif task is not None and not app.study.has_passed(task):
        do_task(app)
    elif not app.study.is_last:
        app.turn(1)
    elif app.study.open_step is not None:
        app.turn(app.study.open_step - app.study.index)
    else:
        _next_lesson(app)


def _enter(app: LessonApp) -> None:
    """Go on in the page, type to the guest in a console, and come back to the page from elsewhere."""
    if app.focused_panel is app.page:
        _go_on(app)
    elif app.focused_panel is app.panels["consoles"]:
        DO["console"](app)
    else:
        app.show_page()


def _text(app: LessonApp) -> None:
    """Go to the page, or back to the run."""
    if app.zoomed == "page":
        app.zoom(None)
        if app.is_hidden:
            app.say(FIRST_SAY)
    else:
        app.show_page()


def _lessons(app: LessonApp) -> None:
    classroom = app.study.classroom

    def chosen(name: str | None) -> None:
        if name:
            guarded(lambda app: app.begin(classroom.lesson(name)))(app)

    app.push_screen(LessonsScreen(classroom.standings(), app.look), chosen)


def _next_lesson(app: LessonApp) -> None:
    following = app.study.classroom.next_lesson(app.study.lesson)
    if following is None:
        app.say("this was the last lesson: L shows all of them")
    else:
        app.begin(following)


# --- the task ---------------------------------------------------------------------------------------------------------


def _check(app: LessonApp) -> None:
    """Check the task of this step, or all of them."""
    study, task = app.study, app.study.task
    if task is not None and not task.files and task.name not in study.answers:
        app.say("there is nothing to check yet: d answers")
    else:
        app.check([task.name] if task is not None else [each.name for each in study.lesson.tasks])


def _hint(app: LessonApp) -> None:
    """Give a hint; it stands on the page."""
    task = app.study.task
    if task is None:
        app.say("hints are for tasks, and there is none in this step: Enter goes on in the text")
        return
    hint = app.study.classroom.hint(app.study.lesson, task)
    app.draw_page()
    app.show_page()
    app.read_to_end()
    app.say(f"hint {hint.number} of {hint.of}" + ("; h: a plainer one" if hint.number < hint.of else ""))


def _solution(app: LessonApp) -> None:
    lines = [Text("What others do; yours may be different, and right.", app.look.style("dim"))]
    try:
        files = app.study.classroom.solution(app.study.lesson)
    except UserError:
        app.say("the solution is for those who have passed: h gives a hint; x once more shows it all the same")
        return
    for name, text in files.items():
        lines += [Text(), Text(name, app.look.style("title"))]
        lines += [Text(visible(line.expandtabs()), app.look.style("code")) for line in text.splitlines()]
    app.push_screen(TextScreen("a solution", lines, app.look))


def _reset(app: LessonApp) -> None:
    """Put back what the lesson starts with, when the student has said so."""

    async def take(text: str) -> str:
        if text.lower() not in ("y", "yes"):
            return "nothing was changed"
        kept = app.study.classroom.reset(app.study.lesson)
        app.study.results.clear()
        app.result = None
        app.saves.tasks()
        app.draw_page()
        await app.enter(is_new=True)
        return f"as it starts; kept: {', '.join(path.name for path in kept)}" if kept else "as it starts"

    app.question("begin this lesson anew? what you have is kept beside it (yes)", take)


def _rerun(app: LessonApp) -> None:
    app.show_run()
    app.do("rerun", lambda: app.enter(is_new=True))


# --- verdicts ---------------------------------------------------------------------------------------------------------


def leads_to(app: LessonApp, result: LessonResult) -> tuple[str, Callable[[], None]]:
    """Return what Enter does behind a verdict, in words, and how."""
    if app.is_unseen:
        return "see it happen", lambda: app.soon("run", lambda _count: app.happen())
    failed = first_failed(result)
    if failed is None:
        return _on_words(app), lambda: _passed(app)
    if failed_run(result) is not None:
        return "look at where your run goes astray", lambda: app.do("failed", app.look_at_failed)
    return "try again", lambda: _again(app)


def _again(app: LessonApp) -> None:
    """Back to the task, with its run as the files and answers make it now."""
    app.show_page()
    if app.has_changed:
        app.do("step", app.enter)


def _on_words(app: LessonApp) -> str:
    if not _is_of_step(app) or (app.study.is_last and app.study.open_step is not None):
        return "back to the text"
    return "the next lesson" if app.study.is_last else "on in the text"


def _passed(app: LessonApp) -> None:
    """Go on behind the task of this step; without a step behind it to the next lesson."""
    app.show_page()
    if not _is_of_step(app):
        return
    if not app.study.is_last:
        app.turn(1)
    elif app.study.open_step is None:
        guarded(_next_lesson)(app)


def _is_of_step(app: LessonApp) -> bool:
    """Tell whether the last check was of the task of this step."""
    task, result = app.study.task, app.result
    return task is not None and result is not None and task.name in [one.task for one in result.tasks]


DO_IN_LESSON: Final[Mapping[str, Do]] = {
    "go_on": guarded(_go_on),
    "console": guarded(_enter),
    "text": _text,
    "do": guarded(do_task),
    "edit": guarded(edit),
    "whatif": guarded(flip),
    "check": _check,
    "hint": guarded(_hint),
    "feedback": lambda app: app.show_verdict(),
    "rerun": _rerun,
    "lessons": guarded(_lessons),
    "next_lesson": guarded(_next_lesson),
    "solution": guarded(_solution),
    "reset": _reset,
}
"""What differs from, or is not in, `tui/actions.py`."""
