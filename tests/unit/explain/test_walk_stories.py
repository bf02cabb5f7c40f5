"""Walks in words: the sentence, the tree with every step, field and nested walk, and the registers after a fault."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from arm_hyp.arch.syndromes import decode_esr
from arm_hyp.arch.translation import FETCH, READ, WRITE, Access, TranslationRegisters, walk
from arm_hyp.explain.walk_rendering import render, to_plain
from arm_hyp.explain.walk_words import Node
from arm_hyp.explain.walks import FaultRegisters, WalkStory, explain_walk

S2_TABLE, S2_NEXT, OFFSET = 0x10_0000, 0x11_0000, 0x4000_0000
TABLES_IPA, DATA_IPA = 0x20_0000, 0x40_0000
LEAF, AF = 0x741, 1 << 10  # block, AF, Inner Shareable, AP 0b01: everybody reads and writes
S2_LEAF = 0x7FD  # block, AF, Inner Shareable, S2AP 0b11, MemAttr Write-Back
HCR_VM, HCR_RW, HCR_DC, HCR_PTW, HCR_TGE = 1, 1 << 31, 1 << 12, 1 << 2, 1 << 27
MAIR = 0x44_04_FF
MMU_AND_CACHES = 0x1005


def registers(**others: int) -> TranslationRegisters:
    """Return both stages with 4 KB tables: 30 bits of VA from level 2, 32 bits of IPA from level 1."""
    values = {
        "hcr_el2": HCR_RW | HCR_VM,
        "sctlr_el1": MMU_AND_CACHES,
        "tcr_el1": 34 | 4 << 32,
        "ttbr0_el1": TABLES_IPA,
        "mair_el1": MAIR,
        "vtcr_el2": 1 << 31 | 4 << 16 | 1 << 6 | 64 - 32,
        "vttbr_el2": S2_TABLE,
    }
    return TranslationRegisters(**(values | others))  # type: ignore[arg-type]


def memory(stage1: int = DATA_IPA | LEAF, tables: int = S2_LEAF, data: int = S2_LEAF) -> dict[int, int]:
    """Return tables that map VA 0 by one block; stage 2 moves everything by OFFSET."""
    return {
        S2_TABLE: S2_NEXT | 3,
        S2_NEXT + 8: OFFSET + TABLES_IPA | tables if tables else 0,
        S2_NEXT + 16: OFFSET + DATA_IPA | data if data else 0,
        OFFSET + TABLES_IPA: stage1,
    }


def tell(words: dict[int, int], access: Access = READ, el: int = 1, va: int = 0x1234, **others: int) -> WalkStory:
    made = registers(**others)
    return explain_walk(walk(va, access, el, made, words.get), access, el, made)


def all_nodes(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from all_nodes(node.children)


def texts(story: WalkStory, kind: str) -> list[str]:
    return [node.text for node in all_nodes(story.nodes) if node.kind == kind]


def shown(story: WalkStory, everything: bool = False) -> str:
    console = Console(width=300, no_color=True)
    with console.capture() as capture:
        console.print(render(story, everything))
    return capture.get()


# --- translations -----------------------------------------------------------------------------------------------------


def test_the_sentence_gives_pa_memory_type_and_permissions() -> None:
    story = tell(memory())
    assert story.sentence == (
        "VA 0x1234 at EL1 reads PA 0x40401234: Normal memory, Write-Back, Read- and Write-Allocate, Inner Shareable; "
        "EL1 RW-, EL0 RWX."
    )
    assert (story.pa, story.registers) == (0x4040_1234, None)


def test_every_step_names_index_bits_table_and_descriptor() -> None:
    steps = texts(tell(memory()), "step")
    assert steps == [
        "level 2: VA<29:21> is index 0 of the table at IPA 0x200000: 0x400741, a block of 2 MiB at 0x400000",
        # the nested walk of that table's IPA
        "level 1: IPA<31:30> is index 0 of the table at PA 0x100000: 0x110003, a table at 0x110000",
        "level 2: IPA<29:21> is index 1 of the table at PA 0x110000: 0x402007fd, a block of 2 MiB at 0x40200000",
        # the walk of the address that came out
        "level 1: IPA<31:30> is index 0 of the table at PA 0x100000: 0x110003, a table at 0x110000",
        "level 2: IPA<29:21> is index 2 of the table at PA 0x110000: 0x404007fd, a block of 2 MiB at 0x40400000",
    ]


def test_fields_are_named_with_their_bits_and_meaning() -> None:
    fields = texts(tell(memory(stage1=DATA_IPA | LEAF | 1 << 54 | 1 << 2 | 1 << 52)), "field")
    for text in (
        "UXN <54> 0b1  EL0 may not execute",
        "Contiguous <52> 0b1  one of a run of entries that may be cached as one",
        "ADDRESS <47:21> 0x400000  output address",
        "AP <7:6> 0b01  read and write, EL0 too",
        "AttrIndx <4:2> 0b001  MAIR_EL1.Attr1 is 0x04: Device-nGnRE",
        "S2AP <7:6> 0b11  read and write",
        "MemAttr <5:2> 0b1111  Normal memory, Write-Back",
    ):
        assert text in fields


def test_address_bits_below_a_block_are_shown_if_set() -> None:
    fields = texts(tell(memory(stage1=DATA_IPA | 1 << 13 | LEAF)), "field")
    assert "ADDRESS <47:21> 0x400000  output address" in fields
    assert "RES0 <20:12> 0x2  should be zero, and is ignored" in fields
    assert not any(text.startswith("RES0") for text in texts(tell(memory()), "field"))


def test_concatenated_tables_and_the_upper_range_are_told() -> None:
    wide = tell(
        {S2_TABLE + 8: 0x4000_0000 | S2_LEAF}, va=0x4000_0000, sctlr_el1=0, vtcr_el2=1 << 31 | 4 << 16 | 64 | 24
    )
    assert "2 concatenated tables" in texts(wide, "stage")[1]
    upper = tell({0x20_0000: LEAF}, va=(1 << 64) - (1 << 30), hcr_el2=HCR_RW, tcr_el1=34 << 16 | 2 << 30 | 4 << 32,
                 ttbr1_el1=TABLES_IPA)  # fmt: skip
    assert texts(upper, "stage")[0].startswith(
        "Stage 1, the EL1&0 regime, upper range: TTBR1_EL1 leads to 0x200000; 4 KiB granule, 30 bits (TCR_EL1.T1SZ)"
    )


@pytest.mark.parametrize(
    ("index", "mem_attr", "wins", "memory_type"),
    [
        (0, 0b1111, "both stages say so", "Normal memory, Write-Back"),
        (1, 0b1111, "stage 1 is stricter and wins", "Device-nGnRE"),
        (0, 0b0001, "stage 2 is stricter and wins", "Device-nGnRE"),
        (0, 0b0101, "stage 2 is stricter and wins", "Normal memory, Non-cacheable"),
        (2, 0b1111, "stage 1 is stricter and wins", "Normal memory, Non-cacheable"),
    ],
)
def test_who_decided_the_memory_type(index: int, mem_attr: int, wins: str, memory_type: str) -> None:
    data = S2_LEAF & ~(0b1111 << 2) | mem_attr << 2
    story = tell(memory(stage1=DATA_IPA | LEAF | index << 2, data=data))
    together = next(node for node in story.nodes if node.kind == "both")
    text = together.children[0].text
    assert text.startswith(f"memory: {memory_type}") and text.endswith(f"({wins})")


def test_a_stage_that_is_off_says_why() -> None:
    for others, why in (
        ({"sctlr_el1": 0}, "SCTLR_EL1.M is 0"),
        ({"hcr_el2": HCR_RW | HCR_VM | HCR_DC}, "HCR_EL2.DC is 1"),
        ({"hcr_el2": HCR_RW | HCR_VM | HCR_TGE}, "HCR_EL2.TGE is 1"),
    ):
        story = tell(memory(), va=DATA_IPA, **others)
        assert texts(story, "stage")[0] == f"Stage 1, the EL1&0 regime, is off ({why}): the address stays as it is"
    assert "Stage 2 is off (HCR_EL2.VM and DC are 0)" in texts(tell({}, hcr_el2=HCR_RW, sctlr_el1=0), "stage")[1]
    assert texts(tell({}, el=2, sctlr_el1=0), "stage") == [
        "Stage 1, the EL2 regime, is off (SCTLR_EL2.M is 0): the address stays as it is"
    ]


def test_caches_that_are_off_change_the_memory_type() -> None:
    story = tell(memory(), sctlr_el1=1)
    first = next(node.text for node in all_nodes(story.nodes[:1]) if node.kind == "memory" and "SCTLR" in node.text)
    assert first.startswith("memory: Normal memory, Non-cacheable, Outer Shareable, because SCTLR_EL1.C is 0")


def test_at_gives_the_same_in_par_el1() -> None:
    assert texts(tell(memory(), WRITE), "par") == ["AT S12E1W leaves PAR_EL1 = 0xff00000040401b80"]
    assert texts(tell(memory(data=0), el=0), "par")[0].startswith("AT S12E0R leaves PAR_EL1 = 0xa0d")
    assert texts(tell({}, el=2, sctlr_el1=0), "par")[0].startswith("AT S1E2R leaves PAR_EL1 =")
    assert texts(tell(memory(), FETCH), "par") == []
    assert texts(tell({}), "par") == []


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_stage_1_fault_goes_to_el1() -> None:
    story = tell(memory(stage1=0), WRITE)
    assert story.sentence == (
        "VA 0x1234 at EL1 cannot be written: translation fault at level 2 of stage 1: the level 2 descriptor 0x0 at "
        "IPA 0x200000 (table 0x200000, index 0): its bit 0 is clear, so it is invalid; ESR_EL1 0x96000046, "
        "FAR_EL1 0x1234."
    )
    assert story.registers == FaultRegisters(1, 0x9600_0046, 0x1234, None, False)


def test_a_stage_2_fault_names_the_ipa() -> None:
    story = tell(memory(data=0), el=0)
    assert story.registers == FaultRegisters(2, 0x9200_0006, 0x1234, 0x4010, True)
    assert story.sentence.endswith("ESR_EL2 0x92000006, FAR_EL2 0x1234, HPFAR_EL2 0x4010.")


def test_a_stage_2_fault_on_a_stage_1_walk_names_the_table() -> None:
    story = tell(memory(tables=0), FETCH)
    assert story.registers == FaultRegisters(2, 0x8200_0086, 0x1234, 0x2000, True)
    assert "on stage 1's own walk (S1PTW: its level 2 descriptor is at IPA 0x200000)" in story.sentence
    assert "level 2 descriptor 0x0 at PA 0x110008 (table 0x110000, index 1)" in story.sentence
    assert "it cannot be read" in texts(story, "step")[0]


def test_hpfar_is_unknown_after_a_stage_2_permission_fault() -> None:
    story = tell(memory(data=S2_LEAF & ~(1 << 7)), WRITE)
    assert story.registers is not None and story.registers.hpfar is None
    assert "S2AP <7:6> is 0b01: it must not be written; ESR_EL2 0x9200004e" in story.sentence
    assert story.sentence.endswith("HPFAR_EL2 UNKNOWN.")


def test_tge_sends_a_fault_of_el0_to_el2() -> None:
    story = tell({}, el=0, va=1 << 45, hcr_el2=HCR_RW | HCR_TGE, sctlr_el1=0, pa_bits=44)
    assert story.registers == FaultRegisters(2, 0x9200_0000, 1 << 45, None, False)


@pytest.mark.parametrize("access", [READ, WRITE, FETCH])
def test_the_syndrome_is_that_of_the_fault(access: Access) -> None:
    story = tell(memory(stage1=DATA_IPA | LEAF & ~AF), access)
    assert story.registers is not None
    name = "IFSC" if access.is_fetch else "DFSC"
    assert decode_esr(story.registers.esr, 1).find(name).meaning == "access flag fault, level 2"


def test_pan_is_a_reason() -> None:
    assert "PSTATE.PAN is 1, and EL0 may use this page" in tell(memory(), READ._replace(pan=True)).sentence


# --- the screen and JSON ----------------------------------------------------------------------------------------------


def test_nested_walks_that_went_well_are_one_line_unless_all_is_asked_for() -> None:
    story = tell(memory())
    brief, everything = shown(story), shown(story, everything=True)
    assert brief.count("level 1: IPA<31:30>") == 1 and everything.count("level 1: IPA<31:30>") == 2
    assert "stage 2 of IPA 0x200000: PA 0x40200000" in brief
    assert "PBHA" not in brief and "PBHA <62:59>" in everything
    assert brief.splitlines()[0] == story.sentence


def test_a_nested_walk_that_failed_is_shown() -> None:
    brief = shown(tell(memory(tables=0)))
    assert "level 1: IPA<31:30>" in brief
    assert "translation fault, level 2, on a stage 1 walk (S1PTW)" in brief


def test_json_has_every_number_as_a_number() -> None:
    plain = json.loads(json.dumps(to_plain(tell(memory(data=0)))))
    assert plain["pa"] is None
    assert plain["registers"] == {"target_el": 2, "esr": 0x9200_0006, "far": 0x1234, "hpfar": 0x4010, "is_stage2": True}
    stage1, stage2 = (node for node in plain["nodes"] if node["kind"] == "stage")
    step = next(node for node in stage1["children"] if node["kind"] == "step")
    assert (step["address"], step["pa"], step["descriptor"]) == (TABLES_IPA, OFFSET + TABLES_IPA, DATA_IPA | LEAF)
    assert (step["msb"], step["lsb"], step["index"], step["found"]) == (29, 21, 0, "block")
    assert stage2["input_address"] == DATA_IPA + 0x1234
    fault = stage2["children"][-1]
    assert (fault["fault"], fault["level"], fault["s1ptw"]) == ("translation fault", 2, False)


def test_the_tree_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tell(memory()).nodes[0].text = ""  # type: ignore[misc]
