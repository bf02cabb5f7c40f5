"""How tasks are answered on the screen: pointed at, filled in, flipped in the grid, typed, and edited."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_lesson_screen import LARGE, MEDIUM, InLesson, solve, student, studied
from textual.widgets import Input, TextArea

from arm_hyp.tui.lessons.pointing import PointScreen
from arm_hyp.tui.lessons.table_form import TableScreen


@pytest.fixture(autouse=True)
def _no_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)


def test_a_bug_is_pointed_at_in_the_source(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d")
        assert isinstance(driven.app.screen, PointScreen)
        assert "at_el2 in lost.s never runs" in driven.text and "vbar_el1, x0" in driven.text
        await driven.press("up", "down", "down", "enter")  # it begins at line 3
        assert driven.app.study.answers["lost"] == "lost.s:4" and driven.app.study.passed == 0
        await driven.press("escape", "d", *["down"] * 4, "enter")
        assert driven.app.study.answers["lost"] == "lost.s:8" and driven.app.study.passed == 1

    studied(student(tmp_path, "02", 3), test)


def test_a_bug_is_pointed_at_in_the_code_that_is_looked_at_or_typed(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("2", "up", "d")
        await driven.press("enter")
        assert driven.app.study.answers["lost"] == "lost.s:14"  # where the HVC trapped at line 15, one up
        await driven.press("escape", "d", "t")
        await driven.write("vbar")
        assert driven.app.study.answers["lost"] == "vbar"

    studied(student(tmp_path, "02", 3), test, MEDIUM)


def test_other_files_are_pointed_into_and_a_label_means_the_line_behind(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d", "right")
        screen = driven.app.screen
        assert isinstance(screen, PointScreen)
        await driven.press("home", *["down"] * 6, "enter")  # `unexpected:` in line 7 of end.inc, or another file's
        answer = str(driven.app.study.answers["live"])
        assert not answer.startswith("live.s")

    studied(student(tmp_path, "15", 3), test)


def test_a_table_is_filled_in_and_said_what_it_is(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d")
        assert isinstance(driven.app.screen, TableScreen)
        assert "block, to 0x40000000" in driven.text and "the first use faults" in driven.text  # the text's example
        await driven.press("end", *"|oops", "enter")
        assert "no number of 64 bits" in driven.text and isinstance(driven.app.screen, TableScreen)
        driven.app.screen.query_one("#value0", Input).value = "1<<10 | 3<<6 | 1"
        await driven.press("escape")
        assert driven.app.study.answers["blocks"] == {"0": 0x4C1, "1": 0x4000_0001}
        assert driven.app.study.passed == 0 and "k checks it" in driven.bar
        await driven.press("d", "down")
        driven.app.screen.query_one("#value1", Input).value = "0x400007fd"
        await driven.press("enter")
        assert driven.app.study.passed == 1

    studied(student(tmp_path, "11", 2), test)


def test_an_entry_of_a_long_table_has_its_index_typed(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d")
        await driven.press("tab", *"0x4020377f")
        assert "which entry, 0 to 511?" in driven.text
        await driven.press("shift+tab", "3", "enter")
        assert driven.app.study.answers["watch"] == {"3": 0x4020_377F} and driven.app.study.passed == 1

    studied(student(tmp_path, "16", 2), test)


def test_a_bit_flipped_in_the_grid_is_the_answer(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        app = driven.app
        await driven.press("k")
        assert "nothing to check yet" in driven.bar and not app.study.results
        await driven.press("4", "w")
        assert app.study.answers["bits"] == {"HCR_EL2.TWI": 1} and "k checks it" in driven.bar
        assert app.driver.now.status.branch == "main"  # the run of another machine, and no branch of this one
        await driven.press("down", "w")
        assert app.study.answers["bits"] == {"HCR_EL2.TWI": 1}  # that bit is none of the task's: what if, as ever
        assert app.driver.now.status.branch == "branch1"
        await driven.press("k")
        assert app.study.passed == 1

    studied(student(tmp_path, "04", 2), test, MEDIUM)


def test_a_wide_field_is_typed_and_one_that_nobody_touched_is_left(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d")
        assert "as it is" in driven.text
        await driven.press(*"d03", "down", "down", *"101", "backspace", "0", "enter")
        assert driven.app.study.answers["disguise"] == {"VPIDR_EL2.PartNum": 0xD03, "VPIDR_EL2.Revision": 4}

    studied(student(tmp_path, "06", 1), test)


def test_without_an_editor_a_file_is_edited_here(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)
    path = study.folder / "handlers.py"
    begun = path.read_text()

    async def test(driven: InLesson) -> None:
        await driven.press("d", "x", "escape")
        assert "not saved" in driven.text
        await driven.press("escape")
        assert path.read_text() == begun and len(driven.app.screen_stack) == 1
        await driven.press("d", "ctrl+s")
        assert "nothing has changed" in driven.bar
        await driven.press("d")
        driven.app.screen.query_one(TextArea).text = (study.lesson.folder / "solution" / "handlers.py").read_text()
        await driven.press("ctrl+s")
        assert study.has_passed(study.lesson.task("handler"))

    studied(study, test)


def test_what_another_editor_saved_meanwhile_is_kept(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)

    async def test(driven: InLesson) -> None:
        await driven.press("d", "x")
        solve(study, "handlers.py")
        await driven.press("ctrl+s")
        solved = (study.lesson.folder / "solution" / "handlers.py").read_text()
        assert (study.folder / "handlers.py.kept-1").read_text() == solved

    studied(study, test)


def test_a_file_that_is_no_text_is_not_edited_here(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)

    async def test(driven: InLesson) -> None:
        (study.folder / "handlers.py").write_bytes(b"\xff\xfe\x00")
        await driven.press("d")
        assert "is no text in UTF-8" in driven.text and len(driven.app.screen_stack) == 1

    studied(study, test)


def test_a_key_of_the_text_finds_its_words_typed_in(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        assert "C ELR_EL2 tells who changed" in driven.page
        await driven.press("C")
        assert driven.app.screen.query_one(Input).value == "ELR_EL2"
        await driven.press("enter")
        assert "ELR_EL2" in driven.text and driven.panels != ["page"]

    studied(student(tmp_path, "02", 3), test)


def test_a_click_on_a_command_does_what_its_key_does(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        row = next(row for row, line in enumerate(driven.lines) if "0x40234000 shows" in line or "6 a 0x4023" in line)
        await driven.click(driven.lines[row].index("6 a") + 1, row)
        assert driven.app.screen.query_one(Input).value == "0x40234000"
        await driven.press("enter")
        assert driven.focused == "walk" and "4023_4000" in driven.text

    studied(student(tmp_path, "11", 3), test, LARGE)


def test_letters_that_are_keys_of_lessons_open_the_choices(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        assert "d or a, b, c answer" in driven.page
        await driven.press("d")
        assert not driven.app.study.answers
        await driven.press("d")
        assert driven.app.study.answers["abort"] == "d"

    studied(student(tmp_path, "03", 3), test, MEDIUM)


def test_the_end_of_a_lesson_leads_to_what_is_open(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        assert "to the task that is open" in driven.page
        await driven.press("enter")
        assert driven.step == 1

    studied(student(tmp_path, "01", 5), test)


def test_a_step_that_is_passed_elsewhere_stays_where_it_is(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 4)

    async def test(driven: InLesson) -> None:
        solve(study, "handlers.py")
        driven.app.check_saved()
        await driven.settle()
        assert study.has_passed(study.lesson.task("handler")) and "back to the text" in driven.text
        await driven.press("enter")
        assert driven.step == 4

    studied(study, test)
