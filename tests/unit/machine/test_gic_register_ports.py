"""Which interface an access to ICC_* reaches: HCR_EL2.{IMO, FMO} and the exception level decide."""

from __future__ import annotations

from functools import partial

import pytest
from gic_support import BenchV3

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.register_ports import VIRTUALIZED_BY

IMO, FMO = 1 << 4, 1 << 3


class VirtualRegisters:
    """ICV_* ports that tell when they were reached."""

    def __init__(self) -> None:
        self.written: list[Encoding] = []
        plain = BenchV3(1).ports[0]
        self.ports = {
            encoding: self._port(encoding, plain[encoding]) for encoding in VIRTUALIZED_BY if encoding in plain
        }

    def _port(self, encoding: Encoding, like: RegisterPort) -> RegisterPort:
        note = partial(self._write, encoding)
        return RegisterPort((lambda: 0xABC) if like.read else None, note if like.write else None)

    def _write(self, encoding: Encoding, value: int) -> None:
        self.written.append(encoding)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("IAR0", FMO),
        ("BPR0", FMO),
        ("AP0R0", FMO),
        ("IGRPEN0", FMO),
        ("HPPIR0", FMO),
        ("IAR1", IMO),
        ("BPR1", IMO),
        ("AP1R0", IMO),
        ("IGRPEN1", IMO),
        ("HPPIR1", IMO),
        ("PMR", IMO | FMO),
        ("CTLR", IMO | FMO),
        ("RPR", IMO | FMO),
    ],
)
def test_reads_at_el1_are_virtual_where_hcr_el2_says_so(name: str, bits: int) -> None:
    bench = BenchV3(1, VirtualRegisters().ports)
    view = bench.views[0]
    for hcr in (0, IMO, FMO, IMO | FMO):
        for el in (1, 2):
            view.controls["hcr_el2"], view.el = hcr, el
            assert (bench.icc(name) == 0xABC) == (el == 1 and hcr & bits != 0)


@pytest.mark.parametrize(("name", "bits"), [("EOIR0", FMO), ("EOIR1", IMO), ("DIR", IMO | FMO)])
def test_writes_at_el1_are_virtual_where_hcr_el2_says_so(name: str, bits: int) -> None:
    virtual = VirtualRegisters()
    bench = BenchV3(1, virtual.ports)
    for hcr in (0, IMO, FMO, IMO | FMO):
        for el in (1, 2):
            virtual.written.clear()
            bench.views[0].controls["hcr_el2"], bench.views[0].el = hcr, el
            bench.set_icc(name, 1023)
            assert bool(virtual.written) == (el == 1 and hcr & bits != 0)


def test_sgi_registers_have_no_virtual_form() -> None:
    bench = BenchV3(1, VirtualRegisters().ports)
    bench.open()
    assert not {by_name(f"ICC_{name}_EL1").encoding for name in ("SGI0R", "SGI1R", "ASGI1R")} & set(VIRTUALIZED_BY)
    bench.views[0].controls["hcr_el2"] = IMO | FMO
    bench.set_icc("SGI1R", 1 << 24 | 1)
    assert bench.bits(0x200, 1)
