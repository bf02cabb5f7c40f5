"""Files of VMs: every key does what it says, and whatever is wrong is one line with file, table and key."""

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import (
    HYPERVISOR_BYTES,
    Configuration,
    Drive,
    VirtualMachine,
    machine_options,
    virtual_machines,
    vm_configuration,
)
from arm_hyp.runner.vm_file import MACHINE_KEYS, VM_KEYS, read_vm_file

WHOLE = """
[machine]
cpu = "max"
cpus = 2
gic = 3
memory = "64M"
list-registers = 1
hypervisor = "handlers.py"

[[vm]]
name = "alpha"
image = "guest.s"
memory = 32
vcpus = 3
load-address = 0x4010_0000
set = ["X7=1", "HCR_EL2.TWE=0"]
initrd = "some file"
append = "console=ttyAMA0"
dtb = "some file"
load = ["0x40200000=some file"]
drive = ["disk", "disk,ro"]
rng = true
console = "virtio"
prefix = "a> "
input = "some file"
weight = 2048
pin = [0, 1]

[[vm]]
name = "beta"
image = "guest.s"
"""
LEAST = '[[vm]]\nname = "a"\nimage = "guest.s"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("handlers.py", "some file"):
        (tmp_path / name).write_text("# something")
    (tmp_path / "guest.s").write_text("b .\n")
    (tmp_path / "disk").write_bytes(bytes(512))
    return tmp_path


def read(folder: Path, text: str | bytes) -> Configuration:
    file = folder / "vms.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_vm_file(str(file))


def test_every_key_sets_its_field(folder):
    made = read(folder, WHOLE)
    file = str(folder / "some file")
    assert made == Configuration(
        cpu="max",
        cpus=2,
        gic=3,
        list_registers=1,
        machine_memory_bytes=64 << 20,
        hypervisor=str(folder / "handlers.py"),
        vms=(
            VirtualMachine(
                name="alpha",
                image=str(folder / "guest.s"),
                memory_bytes=32 << 20,
                vcpus=3,
                load_address=0x4010_0000,
                settings=("X7=1", "HCR_EL2.TWE=0"),
                initrd=file,
                append="console=ttyAMA0",
                dtb=file,
                loads=(f"0x40200000={file}",),
                drives=(Drive(str(folder / "disk")), Drive(str(folder / "disk"), read_only=True)),
                rng=True,
                console="virtio",
                prefix="a> ",
                input=file,
                weight=2048,
                pins=(0, 1),
            ),
            VirtualMachine(name="beta", image=str(folder / "guest.s")),
        ),
    )


def test_the_example_has_every_key():
    used = {line.split(" = ")[0] for line in WHOLE.splitlines() if " = " in line}
    assert used == MACHINE_KEYS.keys() | VM_KEYS.keys()


def test_the_reference_has_every_key():
    text = (Path(__file__).parents[3] / "docs/vms.md").read_text()
    assert [key for key in (*MACHINE_KEYS, *VM_KEYS) if f"`{key}`" not in text] == []


