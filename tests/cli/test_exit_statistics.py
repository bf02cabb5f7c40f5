"""Exits of VMs are counted and shown as `perf kvm stat` does."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from arm_hyp.cli.exit_statistics import print_exits
from arm_hyp.events import hears
from arm_hyp.kvm_events import KvmEntry, KvmExit
from arm_hyp.timeline.statistics import Durations, ExitStatistics, Statistics

TABLES = """\
Exits of vm0, in us of host time
VM-EXIT Samples Samples%  Time% Min Time Max Time Avg time
WFx           2   66.67% 66.67%    10.00    30.00    20.00 +-50.00%
IRQ           1   33.33% 33.33%    20.00    20.00    20.00  +-0.00%
Total Samples:3, Total events handled time:60.00us.

Exits of vm0, in instructions retired meanwhile
VM-EXIT Samples Samples%   Time% Min Time Max Time Avg time
WFx           2   66.67% 100.00%        0     5000     2500 +-100.00%
IRQ           1   33.33%   0.00%        0        0        0   +-0.00%
Total Samples:3, Total events handled time:5000 instructions.

"""


class Host:
    """A host's clock that is set by hand, in us."""

    def __init__(self) -> None:
        self.us = 0

    def __call__(self) -> int:
        return self.us * 1000


def place(n: int, vcpu: int, vm: str) -> dict[str, object]:
    return {"n": n, "seq": 0, "cpu": 0, "el": 1, "pc": 0, "vm": vm, "vcpu": vcpu, "time_ns": n, "vcpu_pc": 0}


class Guests:
    """Guests whose exits are counted."""

    def __init__(self) -> None:
        self.host = Host()
        self.statistics = ExitStatistics(self.host)

    def exit(self, n: int, us: int, ec: int | None, vcpu: int = 0, vm: str = "vm0") -> None:
        self.host.us, ret = us, "IRQ" if ec is None else "TRAP"
        self.statistics.exit(KvmExit(**place(n, vcpu, vm), ret=ret, esr_ec=ec or 0, esr=0))

    def entry(self, n: int, us: int, vcpu: int = 0, vm: str = "vm0") -> None:
        self.host.us = us
        self.statistics.entry(KvmEntry(**place(n, vcpu, vm)))


@pytest.fixture
def guests() -> Guests:
    """Two vCPUs: one has two WFIs, and is interrupted; the other runs during one of them, and ends in an HVC."""
    made = Guests()
    made.entry(0, 0)
    made.exit(100, 10, 0x01)
    made.entry(100, 20)
    made.exit(200, 30, 0x01)
    made.entry(200, 31, vcpu=1)
    made.exit(5_200, 59, 0x16, vcpu=1)
    made.entry(5_200, 60)
    made.exit(5_300, 70, None)
    made.entry(5_300, 90)
    return made


def printed(statistics: ExitStatistics) -> str:
    file = io.StringIO()
    print_exits(Console(file=file, width=80, highlight=False), statistics)
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def test_an_exit_lasts_to_the_next_entry_of_the_same_vcpu(guests: Guests) -> None:
    costs = guests.statistics.vms["vm0"]
    assert list(costs) == ["WFx", "IRQ"], "neither a first entry nor an exit that nothing follows is counted"
    waits = costs["WFx"]
    assert (waits.instructions.samples, waits.instructions.total, waits.instructions.longest) == (2, 5_000, 5_000)
    assert (waits.host_ns.shortest, waits.host_ns.longest) == (10_000, 30_000)


def test_the_tables_are_those_of_perf(guests: Guests) -> None:
    assert printed(guests.statistics) == TABLES


def test_each_vm_has_its_tables(guests: Guests) -> None:
    guests.exit(6_000, 100, 0x24, vm="vm1")
    guests.entry(6_000, 101, vm="vm1")
    text = printed(guests.statistics)
    assert text.count("Exits of vm0") == text.count("Exits of vm1") == 2
    assert "DABT_LOW" not in text.partition("Exits of vm1")[0]


@pytest.mark.parametrize(("us", "shown"), [(99_999, "99999.00"), (100_000, "100000"), (60 * 10**6, "60000000")])
def test_a_long_wait_stays_whole_at_80_columns(guests: Guests, us: int, shown: str) -> None:
    guests.exit(10_000, 0, 0x34)
    guests.entry(3_000_010_000, us)
    text = printed(guests.statistics)
    assert "…" not in text and "WATCHPT_LOW" in text
    rows = [line.split()[4:7] for line in text.splitlines() if line.startswith("WATCHPT_LOW")]
    assert rows == [[shown] * 3, ["3000000000"] * 3]


def test_the_deviation_is_that_of_the_mean() -> None:
    durations = Durations()
    for each in (2, 4, 4, 4, 5, 5, 7, 9):
        durations.add(each)
    # Sample variance 32 / 7, of the mean 4 / 7; the mean is 5.
    assert durations.deviation_percent == pytest.approx(100 * (4 / 7) ** 0.5 / 5)


def test_statistics_of_a_run_count_exits() -> None:
    statistics = Statistics()
    assert not statistics.has_any and hears(statistics, KvmExit) and hears(statistics, KvmEntry)
    statistics.emit(KvmExit(**place(0, 0, "vm0"), ret="SERROR", esr_ec=0, esr=0))
    statistics.emit(KvmEntry(**place(7, 0, "vm0")))
    assert statistics.has_any and statistics.exits.vms["vm0"]["SERROR"].instructions.total == 7
