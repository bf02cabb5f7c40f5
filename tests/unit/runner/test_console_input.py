"""Input enters at points that the guest fixes, whoever watches; a replayed log gives the same run."""

import msgspec
import pytest
from runner_support import ECHO, LIMIT, runner

from arm_hyp.events import ConsoleInput as InputEvent
from arm_hyp.events import RecordingSink
from arm_hyp.machine.console_input import INPUT_GRID, Arrival, ConsoleInput
from arm_hyp.runner.runner import Restore, Run, Snapshot, Step, Type

TEXT = b"twenty bytes and more, then a full stop."

SLEEPER = """
    mov  x19, #0x09000000
    mov  w0, #0x10
    str  w0, [x19, #0x38]       // UARTIMSC.RXIM
    ldr  x1, =0x08000000        // GICD: enable, INTID 33 to CPU 0
    mov  w0, #3
    str  w0, [x1]
    mov  w0, #2
    str  w0, [x1, #0x104]
    mov  w0, #0x0100
    str  w0, [x1, #0x820]
    ldr  x2, =0x08010000        // GICC: all priorities, enable
    mov  w0, #0xff
    str  w0, [x2, #4]
    mov  w0, #3
    str  w0, [x2]
wait:
    wfi
    ldr  w0, [x19]
    strb w0, [x19]
    cmp  w0, #'.'
    b.ne wait
    movz x0, #0x8400, lsl #16
    movk x0, #0x0008
    hvc #0
"""


class Accepting:
    """A console with so much room, and what entered it."""

    def __init__(self, room):
        self.room, self.got = room, b""

    def __call__(self, data):
        taken = data[: self.room]
        self.room -= len(taken)
        self.got += taken
        return len(taken)


def test_only_what_has_room_enters_and_the_rest_waits():
    console, entered = Accepting(3), []
    queue = ConsoleInput(console, entered.append)
    queue.feed(b"abcdef")
    assert queue.deliver(10, 20) and console.got == b"abc"
    assert not queue.deliver(11, 21) and queue.is_waiting
    console.room = 9
    assert queue.deliver(12, 22) and console.got == b"abcdef" and not queue.is_waiting
    assert entered == queue.log == [Arrival(10, 20, b"abc"), Arrival(12, 22, b"def")]


def test_a_log_enters_only_at_its_positions():
    console = Accepting(9)
    queue = ConsoleInput(console, lambda arrival: None)
    queue.replay([Arrival(10, 20, b"ab"), Arrival(10, 25, b"c")])
    assert not queue.deliver(9, 20) and queue.next_ns(9) is None
    assert queue.next_ns(10) == 20 and queue.deliver(10, 20)
    assert queue.next_ns(10) == 25 and queue.deliver(10, 25)
    assert console.got == b"abc" and not queue.is_waiting


def test_the_state_comes_back_and_the_log_forgets_the_future():
    console = Accepting(1)
    queue = ConsoleInput(console, lambda arrival: None)
    queue.feed(b"abc")
    queue.deliver(1, 1)
    state = queue.snapshot()
    console.room = 1
    queue.deliver(2, 2)
    queue.restore(state)
    assert queue.log == [Arrival(1, 1, b"a")]
    console.room, console.got = 5, b""
    assert queue.deliver(3, 3) and console.got == b"bc"


def test_a_guest_that_polls_gets_all_of_it_on_the_grid(tmp_path):
    sink = RecordingSink()
    made = runner(tmp_path, ECHO, sink)
    made.send(Type(TEXT))
    assert made.send(Run(LIMIT))["reason"] == "guest"
    assert bytes(made.machine.console) == TEXT
    entered = [event for event in sink.events if isinstance(event, InputEvent)]
    assert "".join(event.text for event in entered).encode() == TEXT
    assert [event.n % INPUT_GRID for event in entered] == [0, 0, 0]
    assert [len(event.text) for event in entered] == [16, 16, 8]
    assert [event.time_ns for event in entered] == [event.n for event in entered]


def test_a_guest_that_sleeps_is_woken(tmp_path):
    made = runner(tmp_path, SLEEPER, el=1)
    made.send(Type(b"zz."))
    answer = made.send(Run(LIMIT))
    assert (answer["reason"], bytes(made.machine.console)) == ("guest", b"zz.")
    assert answer["n"] < 100


def trace(made, sink):
    return made.machine.retired, made.machine.clock.now_ns, [msgspec.json.encode(event) for event in sink.events]


@pytest.mark.parametrize("step", [4096, 65_536, 100_003])
def test_input_enters_at_the_same_places_whoever_stops(tmp_path, step):
    uncut, cut = RecordingSink(), RecordingSink()
    first = runner(tmp_path, ECHO, uncut)
    first.send(Type(TEXT))
    first.send(Run(LIMIT))
    second = runner(tmp_path, ECHO, cut)
    second.send(Type(TEXT))
    while not second.send(Step(step))["ended"]:
        pass
    assert trace(second, cut)[2] == trace(first, uncut)[2][:-1]
    assert trace(second, cut)[:2] == trace(first, uncut)[:2]


@pytest.mark.parametrize("guest", [ECHO, SLEEPER], ids=["echo", "sleeper"])
def test_a_replay_of_the_log_is_the_same_run(tmp_path, guest):
    sinks = RecordingSink(), RecordingSink()
    live, again = (runner(tmp_path, guest, sink, el=1 if guest == SLEEPER else 2) for sink in sinks)
    live.machine.user = Typist([b"one", b"", b"two", b"."])
    live.send(Run(LIMIT))
    again.machine.input.replay(live.machine.input.log)
    again.send(Run(LIMIT))
    assert bytes(again.machine.console) == b"onetwo."
    assert trace(again, sinks[1]) == trace(live, sinks[0])


class Typist:
    """A user who has something to type each time, and takes 1234 ns to begin."""

    def __init__(self, words):
        self._words = list(words)

    @property
    def can_type(self):
        return bool(self._words)

    def poll(self):
        return self._words.pop(0) if self._words else b""

    def wait(self, duration_ns):
        return 1234 if duration_ns is None else min(1234, duration_ns)


def test_idle_time_is_what_the_user_lets_pass(tmp_path):
    made = runner(tmp_path, SLEEPER, el=1)
    made.machine.user = Typist([b"", b"", b"", b"."])
    answer = made.send(Run(LIMIT))
    assert answer["reason"] == "guest" and answer["time_ns"] - answer["n"] == 2 * 1234


def test_a_snapshot_holds_what_has_not_entered(tmp_path):
    made = runner(tmp_path, ECHO)
    made.send(Type(TEXT))
    made.send(Step(INPUT_GRID + 1))
    state = made.send(Snapshot())
    first = made.send(Run(LIMIT)), bytes(made.machine.console)
    made.send(Restore(state))
    assert (made.send(Run(LIMIT)), bytes(made.machine.console)) == first
    assert first[1] == TEXT
