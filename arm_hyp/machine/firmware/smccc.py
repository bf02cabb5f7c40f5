"""The calling convention: how a call is decoded, what its table of services looks like, and the calls about itself.

Read `arch/psci.py` before and `machine/firmware/psci.py` after this file.

Whether a workaround for speculative execution is needed: the core speculates nothing, so the true answer is "not
affected", for every workaround that can be asked for. (QEMU has no SMCCC_VERSION, so that Linux reports "vulnerable".)

Ref: Arm DEN0028 (SMCCC).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from arm_hyp.arch import psci
from arm_hyp.arch.psci import Status
from arm_hyp.machine.firmware.power import Caller

Arguments = tuple[int, int, int]
"""X1..X3 of an SMC64 call, W1..W3 of an SMC32 call (the upper halves are ignored)."""
Result = int | tuple[int, ...] | None
"""X0, or X0.. as many as given; None: no return. Negative values are sign-extended to 64 bits, as QEMU does."""
Handler = Callable[[Caller, Arguments], Result]

_MASK_32: Final = 0xFFFF_FFFF
_MASK_64: Final = (1 << 64) - 1


class Service(NamedTuple):
    """One function: its name in traces, and what answers it."""

    name: str
    handle: Handler


Services = dict[int, Service]
"""Services by function identifier <31:0>."""


def not_supported(caller: Caller, arguments: Arguments) -> Result:
    """Answer a call that does not exist here. Ref: DEN0028, Unknown Function Identifier."""
    return Status.NOT_SUPPORTED


UNKNOWN: Final = Service("unknown", not_supported)


def function_of(caller: Caller) -> int:
    """Return the function identifier: W0, whatever the upper half of X0 holds (QEMU 7.2 compares all of X0)."""
    return caller.x(0) & _MASK_32


def arguments_of(caller: Caller, function: int) -> Arguments:
    """Return the arguments as wide as the call is. Ref: DEN0028, SMC32 and SMC64 argument passing."""
    mask = _MASK_64 if function & psci.FID_SMC64 else _MASK_32
    return caller.x(1) & mask, caller.x(2) & mask, caller.x(3) & mask


def write_result(caller: Caller, result: Result) -> None:
    """Write the result registers; all others keep their values. Ref: DEN0028, register use in AArch64."""
    values = () if result is None else (result,) if isinstance(result, int) else result
    for index, value in enumerate(values):
        caller.set_x(index, value & _MASK_64)


WORKAROUNDS: Final[dict[int, str]] = {
    psci.SMCCC_ARCH_WORKAROUND_1: "SMCCC_ARCH_WORKAROUND_1",
    psci.SMCCC_ARCH_WORKAROUND_2: "SMCCC_ARCH_WORKAROUND_2",
    psci.SMCCC_ARCH_WORKAROUND_3: "SMCCC_ARCH_WORKAROUND_3",
}
ARCH_FEATURES: Final[dict[int, int]] = {
    psci.SMCCC_VERSION: Status.SUCCESS,
    psci.SMCCC_ARCH_FEATURES: Status.SUCCESS,
    **dict.fromkeys(WORKAROUNDS, psci.NOT_AFFECTED),
}
"""What SMCCC_ARCH_FEATURES answers, by the function asked about; NOT_SUPPORTED for all others."""


def services(features: Mapping[int, int] = ARCH_FEATURES) -> Services:
    """Return the architecture's own calls; `features` are the answers of SMCCC_ARCH_FEATURES.

    Ref: DEN0028, Arm Architecture Calls.
    """

    def arch_features(caller: Caller, arguments: Arguments) -> Result:
        return features.get(arguments[0] & _MASK_32, Status.NOT_SUPPORTED)

    table = {
        psci.SMCCC_VERSION: Service("SMCCC_VERSION", lambda caller, arguments: psci.SMCCC_1_1),
        psci.SMCCC_ARCH_FEATURES: Service("SMCCC_ARCH_FEATURES", arch_features),
    }
    return table | {function: Service(name, _workaround) for function, name in WORKAROUNDS.items()}


def _workaround(caller: Caller, arguments: Arguments) -> Result:
    """Do nothing: the call is void, and has no effect on a CPU that is not affected."""
    return Status.SUCCESS
