"""Several workers at once: each gets the next submission when it is done; one that dies or never answers is replaced.

Read `course/grading/worker.py` before this file, `cli/grade.py` after it. What was not graded, for want of time or
because a worker died, is tried once more at the end, by one worker alone.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import arm_hyp
from arm_hyp.course.grading.grade import Grader
from arm_hyp.course.grading.results import SubmissionResult
from arm_hyp.course.grading.worker import Order, frame, results
from arm_hyp.course.sandbox.wire import LENGTH

DEADLINE_S: Final = 600.0
"""How long a submission may take in all: far more than the limits of its runs add up to."""
_READ_BYTES: Final = 1 << 16
_SUBMISSIONS_EACH: Final = 100
"""After so many a worker is replaced: whatever it has kept goes with it."""

OnResult = Callable[[SubmissionResult], None]


class Worker:
    """One process, and the order that it works on."""

    def __init__(self, grader: Grader) -> None:
        root = str(Path(arm_hyp.__file__).resolve().parents[1])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "arm_hyp.course.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": "0"},
        )
        self.order: Order | None = None
        self.done, self.deadline = 0, 0.0
        self._bytes = bytearray()
        self._send(frame(grader.settings))

    def fileno(self) -> int:
        """Return the descriptor that can be read when an answer comes."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def give(self, order: Order) -> None:
        """Give it something to do."""
        self.order, self.deadline = order, time.monotonic() + DEADLINE_S
        self._send(frame(order))

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # reading tells

    def take(self) -> SubmissionResult | None:
        """Take in what has come; return the result if it is whole. Raises: EOFError if the process is gone."""
        data = os.read(self.fileno(), _READ_BYTES)
        if not data:
            raise EOFError
        self._bytes += data
        size = LENGTH.unpack_from(self._bytes)[0] + LENGTH.size if len(self._bytes) >= LENGTH.size else 1 << 62
        if len(self._bytes) < size:
            return None
        result = results.decode(bytes(self._bytes[LENGTH.size : size]))
        del self._bytes[:size]
        self.order, self.done = None, self.done + 1
        return result

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class Pool:
    """Grades orders with `jobs` workers. Close it, or use it in `with`."""

    def __init__(self, grader: Grader, jobs: int, on_result: OnResult = lambda result: None) -> None:
        self._grader, self._jobs, self._on_result = grader, jobs, on_result
        self._selector = selectors.DefaultSelector()
        self._workers: set[Worker] = set()
        self._found: dict[str, SubmissionResult] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in [*self._workers]:
            self._end(worker)
        self._selector.close()

    def grade(self, orders: Sequence[Order]) -> tuple[SubmissionResult, ...]:
        """Grade all; return the results in the same order."""
        self._work(deque(orders), self._jobs)
        again = [order for order in orders if not self._found[order.name].is_graded]
        self._work(deque(again), 1)
        return tuple(self._found[order.name] for order in orders)

    def _work(self, waiting: deque[Order], jobs: int) -> None:
        while waiting or any(worker.order for worker in self._workers):
            self._give(waiting, jobs)
            nearest = min(worker.deadline for worker in self._workers if worker.order)
            for key, _ in self._selector.select(max(nearest - time.monotonic(), 0.0)):
                assert isinstance(key.fileobj, Worker)
                self._take(key.fileobj)
            for worker in [each for each in self._workers if each.order and each.deadline <= time.monotonic()]:
                self._lost(worker, f"it was not judged after {DEADLINE_S:g} s")

    def _give(self, waiting: deque[Order], jobs: int) -> None:
        busy = sum(worker.order is not None for worker in self._workers)
        while waiting and busy < jobs:
            self._idle().give(waiting.popleft())
            busy += 1

    def _idle(self) -> Worker:
        found = next((worker for worker in self._workers if worker.order is None), None)
        if found is None:
            found = Worker(self._grader)
            self._workers.add(found)
            self._selector.register(found, selectors.EVENT_READ)
        return found

    def _take(self, worker: Worker) -> None:
        try:
            result = worker.take()
        except EOFError:
            self._lost(worker, "the judge's process died")
            return
        if result is not None:
            self._note(result)
            if worker.done >= _SUBMISSIONS_EACH:
                self._end(worker)

    def _lost(self, worker: Worker, why: str) -> None:
        order = worker.order
        self._end(worker)
        if order is not None:
            self._note(self._grader.nobody(order.name, f"{why}; grade it again"))

    def _note(self, result: SubmissionResult) -> None:
        self._found[result.name] = result
        self._on_result(result)

    def _end(self, worker: Worker) -> None:
        self._workers.discard(worker)
        self._selector.unregister(worker)
        worker.end()
