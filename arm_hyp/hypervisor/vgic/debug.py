"""The state of a vGIC as text, in the columns of Linux's debugfs file `vgic-state`.

Read `hypervisor/vgic/dist.py` before this file. Ref: Linux, vgic-debug.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arm_hyp.hypervisor.vgic.dist import VgicDist
from arm_hyp.hypervisor.vgic.irq import VgicIrq

_LEGEND: Final = (
    "P=pending_latch, L=line_level, A=active",
    "E=enabled, H=hw, C=config (level=1, edge=0)",
    "G=group",
)
_COLUMNS: Final = "TYP   ID TGT_ID PLAEHCG     HWID   TARGET SRC PRI VCPU_ID"
_RULE: Final = "-" * 64


def dump(dist: VgicDist) -> str:
    """Return the distributor and every interrupt. Fold the list registers first: what they hold is not in it."""
    lines = [*_distributor(dist), *_LEGEND]
    for cpu in dist.cpus:
        lines += _bank("VCPU", cpu.index, cpu.private)
    return "\n".join([*lines, *_bank("SPI ", 0, dist.spis)]) + "\n"


def _distributor(dist: VgicDist) -> Iterator[str]:
    yield from ("Distributor", "===========", f"vgic_model:\tGICv{dist.version}", f"nr_spis:\t{len(dist.spis)}")
    if dist.version == 3:
        yield "nr_lpis:\t0"
    yield from (f"enabled:\t{int(dist.groups != 0)}", "")


def _bank(title: str, number: int, irqs: list[VgicIrq]) -> Iterator[str]:
    yield from ("", f"{title}{number:2} {_COLUMNS}", _RULE)
    yield from (_line(irq) for irq in irqs)


def _line(irq: VgicIrq) -> str:
    kind = "SGI" if irq.is_sgi else "SPI" if irq.is_spi else "PPI"
    flags = (irq.pending_latch, irq.line_level, irq.active, irq.enabled, irq.hw, not irq.edge, irq.group)
    bits = "".join(str(int(flag)) for flag in flags)
    target = irq.targets or irq.mpidr
    places = (-1 if place is None else place for place in (irq.target_vcpu, irq.vcpu))
    wanted, held = places
    return (
        f"       {kind} {irq.intid:4}     {wanted:2} {bits} {irq.hwintid:8} {target:8x}  {irq.source:2x} "
        f"{irq.priority:3}      {held:2} "
    )
