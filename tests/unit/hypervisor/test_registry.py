"""Loading a file of handlers: what it registers, and the one line for whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import EC
from arm_hyp.errors import UserError
from arm_hyp.hypervisor import handler, hypercall
from arm_hyp.hypervisor.student.loading import load_handlers
from arm_hyp.hypervisor.student.registry import Handlers, Misuse

IMPORTS = "from arm_hyp.hypervisor import EC, handler, hypercall, mmio, sysreg\n"


def load(path: Path, source: str) -> Handlers:
    file = path / "h.py"
    file.write_text(IMPORTS + source)
    return load_handlers(file)


def refusal(path: Path, source: str) -> str:
    with pytest.raises(UserError) as caught:
        load(path, source)
    return str(caught.value).replace(f"{path}/", "")


ALL = """
@handler(EC.WFX, EC.SVE)
def a(vcpu, exit): pass
@sysreg("midr_el1")
def b(vcpu, access, next): pass
@hypercall(0xC6000001)
def c(vcpu, call): pass
@mmio(range(0x0B000000, 0x0B001000))
def d(vcpu, access): pass
"""


def test_a_module_registers_all_four_kinds(tmp_path: Path) -> None:
    handlers = load(tmp_path, ALL)
    assert {ec: h.function.__name__ for ec, h in handlers.classes.items()} == {EC.WFX: "a", EC.SVE: "a"}
    assert handlers.sysregs[sysregs.parse_name("MIDR_EL1")].takes_next
    assert handlers.hypercalls[0xC6000001].decorator == "@hypercall(0xc6000001)"
    assert not handlers.mmio[range(0x0B000000, 0x0B001000)].takes_next
    assert len(handlers) == 5


def test_each_load_is_a_new_module_and_an_empty_registry(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("seen = []\n")
    first = load(tmp_path, "import beside_it\nbeside_it.seen.append(1)\n" + ALL)
    second = load(tmp_path, "import beside_it\nbeside_it.seen.append(1)\n@handler(EC.BRK)\ndef a(v, e): pass")
    assert list(second.classes) == [EC.BRK] and not second.mmio
    assert first.modules[0] is not second.modules[0]
    assert [module.seen for module in (first.modules[1], second.modules[1])] == [[1], [1]]


def test_decorators_register_nothing_outside_a_load_but_check() -> None:
    def plain(vcpu: object, call: object) -> int:
        return 0

    assert hypercall(5)(plain) is plain
    with pytest.raises(Misuse, match="takes exception classes"):
        handler(plain)  # type: ignore[arg-type]


def test_what_a_module_prints_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(tmp_path, "print('loaded')" + ALL)
    assert capsys.readouterr() == ("", "loaded\n")


TWICE = """
@hypercall(5)
def a(v, c): pass
@hypercall(5)
def b(v, c): pass
"""
OVERLAP = """
@mmio(range(0x1000, 0x2000))
def a(v, c): pass
@mmio(range(0x1FFF, 0x3000))
def b(v, c): pass
"""
REFUSALS = [
    ("def", "h.py:2: no Python: invalid syntax"),
    ("x = 1\n1 / 0", "h.py:3: ZeroDivisionError: division by zero"),
    ("import nowhere", "h.py:2: ModuleNotFoundError: No module named 'nowhere'"),
    ("raise SystemExit(3)", "h.py:2: SystemExit: 3"),
    ("while True: pass", "h.py:2: the module loops for ever"),
    ("while True:\n try: pass\n except: pass", "h.py:3: the module loops for ever"),
    ("x = 1", "h.py: registers no handler; write one under @handler(EC.WFX), for example"),
    (
        '@sysreg("MIDR")\ndef a(v, x): pass',
        "h.py:2: no system register is called MIDR; near names: MIDR_EL1, SMIDR_EL1, MPIDR_EL1",
    ),
    ("@sysreg(5)\ndef a(v, x): pass", 'h.py:2: @sysreg takes the name of a register; write @sysreg("MIDR_EL1")'),
    ("@handler(EC.WFI)\ndef a(v, x): pass", "h.py:2: AttributeError: WFI; did you mean WFX?"),
    ("@handler\ndef a(v, x): pass", "h.py:2: @handler takes exception classes; write @handler(EC.WFX)"),
    ("@handler()\ndef a(v, x): pass", "h.py:2: @handler takes exception classes; write @handler(EC.WFX)"),
    (
        "@hypercall(1 << 32)\ndef a(v, x): pass",
        "h.py:2: @hypercall takes the 32 bits of W0; write @hypercall(0xC600_0001)",
    ),
    (TWICE, "h.py:5: @hypercall(0x5) is there twice: h.py:3 handles it already; keep one of them"),
    (OVERLAP, "h.py:5: @mmio(range(0x1fff, 0x3000)) overlaps @mmio(range(0x1000, 0x2000)) at h.py:3"),
    (
        "@mmio(range(8, 4))\ndef a(v, x): pass",
        "h.py:2: @mmio(range(0x8, 0x4)) is no range of 48-bit addresses; low, then high",
    ),
    (
        "@mmio(0x1000)\ndef a(v, x): pass",
        "h.py:2: @mmio takes a range of addresses; write @mmio(range(0x0B00_0000, 0x0B00_1000))",
    ),
    (
        "@handler(EC.WFX)\ndef a(vcpu): pass",
        "h.py:2: a(vcpu) has the wrong parameters; write def a(vcpu, exit) or def a(vcpu, exit, next)",
    ),
    (
        "@hypercall(1)\ndef a(vcpu, call, seen=[]): pass",
        "h.py:2: a(vcpu, call, seen=[]) has the wrong parameters; write def a(vcpu, call) or def a(vcpu, call, next)",
    ),
    (
        "@handler(EC.WFX)\ndef a(vcpu, exit): yield",
        "h.py:2: a has async or yield: calling it would run nothing; make it a plain function",
    ),
    (
        "class C:\n @handler(EC.WFX)\n def a(self, vcpu, exit): pass",
        "h.py:3: a is a method, and nobody would give it its self; make it a plain function",
    ),
    (
        "handler(EC.WFX)(print)",
        "h.py:2: @handler(EC.WFX) must stand over a function; one that is made by def or lambda",
    ),
]


@pytest.mark.parametrize(("source", "line"), REFUSALS, ids=[line[:40] for _, line in REFUSALS])
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, source: str, line: str) -> None:
    assert refusal(tmp_path, source) == line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.py: no such file or directory$"):
        load_handlers(tmp_path / "nothing.py")
