"""Real guests as VMs: Debian's kernel with stage 2 on, alone, beside another, and beside VMs that misbehave."""

import subprocess
import sys

import pytest
from guest_vms import (
    AGGRESSORS,
    LIMIT,
    ORDERED,
    QUICK,
    SyncExits,
    assembly,
    linux,
    run,
    runner,
    script,
    victim,
    without_times,
)
from hash_sink import HashSink

from arm_hyp.runner.configuration import Drive
from arm_hyp.runner.runner import Restore, Run, Snapshot, Type

long = pytest.mark.long

VARIANTS = [
    pytest.param(
        gic,
        vcpus,
        cpus,
        cpu,
        marks=() if (gic, vcpus, cpus, cpu) == (2, 1, 1, "a72") else long,
        id=f"{cpu}-gicv{gic}-{vcpus}vcpu-{cpus}cpu",
    )
    for cpu in ("a72", "max")
    for gic in (2, 3)
    for vcpus, cpus in ((1, 1), (4, 1), (4, 2))
]
PAIRS = [pytest.param(gic, cpus, id=f"gicv{gic}-{cpus}cpu") for gic in (2, 3) for cpus in (1, 2)]


def assert_ended_well(made, vm=0):
    end, console = made.hypervisor.vms[vm].end, bytes(made.consoles[vm]).decode("latin-1")
    assert end is not None and end.reason == "off", f"{end}\n{console[-2000:]}"
    assert "Hello from userland" in console and console.rstrip().endswith("reboot: Power down")


# --- alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gic", "vcpus", "cpus", "cpu"), VARIANTS)
def test_linux_runs_a_script_in_a_vm_and_powers_off(linux_images, gic, vcpus, cpus, cpu):
    made = runner(linux(linux_images, vcpus=vcpus), gic=gic, cpus=cpus, cpu=cpu)
    answer, (console,) = run(made)
    assert answer["reason"] == "guest", f"{answer['text']}\n{console[-2000:]}"
    assert_ended_well(made)
    assert "CPU: All CPU(s) started at EL1" in console and f"Brought up 1 node, {vcpus} CPU" in console
    timer = next(
        line.split() for line in console.splitlines() if line.rstrip().endswith("arch_timer") and "Level" in line
    )
    assert all(int(count) > 0 for count in timer[1 : 1 + vcpus]), timer


@long
def test_a_full_boot_with_the_tests_of_the_ciphers(linux_images):
    made = runner(linux(linux_images, append="console=ttyAMA0"))
    run(made)
    assert_ended_well(made)


@long
@pytest.mark.parametrize(("gic", "cpus"), [(2, 1), (3, 2)])
def test_runs_repeat_whoever_watches(linux_images, gic, cpus):
    def once(sink=None):
        made = runner(linux(linux_images, "a", vcpus=2), linux(linux_images, "b"), gic=gic, cpus=cpus, sink=sink)
        return run(made)

    first, second = HashSink(), HashSink()
    watched = once(first)
    assert once(second) == watched
    assert first.digest == second.digest
    assert once() == watched


@long
@pytest.mark.parametrize(("gic", "vcpus", "cpus"), [(2, 1, 1), (3, 4, 2)])
def test_a_snapshot_in_the_middle_goes_on_alike(linux_images, gic, vcpus, cpus):
    vms = linux(linux_images, "a", vcpus=vcpus), linux(linux_images, "b")
    one, other = (runner(*vms, gic=gic, cpus=cpus) for _ in range(2))
    one.send(Run(123_456_789))
    other.send(Restore(one.send(Snapshot())))
    ended = run(one)
    assert run(other) == ended
    for vm in (0, 1):
        assert_ended_well(one, vm)
    one.send(Restore(other.send(Snapshot())))
    assert one.send(Snapshot()) == other.send(Snapshot())


DISK = """
busybox mke2fs -F /dev/vda >/dev/null && mount -t ext2 /dev/vda /mnt && echo kept >/mnt/file && umount /mnt
echo 3 >/proc/sys/vm/drop_caches
mount -t ext2 -o ro /dev/vda /mnt && echo "the file says $(cat /mnt/file)"
grep vda /proc/mounts
"""


@long
@pytest.mark.parametrize("gic", [2, 3])
def test_a_virtio_disk_mounts_in_a_vm(linux_images, tmp_path, gic):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    archive = script(linux_images, tmp_path, DISK, modules=True)
    made = runner(linux(linux_images, initrd=archive, drives=(Drive(str(disk)),)), gic=gic)
    answer, (console,) = run(made)
    assert answer["reason"] == "guest" and "the file says kept" in console
    assert "/dev/vda /mnt ext2 ro" in console
    assert disk.read_bytes() == bytes(1 << 20)


@long
def test_a_shell_in_a_vm_answers_what_is_typed(linux_images):
    made = runner(linux(linux_images, "a", initrd=str(linux_images.shell)), linux(linux_images, "b"))
    assert made.send(Run(LIMIT, until="\n# "))["status"] == 0
    made.send(Type(b"echo six times seven is $((6*7))\n"))
    assert made.send(Run(LIMIT, until="six times seven is 42"))["status"] == 0
    made.send(Type(b"poweroff -f\n"))
    assert made.send(Run(LIMIT))["reason"] == "guest"


