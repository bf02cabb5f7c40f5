"""What holds of the virtual interface whatever the hypervisor and the guest do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_gic_virtual_support import ACTIVE, BENCHES, EN, INVALID, PENDING, PENDING_AND_ACTIVE, Bench

from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2

U64 = st.integers(0, (1 << 64) - 1)
U32 = st.integers(0, (1 << 32) - 1)
WRITTEN = ["HCR", "VMCR", "AP0", "AP1", "LR0", "LR1", "LR2", "LR3", "PMR", "BPR0", "BPR1", "CTLR"]
ENDED = ["EOIR0", "EOIR1", "DIR"]
READ = ["IAR0", "IAR1", "HPPIR0", "HPPIR1", "RPR", "MISR", "EISR", "ELRSR"]
OBSERVED = ["HCR", "VMCR", "AP0", "AP1", "LR0", "LR1", "LR2", "LR3", "RPR", "MISR", "EISR", "ELRSR"]

list_registers = st.builds(
    lambda state, hw, group, priority, pintid, vintid: int(
        ICH_LR_EL2.of(State=state, HW=hw, Group=group, Priority=priority, pINTID=pintid, vINTID=vintid)
    ),
    st.integers(0, 3), st.integers(0, 1), st.integers(0, 1), st.integers(0, 0xFF), st.sampled_from([0, 30, 0x200]),
    st.integers(16, 24) | st.sampled_from([1020, 1023]),
)  # fmt: skip
wild = (
    st.tuples(st.sampled_from(WRITTEN), U32)
    | st.tuples(st.sampled_from(["LR0", "LR1", "LR2", "LR3"]), list_registers | U64)
    | st.tuples(st.sampled_from(ENDED), st.integers(16, 24) | U32)
    | st.tuples(st.sampled_from(READ), st.none())
)
names = st.sampled_from(sorted(BENCHES))


def run(bench: Bench, steps: list[tuple[str, int | None]]) -> None:
    for name, value in steps:
        bench.read(name) if value is None else bench.write(name, value)


def observe(bench: Bench) -> dict[str, int]:
    return {name: bench.read(name) for name in OBSERVED}


@given(names, st.lists(wild, max_size=30))
def test_whatever_is_written_every_register_stays_within_its_bits(name: str, steps: list[tuple[str, int]]) -> None:
    bench = BENCHES[name]()
    bench.open()
    run(bench, steps)
    seen = observe(bench)
    assert not seen["HCR"] & ~0xF800_5CFF and not seen["VMCR"] & ~0xF8FC_021F
    assert seen["MISR"] <= 0xFF and not seen["EISR"] & seen["ELRSR"] and seen["RPR"] in {*range(0, 0x100, 8), 0xFF}
    assert seen["VMCR"] >> 21 & 7 >= 2 and seen["VMCR"] >> 18 & 7 >= 3


@given(names, st.lists(wild, max_size=30))
def test_the_lines_always_say_what_an_acknowledge_would_give(name: str, steps: list[tuple[str, int]]) -> None:
    bench = BENCHES[name]()
    bench.open()
    run(bench, steps)
    lines = bench.high & {"virq", "vfiq"}
    assert len(lines) <= 1
    before, running = [bench.state(n) for n in range(4)], bench.read("RPR")
    bench.read("IAR0")
    bench.read("IAR1")
    after = [bench.state(n) for n in range(4)]
    taken = [n for n in range(4) if before[n] != after[n]]
    assert bool(taken) == bool(lines), "a line is high exactly while there is something to acknowledge"
    assert bench.read("RPR") <= running
    assert all(before[n] == PENDING and after[n] in (ACTIVE, INVALID) for n in taken)


@given(names, st.lists(wild, max_size=30))
def test_maintenance_follows_from_the_list_registers(name: str, steps: list[tuple[str, int]]) -> None:
    bench = BENCHES[name]()
    bench.open()
    run(bench, steps)
    hcr, vmcr = bench.read("HCR"), bench.read("VMCR")
    lrs = [ICH_LR_EL2(bench.read(f"LR{n}")) for n in range(4)]
    ended = [lr.State == INVALID and lr.EOI for lr in lrs]
    causes = [
        any(ended),
        hcr >> 1 & 1 and sum(lr.State != INVALID for lr in lrs) < 2,
        hcr >> 2 & 1 and hcr >> 27,
        hcr >> 3 & 1 and all(lr.State != PENDING for lr in lrs),
        hcr >> 4 & 1 and vmcr & 1,
        hcr >> 5 & 1 and not vmcr & 1,
        hcr >> 6 & 1 and vmcr & 2,
        hcr >> 7 & 1 and not vmcr & 2,
    ]
    assert bench.read("MISR") == sum(1 << bit for bit, cause in enumerate(causes) if cause)
    assert bench.read("EISR") == sum(1 << n for n, flag in enumerate(ended) if flag)
    assert ("maintenance" in bench.high) == bool(hcr & EN and any(causes))


@given(names, st.lists(wild, max_size=20), st.lists(wild, max_size=20))
def test_a_restored_interface_goes_on_as_the_saved_one(
    name: str, before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    old, new = BENCHES[name](), BENCHES[name]()
    old.open()
    run(old, before)
    new.write("HCR", old.read("HCR"))
    new.interface.restore(old.interface.snapshot())
    assert new.high == old.high
    run(old, after)
    run(new, after)
    assert observe(new) == observe(old) and new.high == old.high


fills = st.tuples(
    st.just("fill"), st.integers(0, 0x1F), st.integers(0, 1), st.integers(0, 1),
    st.sampled_from([PENDING, PENDING_AND_ACTIVE]),
)  # fmt: skip
orderly = st.lists(fills | st.just(("ack",)) | st.just(("end",)), max_size=40)


class Guest:
    """A guest that keeps the rules: it acknowledges what is signalled and ends in the reverse order."""

    def __init__(self, bench: Bench, eoi_mode: int, bpr: int) -> None:
        self.bench, self.eoi_mode = bench, eoi_mode
        self.stack: list[tuple[int, int]] = []
        self.log: list[object] = []
        self.filled, self.running = 0, 0xFF
        bench.open()
        bench.set_mode(eoi_mode=eoi_mode)
        bench.write("BPR0", bpr)
        bench.write("BPR1", bpr)

    def fill(self, priority: int, group: int, hw: int, state: int) -> None:
        free = self.bench.read("ELRSR")
        if free:
            n = (free & -free).bit_length() - 1
            self.filled += 1
            if hw or self.filled % 3:
                state = PENDING
            self.bench.fill(n, 32 + self.filled, state, Priority=priority << 3, Group=group, HW=hw, pINTID=100 + n)

    def ack(self) -> None:
        group = 0 if "vfiq" in self.bench.high else 1
        intid = self.bench.read(f"IAR{group}")
        if intid != 1023:
            assert self.bench.read("RPR") < self.running
            self.running = self.bench.read("RPR")
            self.stack.append((group, intid))
        self.log.append(intid)

    def end(self) -> None:
        if self.stack:
            group, intid = self.stack.pop()
            self.bench.write(f"EOIR{group}", intid)
            if self.eoi_mode:
                self.bench.write("DIR", intid)
            self.running = self.bench.read("RPR")

    def run(self, steps: list[tuple[object, ...]]) -> list[object]:
        for name, *arguments in steps:
            getattr(self, str(name))(*arguments)
            seen = [self.bench.read(r) for r in ("RPR", "MISR", "EISR", "ELRSR", "HPPIR0", "HPPIR1")]
            self.log.append((seen, sorted(self.bench.high), self.bench.active, [self.bench.state(n) for n in range(4)]))
        return [self.log, self.bench.deactivated, self.bench.eoi_count]


@settings(max_examples=200)
@given(orderly, st.integers(0, 1), st.integers(0, 7))
def test_both_versions_serve_an_orderly_guest_alike(steps: list[tuple[object, ...]], eoi_mode: int, bpr: int) -> None:
    logs = [Guest(BENCHES[name](), eoi_mode, bpr).run(steps) for name in ("GICv2", "GICv3")]
    assert logs[0] == logs[1]


@given(names, orderly, st.integers(0, 1))
def test_an_orderly_guest_ends_with_nothing_active(name: str, steps: list[tuple[object, ...]], eoi_mode: int) -> None:
    guest = Guest(BENCHES[name](), eoi_mode, 0)
    guest.run([step for step in steps if step[0] != "fill" or step[4] == PENDING])
    while guest.stack:
        guest.end()
    assert guest.bench.active == 0 and guest.bench.read("RPR") == 0xFF and guest.bench.eoi_count == 0
    assert ACTIVE not in [guest.bench.state(n) for n in range(4)]
