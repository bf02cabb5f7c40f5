"""Where the course is opened: here, where one was last, or in a folder that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from arm_hyp.cli.course import FOLDER, asked_for, known_folder, remember
from arm_hyp.cli.main import main
from arm_hyp.course.workspace import Workspace
from arm_hyp.errors import UserError


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_a_folder_that_one_stands_in_comes_first_and_the_last_one_last(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    assert known_folder(here) is None
    last = Workspace.make(tmp_path / "last").folder
    remember(last)
    assert known_folder(here) == last
    offered = Workspace.make(here / FOLDER).folder
    assert known_folder(here) == offered
    assert known_folder(offered / "01-ladder") == offered


def test_a_folder_that_is_gone_or_cannot_be_remembered_does_not_matter(tmp_path: Path) -> None:
    remember(tmp_path / "gone")
    assert known_folder(tmp_path) is None
    (tmp_path / "config" / "arm-hyp" / "course-folder").write_bytes(b"\xff\x00")
    assert known_folder(tmp_path) is None


def test_who_is_asked_may_press_enter_or_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _question: " ")
    assert asked_for() == Path(FOLDER)
    monkeypatch.setattr("builtins.input", lambda _question: "mine")
    assert asked_for() == Path("mine")


def test_who_says_nothing_is_told_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nothing)
    with pytest.raises(UserError, match="--dir DIR"):
        asked_for()


def test_without_a_terminal_there_is_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Commands" in capsys.readouterr().out
    assert main(["course"]) == 2
    assert "arm-hyp lesson" in capsys.readouterr().err
