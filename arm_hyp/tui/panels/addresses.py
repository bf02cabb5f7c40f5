"""Addresses for panels: whose they are, and as a user writes them.

Read `tui/view.py` before this file, `tui/panels/walk.py` and `tui/panels/memory.py` after it.
"""

from __future__ import annotations

from arm_hyp.errors import UserError
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import VcpusAnswer
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.view import View


def guest_of(view: View) -> ask.Whose:
    """Return the vCPU that the CPU looked at runs, or the first one: Python at EL2 has no addresses of its own.

    Who is looked at where there are no vCPUs. Ask for `Vcpus` where there are VMs.
    """
    vcpus = view.get(ask.Vcpus(), VcpusAnswer)
    if view.whose.vm is not None or vcpus is None or not vcpus.vcpus:
        return view.whose
    one = next((one for one in vcpus.vcpus if one.cpu == view.whose.index), vcpus.vcpus[0])
    return ask.Whose(one.index, one.vm)


def name_of(whose: ask.Whose, view: View) -> str:
    """Return the name of a CPU or vCPU."""
    if whose.vm is None or whose.vm >= len(view.status.vms):
        return f"CPU {whose.index}"
    return f"{visible(view.status.vms[whose.vm])}/vcpu{whose.index}"


def parse_address(text: str, view: View) -> int:
    """Return the address that a text means: a symbol, or a number in hexadecimal. Raises: UserError."""
    word = text.strip()
    found = view.subject.symbols.address_of(word)
    if found is not None:
        return found
    try:
        value = int(word, 16)
    except ValueError:
        raise UserError(word or "nothing", "is neither a symbol nor an address", "write 0x40080000 or a name") from None
    if not 0 <= value < 1 << 64:
        raise UserError(word, "does not fit in 64 bits", "an address has up to 16 hexadecimal digits")
    return value