WRONG = {
    "no TOML": ("[vm", "vms.toml: is not a TOML file"),
    "not text": (b"\xff", "vms.toml: is not a TOML file"),
    "nothing": ("[machine]", "vms.toml: vm: there are no tables of VMs; begin each with [[vm]]"),
    "one table": ('[vm]\nname = "a"', "begin each with [[vm]]"),
    "no tables": ("vm = [1]", "begin each with [[vm]]"),
    "machine is a number": (f"machine = 1\n{LEAST}", "vms.toml: machine: is not a table"),
    "unknown table": (f"[machin]\n{LEAST}", "vms.toml: machin: there is no such table; did you mean machine?"),
    "unknown key": (LEAST + "memroy = 1", "vms.toml: [[vm]] a: memroy: there is no such key; did you mean memory?"),
    "far from any key": (f"[machine]\nx = 1\n{LEAST}", "[machine]: x: there is no such key; the keys are cpu, cpus,"),
    "no name": ('[[vm]]\nimage = "guest.s"', "[[vm]] number 1: name: is missing"),
    "no image": ('[[vm]]\nname = "a"', "[[vm]] a: image: is missing"),
    "name of two": (LEAST + LEAST, "[[vm]] a: name: two VMs have it"),
    "strange name": (LEAST.replace('"a"', '"a b"'), "[[vm]] a b: name: 'a b' is not a name"),
    "name is a number": (LEAST.replace('"a"', "1"), "[[vm]] number 1: name: 1 is not a string"),
    "no such file": (LEAST.replace("guest.s", "gest.s"), "gest.s; did you mean guest.s?"),
    "no such folder": (LEAST.replace("guest.s", "no/guest.s"), "[[vm]] a: image: there is no file"),
    "a folder": (LEAST.replace("guest.s", "."), "[[vm]] a: image: there is no file"),
    "text for a number": (LEAST + 'vcpus = "2"', "[[vm]] a: vcpus: '2' is not a number"),
    "true for a number": (LEAST + "vcpus = true", "[[vm]] a: vcpus: True is not a number"),
    "too many": (LEAST + "vcpus = 9", "[[vm]] a: vcpus: 9 is not from 1 to 8"),
    "number for a flag": (LEAST + "rng = 1", "[[vm]] a: rng: 1 is not true or false"),
    "text for a list": (LEAST + 'drive = "disk"', "[[vm]] a: drive: 'disk' is not a list"),
    "number in a list": (LEAST + "drive = [1]", "[[vm]] a: drive: 1 is not a string"),
    "no drive": (LEAST + 'drive = ["disc"]', "[[vm]] a: drive: there is no file"),
    "empty drive": (LEAST + 'drive = [",ro"]', "[[vm]] a: drive: ',ro' names no file"),
    "size": (LEAST + 'memory = "lots"', "[[vm]] a: memory: 'lots': RAM is"),
    "odd size": (LEAST + "memory = 3", "[[vm]] a: memory: 3: RAM is"),
    "console": (LEAST + 'console = "vga"', "[[vm]] a: console: there is no 'vga'; use pl011 or virtio or none"),
    "load without address": (LEAST + 'load = ["disk"]', "[[vm]] a: load: 'disk' is not ADDR=FILE"),
    "load at no address": (LEAST + 'load = ["here=disk"]', "[[vm]] a: load: 'here=disk' is not ADDR=FILE"),
    "load of nothing": (LEAST + 'load = ["0x1=no"]', "[[vm]] a: load: there is no file"),
    "setting": (LEAST + 'set = ["X7"]', "[[vm]] a: set: 'X7': this is not REG[.FIELD]=VALUE"),
    "weight": (LEAST + "weight = 0", "[[vm]] a: weight: 0 is not from 1 to 65536"),
    "pin": (LEAST + "pin = [-1]", "[[vm]] a: pin: -1 is not from 0 to 7"),
    "cpu": (f'[machine]\ncpu = "a73"\n{LEAST}', "[machine]: cpu: there is no 'a73'; use a72 or max or max-fgt"),
    "gic": (f"[machine]\ngic = 4\n{LEAST}", "[machine]: gic: 4 is not from 2 to 3"),
    "handlers": (f'[machine]\nhypervisor = "handler.py"\n{LEAST}', "handler.py; did you mean handlers.py?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(folder, name):
    text, expected = WRONG[name]
    with pytest.raises(UserError) as caught:
        read(folder, text)
    line = str(caught.value)
    assert expected in line and "vms.toml" in line and "\n" not in line


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no\.toml: does not exist"):
        read_vm_file(str(tmp_path / "no.toml"))


KEYS = st.sampled_from([*MACHINE_KEYS, *VM_KEYS]) | st.text(string.ascii_lowercase, min_size=1, max_size=8)
VALUES = st.recursive(
    st.integers(-10, 1 << 70).map(str) | st.booleans().map(lambda value: str(value).lower()) | st.just("1.5")
    | st.text(string.ascii_letters + string.digits + " ./=,~\u00e9", max_size=8).map(lambda text: f'"{text}"'),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)  # fmt: skip
TABLES = st.lists(
    st.tuples(st.sampled_from(["[machine]", "[[vm]]", "[vms]"]), st.dictionaries(KEYS, VALUES, max_size=4)), max_size=3
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES)
def test_no_file_breaks_the_reader(folder, tables):
    lines = [line for head, keys in tables for line in (head, *(f"{key} = {value}" for key, value in keys.items()))]
    try:
        made = read(folder, "\n".join(lines) or "# nothing")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert made.vms and all(vm.name and Path(vm.image).is_file() for vm in made.vms)


# --- what a configuration makes of it ---------------------------------------------------------------------------------


def test_the_machine_has_room_for_its_vms_and_the_hypervisor(folder):
    made = read(folder, LEAST + "memory = 16\n" + LEAST.replace('"a"', '"b"') + "memory = 1")
    options = machine_options(made)
    assert options["memory_bytes"] == (18 << 20) + HYPERVISOR_BYTES and options["start_el"] == 2
    assert machine_options(read(folder, WHOLE))["memory_bytes"] == 64 << 20
    many = "".join(LEAST.replace('"a"', f'"{n}"') + 'memory = "8G"\n' for n in range(3))
    with pytest.raises(UserError, match=r"no room for 24,608 MiB.*\[machine\] memory"):
        machine_options(read(folder, many))


def test_a_vm_boots_at_el1_by_the_plan_of_its_own_board(folder):
    made = read(folder, LEAST + 'memory = 16\nvcpus = 3\nappend = "hello"\n')
    vm = vm_configuration(made, made.vms[0])
    assert (vm.name, vm.vcpus, vm.memory_bytes, vm.plan.entry) == ("a", 3, 16 << 20, 0x4008_0000)
    assert vm.plan.tree.count(b"cpu@") == 3 and b"hello\0" in vm.plan.tree
    assert b"hvc\0" in vm.plan.tree and b"smc\0" not in vm.plan.tree


def test_a_pin_must_be_a_cpu_of_the_machine(folder):
    made = read(folder, LEAST + "pin = [1]\n")
    with pytest.raises(UserError, match="a: pin 1: the machine has no such CPU; it has 0 to 0"):
        vm_configuration(made, made.vms[0])


def test_an_image_with_a_hypervisor_is_one_vm(folder):
    image = str(folder / "guest.s")
    made = Configuration(image=image, hypervisor="", cpus=2, memory_bytes=16 << 20, rng=True, settings=("X1=1",))
    (vm,) = virtual_machines(made)
    assert vm == VirtualMachine(name="vm0", image=image, memory_bytes=16 << 20, vcpus=2, rng=True, settings=("X1=1",))
    with pytest.raises(UserError, match="no image"):
        virtual_machines(Configuration(hypervisor=""))
    assert virtual_machines(Configuration(image=image)) == ()


@pytest.mark.parametrize("path", sorted(guests_directory().glob("vms/*.toml")), ids=lambda path: path.stem)
def test_the_examples_can_be_read(path, tmp_path, monkeypatch):
    for name in ("Image", "initramfs.cpio"):
        file = tmp_path / ".cache/arm-hyp/linux" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(read_vm_file(str(path)).vms) == 2
