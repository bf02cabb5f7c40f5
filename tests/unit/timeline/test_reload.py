"""Other handlers from the cursor on, on a new branch: any path of seeks comes to the states of a run straight there."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from arm_hyp.errors import UserError
from arm_hyp.events import RecordingSink
from arm_hyp.kvm_events import HandlerOutput
from arm_hyp.machine import machine
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit
from arm_hyp.timeline import checkpoints
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.timeline import Timeline

GRID = 16
SMALL, LARGE = 2 << 20, 6 << 20
GUEST = """
        adr     x9, vectors
        msr     vbar_el1, x9
        mov     x10, #5
        ldr     x11, =0x0b000000
        ldr     x12, =0x0b002000
1:      wfe
        ldr     x0, =0xc6000001
        mov     x1, x10
        hvc     #0
        add     x20, x20, x0
        mrs     x2, id_aa64pfr0_el1
        ldr     w3, [x11]
        str     w10, [x11, #4]
        ldr     w4, [x12]
        add     x20, x20, x3
        add     x20, x20, x4
        subs    x10, x10, #1
        b.ne    1b
        ldr     x0, =0x84000008
        hvc     #0
        .balign 2048
vectors:
        .space  512
        mrs     x9, elr_el1             // an external abort where no device is: the load is skipped
        add     x9, x9, #4
        msr     elr_el1, x9
        eret
"""
FIRST = """
from arm_hyp.hypervisor import *

COUNT, SEEN, NAME = [0], {}, b"first"

@handler(EC.WFX)
def wfx(vcpu, exit):
    COUNT[0] += 1
    vcpu.data["waits"] = vcpu.data.get("waits", 0) + 1
    print("first", COUNT[0])
    vcpu.skip_instruction()

@hypercall(0xC600_0001)
def call(vcpu, call):
    SEEN[call.args[0]] = vcpu.pc
    return call.args[0] + 1

@mmio(range(0x0B00_0000, 0x0B00_1000))
def device(vcpu, access):
    if not access.is_write:
        return 100 + access.offset
    vcpu.vm.data["written"] = access.value
"""
SECOND = """
from arm_hyp.hypervisor import *

TOTAL = 0

@sysreg("ID_AA64PFR0_EL1")
def features(vcpu, access, next):
    global TOTAL
    TOTAL += 1
    return next(vcpu, access) & 0xff

@hypercall(0xC600_0001)
def call(vcpu, call):
    vcpu.data["waits"] = vcpu.data.get("waits", 0) + 1000
    return TOTAL

@mmio(range(0x0B00_2000, 0x0B00_3000))
def device(vcpu, access):
    return 7
"""
THIRD = """
from arm_hyp.hypervisor import *

WORDS = ["third"]

@handler(EC.WFX, EC.HVC64)
def both(vcpu, exit, next):
    WORDS.append(int(exit.ec))
    print("third", len(WORDS))
    next(vcpu, exit)

@mmio(range(0x0B00_0000, 0x0B00_3000))
def device(vcpu, access):
    if access.offset == 0x2000:
        raise BusError("not here")
    return None if access.is_write else 55
"""
FILES = {"first": FIRST, "second": SECOND, "third": THIRD}
PATHS = settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
NUMBERS = st.integers(0, 10_000)


@pytest.fixture(autouse=True)
def _small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let short runs have several checkpoints."""
    monkeypatch.setattr(machine, "EARLY_GRID", GRID)
    monkeypatch.setattr(checkpoints, "EARLY_GRID", GRID)


def begun(path: Path, handlers: str = "first", guest: str = GUEST, sink: RecordingSink | None = None) -> Timeline:
    """Return a timeline under handlers; "" has only the default ones."""
    path.mkdir(exist_ok=True)
    (path / "g.s").write_text(guest)
    if handlers:
        (path / "h.py").write_text(FILES.get(handlers, handlers))
    file = str(path / "h.py") if handlers else ""
    made = Configuration(image=str(path / "g.s"), hypervisor=file, memory_bytes=SMALL, machine_memory_bytes=LARGE)
    return Timeline(made, sink=sink)


def load(timeline: Timeline, path: Path, handlers: str) -> None:
    """Write the file anew, and load it at the cursor."""
    (path / "h.py").write_text(FILES.get(handlers, handlers))
    timeline.load_handlers(str(path / "h.py"))


def state(timeline: Timeline) -> tuple[Any, ...]:
    """Return the whole state, with who takes the exits."""
    runner = timeline.runner
    assert runner.hypervisor is not None
    over = [(each.name, each.addresses) for each in runner.hypervisor.vms[0].bus._over]
    taken = [] if runner.handlers is None else [row.decorator for row in runner.handlers.registrations.classes]
    return repr(runner.snapshot(with_ram=False)), zlib.crc32(runner.machine.ram), bytes(runner.consoles[0]), over, taken


def walked(timeline: Timeline, end: Position = Position(1 << 40)) -> dict[Position, tuple[Any, ...]]:
    """Return the state at every place from the cursor to the end, or up to a place."""
    states = {timeline.position: state(timeline)}
    while timeline.position < end and timeline.step() not in states:
        states[timeline.position] = state(timeline)
    return states


def straight(path: Path, handlers: str, loads: list[tuple[Position, str]]) -> dict[Position, tuple[Any, ...]]:
    """Return the state at every place of a run that only goes forward, and loads handlers on its way."""
    timeline = begun(path, handlers)
    states: dict[Position, tuple[Any, ...]] = {}
    for place, name in loads:
        states |= walked(timeline, place)
        assert timeline.position == place
        load(timeline, path, name)
    return states | walked(timeline)


@pytest.mark.parametrize("handlers", ["first", ""])
@PATHS
@given(data=st.data())
def test_any_path_comes_to_the_states_of_a_run_straight_there(
    handlers: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("reload")
    timeline = begun(path / "a", handlers)
    timeline.run(1000)
    places = sorted(straight(path / "b", handlers, []))
    loads: list[tuple[Position, str]] = []
    states: dict[Position, tuple[Any, ...]] = {}
    for name in data.draw(st.lists(st.sampled_from(sorted(FILES)), min_size=1, max_size=3)):
        behind = [place for place in places if not loads or place > loads[-1][0]]
        if not behind:
            break
        place = behind[data.draw(NUMBERS) % len(behind)]
        assert timeline.seek(place) == place
        load(timeline, path / "a", name)
        loads.append((place, name))
        states = straight(path / "b", handlers, loads)
        places = sorted(states)
        for number in data.draw(st.lists(NUMBERS, max_size=4)):
            wanted = places[number % len(places)]
            assert timeline.seek(wanted) == wanted
            assert state(timeline) == states[wanted], (loads, wanted)
    for number in data.draw(st.lists(NUMBERS, max_size=6)):
        wanted = places[number % len(places)]
        assert timeline.seek(wanted) == wanted
        assert state(timeline) == states[wanted], (loads, wanted)
        assert timeline.step_back() == places[max(number % len(places) - 1, 0)]
        assert state(timeline) == states[timeline.position], (loads, wanted)
