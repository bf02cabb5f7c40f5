"""The Runner: everything boots by the boot plan; a run can stop where the console shows a text."""

import pytest
from runner_support import LIMIT, OFF, runner

from arm_hyp.errors import UserError
from arm_hyp.events import RecordingSink
from arm_hyp.machine.device_tree import parse
from arm_hyp.runner.configuration import Configuration, Drive, Module
from arm_hyp.runner.runner import Run, Runner

SAY = """
    ldr x1, =0x09000000
    adr x2, text
next:
    ldrb w0, [x2], #1
    cbz w0, off
    strb w0, [x1]
    b next
text: .asciz "ab aab abc\\n"
    .balign 4
off:
"""


def test_until_stops_behind_the_byte_that_completes_the_text(tmp_path):
    made = runner(tmp_path, SAY + OFF)
    answer = made.send(Run(LIMIT, until="aab"))
    assert (answer["status"], answer["reason"]) == (0, "stopped")
    assert bytes(made.machine.console) == b"ab aab"
    answer = made.send(Run(LIMIT, until="ab"))  # what was shown before does not count
    assert bytes(made.machine.console) == b"ab aab ab" and answer["status"] == 0


def test_a_text_that_never_shows_is_status_1(tmp_path):
    answer = runner(tmp_path, SAY + OFF).send(Run(LIMIT, until="abd"))
    assert (answer["status"], answer["reason"]) == (1, "guest")
    assert "never showed 'abd'" in answer["text"]


def test_a_stop_leaves_no_mark(tmp_path):
    sinks = RecordingSink(), RecordingSink()
    plain, stopped = (runner(tmp_path, SAY + OFF, sink) for sink in sinks)
    plain.send(Run(LIMIT))
    stopped.send(Run(LIMIT, until="b "))
    stopped.send(Run(LIMIT))
    without_stop = [event for event in sinks[1].events if getattr(event, "reason", "") != "stopped"]
    assert without_stop == sinks[0].events


def test_bare_metal_finds_a_device_tree_where_ram_begins(tmp_path):
    made = runner(tmp_path, OFF, append="hello", cpus=3)
    tree = parse("tree", made.machine.read_memory(0x4000_0000, 0x4_0000))
    assert tree.get_property("bootargs", "chosen").value == "hello"
    assert tree.exist_node("cpus/cpu@2") and not tree.exist_node("cpus/cpu@3")


def test_a_program_where_ram_begins_gets_no_tree_and_a_warning(tmp_path):
    made = runner(tmp_path, OFF, load_address=0x4000_0000)
    assert "no room for a device tree" in made.warnings[0]
    assert made.send(Run(LIMIT))["reason"] == "guest"


def test_settings_come_last(tmp_path):
    made = runner(tmp_path, OFF, settings=("X7=0x1234",))
    assert made.machine.core.x(7) == 0x1234


def test_virtio_devices_take_the_first_slots_in_order(tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(512))
    made = runner(
        tmp_path, OFF, drives=(Drive(str(disk)), Drive(str(disk), read_only=True)), rng=True, console="virtio"
    )
    regions = {region.name: region for region in made.machine.board.bus.regions}
    ids = [regions[f"virtio-{slot}"].device(0).read(8, 4) for slot in range(32)]
    assert ids == [2, 2, 4, 3] + [0] * 28
    assert made.machine.board.peripherals.console_name == "virtio-console"


def test_files_that_are_not_there_are_named(tmp_path):
    guest = tmp_path / "guest.s"
    guest.write_text(OFF)
    for wrong in (
        {"initrd": "nowhere"},
        {"dtb": "nowhere"},
        {"bios": "nowhere", "image": None},
        {"loads": ("0x40100000=nowhere",)},
        {"drives": (Drive("nowhere"),)},
        {"modules": (Module("kernel", "nowhere"),)},
    ):
        with pytest.raises(UserError, match="nowhere"):
            Runner(Configuration(**({"image": str(guest)} | wrong)))  # type: ignore[arg-type]


def test_too_many_virtio_devices_are_refused(tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(512))
    with pytest.raises(UserError, match="32 slots"):
        runner(tmp_path, OFF, drives=(Drive(str(disk)),) * 33)
