"""A session's run written down as a recording, whenever its user says so.

Read `timeline/recordings/saved.py` before this file, `timeline/process/session.py` after it.
"""

from __future__ import annotations

from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.embedding import Embed
from arm_hyp.timeline.recordings.container import check_writable
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import Recording, write_recording
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import record, with_timeline
from arm_hyp.timeline.timeline import Timeline


class Saver:
    """Takes the run's files in as it begins: they may be others when it is written."""

    def __init__(self, source: Configuration | Replay, timeline: Timeline, embed: Embed = "small") -> None:
        self._timeline = timeline
        self._recording: Recording | None = None
        self._recorder: Recorder | None = None
        if isinstance(source, Replay):
            self._recording = source.recording
        else:
            self._recorder = Recorder(source, embed)
            self._recorder.collect(timeline.runner)

    def save(self, path: str, limit: int) -> None:
        """Write the recording, of a run to `limit` instructions, with branches and all. Raises: UserError."""
        check_writable(path, "the recording")
        write_recording(path, self._made(limit))

    def _made(self, limit: int) -> Recording:
        if self._recorder is not None:
            self._recorder.notes = type(self._recorder.notes)()  # each time from the start
            return record(self._timeline, self._recorder, limit)
        assert self._recording is not None
        return with_timeline(self._recording, self._timeline)