# --- side by side -----------------------------------------------------------------------------------------------------


@long
@pytest.mark.parametrize(("gic", "cpus"), PAIRS)
def test_two_linux_vms_side_by_side(linux_images, tmp_path, gic, cpus):
    archive = script(linux_images, tmp_path)
    one, other = (linux(linux_images, name, initrd=archive, append=ORDERED) for name in "ab")
    _, (expected,) = run(runner(one, gic=gic))
    made = runner(one, other, gic=gic, cpus=cpus)
    assert run(made)[0]["status"] == 0
    for vm in (0, 1):
        assert_ended_well(made, vm)
        assert without_times(bytes(made.consoles[vm]).decode()) == without_times(expected)


@long
@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("aggressor", [*AGGRESSORS, "panics"])
def test_a_linux_victim_prints_what_it_prints_alone(linux_images, tmp_path, aggressor, cpus):
    booted = linux(linux_images, "victim", initrd=script(linux_images, tmp_path), append=ORDERED)
    _, (expected,) = run(runner(booted, gic=3))
    assert "reboot: Power down" in expected
    if aggressor == "panics":
        other = linux(linux_images, "other", append=f"{QUICK} rdinit=/nowhere root=/nowhere panic=0")
    else:
        other = assembly(tmp_path, "other", AGGRESSORS[aggressor])
    made = runner(other, booted, gic=3, cpus=cpus)
    run(made, until="reboot: Power down")
    made.send(Run(made.machine.retired + 1_000_000))
    assert_ended_well(made, 1)
    assert without_times(bytes(made.consoles[1]).decode()) == without_times(expected)
    end = made.hypervisor.vms[0].end
    assert (end is not None and end.reason == "crashed") == (aggressor == "exception loop"), end
    if aggressor == "panics":
        assert "Kernel panic - not syncing" in bytes(made.consoles[0]).decode()


def watched(vms, **options):
    """Run until the VM `victim` has ended: its memory, its synchronous exits, its console."""
    exits = SyncExits("victim")
    made = runner(*vms, sink=exits, **options)
    victim = made.hypervisor.vms[-1]
    while victim.end is None:
        made.send(Run(made.machine.retired + 50_000))
    return victim.read_ipa(0x4000_0000, 16 << 20), exits.seen, bytes(made.consoles[-1])


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("gic", [2, 3])
@pytest.mark.parametrize("aggressor", AGGRESSORS)
def test_a_victim_without_a_clock_ends_as_if_it_were_alone(tmp_path, aggressor, gic, cpus):
    rounds = 90 if cpus == 1 else 15  # on a CPU of its own the other runs all the time
    works = victim(tmp_path, rounds)
    alone = watched([works], gic=gic)
    assert len(alone[2]) == rounds and len(alone[1]) > 4 * rounds
    beside = watched([assembly(tmp_path, "other", AGGRESSORS[aggressor]), works], gic=gic, cpus=cpus)
    assert beside[2] == alone[2]
    assert beside[1] == alone[1]
    assert beside[0] == alone[0]


# --- the command line -------------------------------------------------------------------------------------------------


def command(*arguments: str, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "arm_hyp.cli.main", "run", *arguments],
        capture_output=True, text=True, cwd=cwd, timeout=300, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@long
def test_the_command_line_runs_linux_as_a_vm_the_same_way_with_and_without_observers(linux_images, tmp_path):
    kernel = [str(linux_images.kernel), "--hypervisor", "--initrd", str(linux_images.initramfs)]
    kernel += ["--append", "console=ttyAMA0 cryptomgr.notests=1 quiet"]
    plain = command(*kernel)
    assert plain.returncode == 0 and "Hello from userland" in plain.stdout, plain.stderr
    trace = tmp_path / "trace"
    observed = command(*kernel, "--stat", "--trace", str(trace), "--trace-format", "kvm")
    assert (observed.returncode, observed.stdout) == (0, plain.stdout)
    assert "VM-EXIT" in observed.stderr and "kvm_exit: TRAP: HSR_EC: 0x0024" in trace.read_text()


TWO = """
[machine]
cpus = 2
gic = 3
[[vm]]
name = "alpha"
image = "{0.kernel}"
initrd = "{0.initramfs}"
append = "console=ttyAMA0 cryptomgr.notests=1 quiet"
vcpus = 2
[[vm]]
name = "beta"
image = "{0.kernel}"
initrd = "{0.initramfs}"
append = "console=ttyAMA0 cryptomgr.notests=1 quiet"
"""


@long
def test_a_file_of_two_linux_vms(linux_images, tmp_path):
    (tmp_path / "two.toml").write_text(TWO.format(linux_images))
    done = command("two.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("alpha", "beta"):
        assert f"[{name}] Hello from userland" in done.stdout and f"{name}: the guest powered off" in done.stderr
