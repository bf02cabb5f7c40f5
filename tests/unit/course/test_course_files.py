"""Files are written whole, and nothing is overwritten without a copy."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.course.answers import answers_text, read_answers, write_answer
from arm_hyp.course.files import put, read_inside, write_whole
from arm_hyp.errors import UserError

_NUMBERS = st.integers(-(1 << 62), (1 << 62))
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_VALUES = st.one_of(_TEXTS, _NUMBERS, st.lists(_TEXTS), st.dictionaries(_TEXTS, _NUMBERS))


def test_what_was_there_is_kept_under_another_name_each_time(tmp_path: Path):
    path = tmp_path / "handlers.py"
    assert put(path, b"one") is None
    assert put(path, b"one") is None
    assert put(path, b"two") == tmp_path / "handlers.py.kept-1"
    assert put(path, b"three") == tmp_path / "handlers.py.kept-2"
    assert [each.read_bytes() for each in sorted(tmp_path.iterdir())] == [b"three", b"one", b"two"]


def test_a_link_is_kept_as_a_link_and_its_file_is_not_written(tmp_path: Path):
    path, other = tmp_path / "handlers.py", tmp_path / "other.py"
    other.write_bytes(b"mine")
    path.symlink_to(other)
    kept = put(path, b"new")
    assert kept is not None and kept.is_symlink()
    assert (other.read_bytes(), path.read_bytes(), path.is_symlink()) == (b"mine", b"new", False)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "progress"
    write_whole(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("progress", b"old")]


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path):
    folder = tmp_path / "submission"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "handlers.py").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="leads out of its folder"):
        read_inside(folder, "handlers.py")


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), _VALUES, max_size=4))
def test_answers_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, answers):
    folder = tmp_path_factory.mktemp("answers")
    (folder / "answers.toml").write_text(answers_text(answers), encoding="utf-8")
    assert read_answers(folder) == answers


def test_an_answer_replaces_only_its_own(tmp_path: Path):
    write_answer(tmp_path, "one", "a")
    write_answer(tmp_path, "two", {"HCR_EL2.TWI": 1})
    write_answer(tmp_path, "one", "b")
    assert read_answers(tmp_path) == {"one": "b", "two": {"HCR_EL2.TWI": 1}}


def test_a_value_that_is_no_answer_is_told_with_its_task(tmp_path: Path):
    (tmp_path / "answers.toml").write_text("one = 1.5\n")
    with pytest.raises(UserError, match=r"answers\.toml: one: is no answer"):
        read_answers(tmp_path)


def test_a_text_that_no_file_can_hold_is_refused_and_the_file_stays(tmp_path: Path):
    write_answer(tmp_path, "one", "a")
    with pytest.raises(UserError, match="the answer to two: is no text"):
        write_answer(tmp_path, "two", "\udc80")
    assert read_answers(tmp_path) == {"one": "a"}


def test_what_is_no_regular_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, b"report")
        assert os.read(reader, 100) == b"report"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
