"""Where two runs part: branches of one timeline, and two timelines."""

from pathlib import Path

import pytest

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke
from arm_hyp.timeline.differences import Branch, Difference, first_difference, first_other
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.run_state import RunState
from arm_hyp.timeline.timeline import Timeline

LIMIT = 1_000_000
FREE = 0x4010_0000
LONG = """
    mov x1, #0x30000
again:
    add x2, x2, x3
    subs x1, x1, #1
    b.ne again
    hvc #1
    ldr x0, =0x84000008
    smc #0
"""


def made(name: str = "16-preemption", **options: object) -> Configuration:
    given = {"memory_bytes": 32 << 20, "gic": 3} | options
    return Configuration(image=str(guests_directory() / f"{name}.s"), **given)


def run(configuration: Configuration) -> Timeline:
    timeline = Timeline(configuration)
    timeline.run(LIMIT)
    return timeline


def edited(configuration: Configuration, at: Position, what: Edit | Poke) -> Timeline:
    """A run in which somebody changed something at a place."""
    timeline = run(configuration)
    timeline.seek(at)
    timeline.edit(what)
    timeline.run(LIMIT)
    return timeline


def check(found: Difference | None, first: Timeline, second: Timeline) -> None:
    """Hold what was found against the states of the two runs."""
    assert found is not None
    assert found.last_same is not None
    one, two = Branch(first, first.history.name), Branch(second, second.history.name)
    assert one.at(found.last_same).is_same(two.at(found.last_same))
    assert not one.behind(found.last_same).is_same(two.behind(found.last_same))


def test_runs_of_the_same_configuration_do_not_part() -> None:
    assert first_difference(run(made()), run(made())) is None


def test_a_register_that_was_changed_on_a_branch_is_named() -> None:
    timeline = edited(made(), Position(200), Edit(("X3=0x77",)))
    main, branch = Branch(timeline, "main"), Branch(timeline, timeline.history.name)
    found = first_difference(main, branch)
    assert found is not None
    assert (found.last_same, found.positions) == (Position(200), (Position(200), Position(200, 1)))
    assert [str(each) for each in found.changed] == ["CPU 0 X3: 0x0, 0x77"]


def test_the_cursor_comes_back_to_its_branch() -> None:
    timeline = edited(made(), Position(200), Edit(("X3=0x77",)))
    timeline.seek(Position(300))
    first_difference(Branch(timeline, "main"), timeline)
    assert (timeline.history.name, timeline.position) == ("branch1", Position(300))


def test_memory_that_was_changed_is_named() -> None:
    first, second = run(made()), edited(made(), Position(100), Poke(FREE, b"\1"))
    found = first_difference(first, second)
    check(found, first, second)
    assert found is not None
    assert [str(each) for each in found.changed] == [f"8 bytes at PA {FREE:#x}: 0x0, 0x1"]
    assert found.events is None


def test_events_that_differ_are_told() -> None:
    # The guest begins once more in the middle, at another level by then.
    first = run(made("01-ladder"))
    middle = Position(first.frontier.n // 2)
    second = edited(made("01-ladder"), middle, Edit(("PC=0x40080000",)))
    found = first_difference(first, second)
    check(found, first, second)
    assert found is not None
    assert found.last_same == middle
    assert found.events is not None
    assert found.event_at is not None
    assert found.event_at > middle
    assert found.events[0] != found.events[1]
    assert f"the first event that differs, at {found.event_at}" in str(found)


def test_a_difference_at_the_start_is_told_also_when_it_vanishes() -> None:
    first, second = run(made()), run(made(settings=("X9=5",)))
    found = first_difference(first, second)
    assert found is not None
    assert (found.last_same, found.positions) == (None, (START, START))
    assert [str(each) for each in found.changed] == ["CPU 0 X9: 0x0, 0x5"]


def test_a_vm_is_compared_with_what_the_hypervisor_holds() -> None:
    configuration = made("28-vm-smp", hypervisor="", cpus=2, gic=2)
    first, second = run(configuration), edited(configuration, Position(60), Edit(("X5=1",)))
    found = first_difference(first, second)
    check(found, first, second)
    assert found is not None
    assert any("X5" in each.name for each in found.changed)


@pytest.mark.parametrize("at", [1, 65_536, 70_001, 300_000])
def test_a_place_between_far_checkpoints_is_found(tmp_path: Path, at: int) -> None:
    source = tmp_path / "long.s"
    source.write_text(LONG)
    configuration = Configuration(image=str(source), memory_bytes=32 << 20)
    first, second = run(configuration), edited(configuration, Position(at), Edit(("X3=1",)))
    found = first_difference(first, second)
    check(found, first, second)
    assert found is not None
    assert found.last_same == Position(at)


def test_the_state_at_a_checkpoint_is_that_of_a_seek(tmp_path: Path) -> None:
    source = tmp_path / "long.s"
    source.write_text(LONG)
    timeline = run(Configuration(image=str(source), memory_bytes=32 << 20))
    for place in timeline.checkpoints():
        timeline.seek(place)
        assert RunState.at_cursor(timeline).is_same(RunState.at_checkpoint(timeline, place))


def test_journals_are_compared_entry_by_entry() -> None:
    one, two = run(made()).journal, run(made()).journal
    assert first_other(one, two) == len(one) == len(two)
    shorter = two.until(two[3].position)
    assert first_other(one, shorter) == 4
    assert first_other(one, run(made("01-ladder")).journal) == 0
