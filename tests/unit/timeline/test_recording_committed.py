"""Recordings that another machine made, on another day: they repeat here, with nothing beside them."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from recording_support import replay

from arm_hyp.timeline.recordings.recording import Recording, read_recording

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "recordings"
PRINTED = {"bare": b"...abc.....q", "handlers": b".HELLO.... YOU"}
sys.path.insert(0, str(FOLDER))

from make import RECORDINGS  # noqa: E402


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_committed_recording_is_repeated(tmp_path, name):
    shutil.copy(FOLDER / f"{name}.hyp", tmp_path)
    difference, runner, events = replay(tmp_path / f"{name}.hyp")
    assert difference == "", "if this is meant, run tests/fixtures/recordings/make.py"
    assert runner.consoles[0] == PRINTED[name]
    assert len(events) > 20
    assert "handlers" not in sys.modules


def stripped(recording: Recording) -> Recording:
    """Return a recording without what says where and when it was made."""
    return replace(recording, run=structs.replace(recording.run, library_version=""))


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_same_run_is_recorded_the_same_today(name):
    assert stripped(RECORDINGS[name]()) == stripped(read_recording(str(FOLDER / f"{name}.hyp")))


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_says_nothing_of_the_machine_that_made_it(name):
    read = read_recording(str(FOLDER / f"{name}.hyp"))
    handlers = b"" if read.handlers is None else repr(read.handlers).encode()
    everything = repr(read.run).encode() + handlers + b"".join(one.unpack() for one in read.contents.values())
    assert b"/home/" not in everything and str(Path.home()).encode() + b"/" not in everything
    assert str(FOLDER).encode() not in everything
