"""How a task is answered: a choice, a line, bits in a list or in the grid, a table, a place in the source, a file.

Read `tui/lessons/screens.py`, `pointing.py`, `table_form.py` and `editor.py` before this file, `tui/lessons/actions.py`
after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from arm_hyp.course.manifest import Task
from arm_hyp.errors import UserError
from arm_hyp.tui.actions import DO, bit_here, edit_files, word_here
from arm_hyp.tui.lessons.editor import EditScreen, text_of
from arm_hyp.tui.lessons.page import answer_text
from arm_hyp.tui.lessons.pointing import TYPED, PointScreen, place_of, sources_of
from arm_hyp.tui.lessons.screens import BitsScreen, ChoiceScreen, field_of
from arm_hyp.tui.lessons.table_form import Filled, TableScreen

if TYPE_CHECKING:
    from arm_hyp.tui.lessons.app import LessonApp

Do = Callable[["LessonApp"], None]


def guarded(do: Do) -> Do:
    """Have what the student got wrong, or what cannot be written, said in the bottom line."""

    def guarded(app: LessonApp) -> None:
        try:
            do(app)
        except UserError as error:
            app.say(str(error), is_bad=True)
        except OSError as error:
            app.say(f"{error.filename}: {error.strerror}", is_bad=True)

    return guarded


def do_task(app: LessonApp) -> None:
    """Answer the task of this step, or edit its file."""
    task = app.study.task
    if task is None:
        app.say("there is no task in this step: Enter goes on in the text")
    elif task.files:
        edit(app)
    else:
        way = _choose if task.choices else _WAYS.get(task.kind, _ask)
        way(app, task)


def _values(app: LessonApp, task: Task) -> dict[str, int]:
    """Return what was answered by name; nothing, if nothing was."""
    given = app.study.answers.get(task.name)
    return dict(given) if isinstance(given, dict) else {}


def _choose(app: LessonApp, task: Task) -> None:
    answer = answer_text(app.study.answers.get(task.name))
    app.push_screen(ChoiceScreen(task, answer, app.look), lambda letter: answered(app, task, letter))


def _ask(app: LessonApp, task: Task, text: str = "") -> None:
    async def take(text: str) -> str:
        answered(app, task, text)
        return ""

    question = task.question if len(task.question) < app.size.width - 4 else task.title
    app.question(question, take, text or answer_text(app.study.answers.get(task.name)))


def _configure(app: LessonApp, task: Task) -> None:
    def chosen(values: Mapping[str, int] | None) -> None:
        if values is not None:
            answered(app, task, _as_words(values))

    app.push_screen(BitsScreen(task, _values(app, task), app.look), chosen)


def _fill_in(app: LessonApp, task: Task) -> None:
    """Fill in a table; what the text gives as an example is there to begin with."""
    example = dict(word.split("=", 1) for word in app.study.typed_for("do").split() if "=" in word)
    values = _values(app, task) or {index: int(number, 0) for index, number in example.items()}

    def filled(found: Filled | None) -> None:
        if found is not None and found.entries:
            words = _as_words({str(index): number for index, number in sorted(found.entries.items())})
            (answered if found.is_for_check else _kept)(app, task, words)

    app.push_screen(TableScreen(task, values, app.look), filled)


def _point(app: LessonApp, task: Task) -> None:
    """Point at a line of the source, that of the instruction chosen in the code; or at the register that is chosen."""
    panel, view = app.focused_panel, app.driver.view
    word = word_here(app) if panel is not None and panel.name in ("bits", "registers") else None
    sources = () if view is None else sources_of(view.subject)
    if word is not None or view is None or not sources:
        _ask(app, task, (word or "").partition(".")[0])
        return
    code = app.panels["code"]
    if panel is code:
        at = place_of(view.subject, getattr(code, "chosen_address", None))
    else:
        at = answer_text(app.study.answers.get(task.name))

    def chosen(place: str | None) -> None:
        if place == TYPED:
            _ask(app, task)
        else:
            answered(app, task, place)

    app.push_screen(PointScreen(task, sources, at, app.look), chosen)


_WAYS: Final[Mapping[str, Callable[[LessonApp, Task], None]]] = {
    "configure": _configure,
    "tables": _fill_in,
    "bug": _point,
}
"""How a task without choices and files is answered, by its kind; the others are asked for a line."""


def _as_words(values: Mapping[str, int]) -> str:
    return " ".join(f"{name}={number:#x}" for name, number in values.items())


def _write(app: LessonApp, task: Task, text: str) -> None:
    app.study.classroom.answer(app.study.lesson, task, text.split())
    app.draw_page()


def answered(app: LessonApp, task: Task, text: str | None) -> None:
    """Write an answer down, and have it checked."""

    def write(app: LessonApp) -> None:
        if text:
            _write(app, task, text)
            app.check([task.name])

    guarded(write)(app)


def _kept(app: LessonApp, task: Task, text: str) -> None:
    """Write an answer down, and show the run as it is with it."""

    async def enter() -> str:
        return await app.enter(is_new=True) or "this is the run with what you answered: k checks it"

    def write(app: LessonApp) -> None:
        _write(app, task, text)
        app.do("step", enter)

    guarded(write)(app)


def flip(app: LessonApp) -> None:
    """Flip a bit: one that is to be configured becomes the answer, any other is flipped on a branch."""
    task, bit = app.study.task, bit_here(app)
    if task is None or task.kind != "configure" or bit not in task.bits or app.driver.now.subject.is_recording:
        DO["whatif"](app)
        return
    values = _values(app, task)
    if field_of(bit).width_bits == 1:
        _kept(app, task, _as_words(values | {bit: 1 - values.get(bit, 0)}))
        return

    async def take(text: str) -> str:
        others = {name: number for name, number in values.items() if name != bit}
        _kept(app, task, f"{_as_words(others)} {bit}={text}")
        return ""

    app.question(f"{bit} is to be", take, f"{values.get(bit, 0):#x}")


def edit(app: LessonApp) -> None:
    """Edit the file of the task; what was saved is checked."""
    task = app.study.with_file
    if task is None:
        app.say("this task has no file: d answers it")
    elif not (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        _edit_here(app, task.files)
    elif edit_files(app, *(str(app.study.folder / name) for name in task.files)):
        _check_saved(app)


def _check_saved(app: LessonApp) -> None:
    if not app.check_saved():
        app.say("nothing has changed in what you saved; k checks it anyway")


def _edit_here(app: LessonApp, names: Sequence[str]) -> None:
    """Edit files one after the other, in an editor of our own."""
    path = app.study.folder / names[0]

    def edited(is_saved: bool | None) -> None:
        if is_saved:
            _check_saved(app)
        if names[1:]:
            _edit_here(app, names[1:])

    app.push_screen(EditScreen(path, text_of(path)), edited)
