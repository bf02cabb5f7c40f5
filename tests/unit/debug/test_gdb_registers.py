"""The registers that gdb sees: their description as gdb reads it, and their values as the machine has them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from arm_hyp.arch.registers import layout_of
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.gdb.machine_view import MachineView
from arm_hyp.debug.gdb.target_description import CORE_FEATURE, FPU_FEATURE, SYSTEM_FEATURE, describe
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.runner.runner import Read, Snapshot
from arm_hyp.timeline.process.session import Session

MACHINES = [("a72", 2), ("max", 3), ("max-fgt", 3)]


def _machine(made: Configuration, instructions: int) -> tuple[Session, MachineView]:
    session = Session(made)
    session.send(Run(instructions))
    return session, MachineView(session, SymbolTable(), lambda text: None)


def _root(model: str, gic: int) -> ET.Element:
    return ET.fromstring(describe(model, gic, 4).xml)


@pytest.mark.parametrize(("model", "gic"), MACHINES)
def test_numbers_go_up_without_a_gap_and_names_are_unique(model: str, gic: int) -> None:
    registers = [element.attrib for element in _root(model, gic).iter("reg")]
    assert [int(one["regnum"]) for one in registers] == list(range(len(registers)))
    assert len({one["name"] for one in registers}) == len(registers)
    assert [one["name"] for one in registers[31:34]] == ["sp", "pc", "cpsr"]
    assert registers[34]["name"] == "v0"


@pytest.mark.parametrize(("model", "gic"), MACHINES)
def test_each_type_is_declared_before_it_is_used(model: str, gic: int) -> None:
    known = {"data_ptr", "code_ptr", "ieee_double", "ieee_single"} | {
        f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64, 128)
    }
    for feature in _root(model, gic).iter("feature"):
        here = set(known)
        for element in feature:
            used = {child.attrib["type"] for child in element if "type" in child.attrib}
            used |= {element.attrib["type"]} if "type" in element.attrib else set()
            assert used <= here, (element.attrib, used - here)
            if "id" in element.attrib:
                here.add(element.attrib["id"])


@pytest.mark.parametrize(("model", "gic"), MACHINES)
def test_the_fields_of_a_register_are_those_of_its_layout(model: str, gic: int) -> None:
    for flags in _root(model, gic).iter("flags"):
        layout = layout_of(flags.attrib["id"].removesuffix("_flags"))
        if layout is None:
            assert flags.attrib["id"] == "cpsr_flags"
            continue
        described = {(each.attrib["name"], int(each.attrib["start"]), int(each.attrib["end"])) for each in flags}
        assert described == {(each.name, each.lsb, each.msb) for each in layout.FIELDS if each.msb < 64}


def test_groups_are_features() -> None:
    features = {feature.attrib["name"] for feature in _root("max", 3).iter("feature")}
    assert {CORE_FEATURE, FPU_FEATURE} <= features
    assert {SYSTEM_FEATURE + name for name in ("el1", "el2", "timers", "gic")} <= features


def test_registers_with_an_effect_when_read_are_left_out() -> None:
    names = describe("max", 3, 4).by_name
    assert not {"ICC_IAR1_EL1", "ICC_IAR0_EL1", "RNDR", "RNDRRS", "DBGDTR_EL0"} & set(names)
    assert {"HCR_EL2", "ESR_EL2", "ICC_PMR_EL1", "ICH_LR0_EL2", "CNTVCT_EL0", "SCTLR_EL1"} <= set(names)


@pytest.mark.parametrize(("model", "gic"), MACHINES)
def test_reading_all_registers_and_memory_leaves_no_mark(model: str, gic: int) -> None:
    image = str(guests_directory() / "05-stage2-faults.s")
    session, view = _machine(Configuration(image=image, cpu=model, gic=gic, memory_bytes=4 << 20), 200)
    runner = session.timeline.runner
    before = runner.send(Snapshot())
    values = {row.name: view.read_register(1, row.name) for row in view.description.rows}
    view.read_memory(1, 0x4008_0000, 8192)
    assert runner.send(Snapshot()) == before
    assert [name for name, value in values.items() if value is None] == []


def test_values_are_those_of_the_machine() -> None:
    session, view = _machine(Configuration(image=str(guests_directory() / "02-wfi.s"), memory_bytes=4 << 20), 15)
    state = session.timeline.runner.send(Read())
    for number in range(31):
        assert view.read_register(1, f"x{number}") == state["general"][f"x{number}"]
    assert view.read_register(1, "pc") == state["general"]["pc"]
    assert view.read_register(1, "cpsr") == state["pstate"]
    assert view.read_register(1, "v7") == state["vector"]["q7"]


def test_the_stack_pointer_in_use_is_up_to_date(tmp_path: Path) -> None:
    image = tmp_path / "stack.s"
    lines = ("_start: mov x0, #0x4000", "mov sp, x0", "msr spsel, #0", "mov x0, #0x5000", "mov sp, x0", "b .")
    image.write_text("\n        ".join(lines) + "\n")
    session, view = _machine(Configuration(image=str(image), memory_bytes=4 << 20), 2)
    assert (view.read_register(1, "sp"), view.read_register(1, "SP_EL2")) == (0x4000, 0x4000)
    session.send(Run(5))
    view.forget()
    assert (view.read_register(1, "sp"), view.read_register(1, "SP_EL0")) == (0x5000, 0x5000)
    assert view.read_register(1, "SP_EL2") == 0x4000


def test_memory_by_the_regime_or_physical() -> None:
    made = Configuration(image=str(guests_directory() / "05-stage2-faults.s"), memory_bytes=4 << 20)
    session, view = _machine(made, 158)
    runner = session.timeline.runner
    assert runner.machine.core.el == 1
    assert view.read_memory(1, 0x4020_0000, 4) == b""  # stage 2 maps nothing there
    view.is_physical = True
    assert view.read_memory(1, 0x4020_0000, 4) == runner.machine.read_memory(0x4020_0000, 4)
    assert view.read_memory(1, 0x4000_0000 + (4 << 20) - 2, 8) == bytes(2)
