"""The generic timer: control, compare and counter registers. CNTHCTL_EL2 and CNTKCTL_EL1, which say who may use them,
are in `hypervisor.py` and `control.py`.

Read `arch/registers/translation.py` before and `arch/registers/gic.py` after this file.

The counter itself is 64 bits wide; TVAL is a signed 32-bit window on (CVAL - counter).
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register


class _TimerControl(Register):
    """The layout of every CNT*_CTL. The line is ENABLE and ISTATUS and not IMASK. Ref: Arm ARM, CNTV_CTL_EL0."""

    ISTATUS = Field(2, values={0: "condition not met", 1: "condition met"}, meaning="timer condition; read-only")
    IMASK = Field(1, values={0: "interrupt not masked", 1: "interrupt masked"}, meaning="interrupt mask")
    ENABLE = Field(0, values={0: "disabled", 1: "enabled"}, meaning="timer enable")


class CNTP_CTL_EL0(_TimerControl):
    """EL1 physical timer control. Ref: Arm ARM, CNTP_CTL_EL0."""


class CNTV_CTL_EL0(_TimerControl):
    """EL1 virtual timer control. Ref: Arm ARM, CNTV_CTL_EL0."""


class CNTHP_CTL_EL2(_TimerControl):
    """EL2 physical timer control. Ref: Arm ARM, CNTHP_CTL_EL2."""


class CNTHV_CTL_EL2(_TimerControl):
    """EL2 virtual timer control (VHE). Ref: Arm ARM, CNTHV_CTL_EL2."""


class CNTPS_CTL_EL1(_TimerControl):
    """Secure physical timer control. Ref: Arm ARM, CNTPS_CTL_EL1."""


class _TimerCompareValue(Register):
    """The layout of every CNT*_CVAL. Ref: Arm ARM, CNTV_CVAL_EL0."""

    CompareValue = Field(63, 0, meaning="the condition is met when counter - CompareValue >= 0, in ticks")


class CNTP_CVAL_EL0(_TimerCompareValue):
    """EL1 physical timer compare value. Ref: Arm ARM, CNTP_CVAL_EL0."""


class CNTV_CVAL_EL0(_TimerCompareValue):
    """EL1 virtual timer compare value. Ref: Arm ARM, CNTV_CVAL_EL0."""


class CNTHP_CVAL_EL2(_TimerCompareValue):
    """EL2 physical timer compare value. Ref: Arm ARM, CNTHP_CVAL_EL2."""


class CNTHV_CVAL_EL2(_TimerCompareValue):
    """EL2 virtual timer compare value (VHE). Ref: Arm ARM, CNTHV_CVAL_EL2."""


class CNTPS_CVAL_EL1(_TimerCompareValue):
    """Secure physical timer compare value. Ref: Arm ARM, CNTPS_CVAL_EL1."""


class _TimerValue(Register):
    """The layout of every CNT*_TVAL. Ref: Arm ARM, CNTV_TVAL_EL0."""

    TimerValue = Field(31, 0, meaning="ticks until the condition is met, signed")


class CNTP_TVAL_EL0(_TimerValue):
    """EL1 physical timer value. Ref: Arm ARM, CNTP_TVAL_EL0."""


class CNTV_TVAL_EL0(_TimerValue):
    """EL1 virtual timer value. Ref: Arm ARM, CNTV_TVAL_EL0."""


class CNTHP_TVAL_EL2(_TimerValue):
    """EL2 physical timer value. Ref: Arm ARM, CNTHP_TVAL_EL2."""


class CNTHV_TVAL_EL2(_TimerValue):
    """EL2 virtual timer value (VHE). Ref: Arm ARM, CNTHV_TVAL_EL2."""


class CNTPS_TVAL_EL1(_TimerValue):
    """Secure physical timer value. Ref: Arm ARM, CNTPS_TVAL_EL1."""


class CNTFRQ_EL0(Register):
    """Counter frequency, as firmware set it. Ref: Arm ARM, CNTFRQ_EL0."""

    ClockFreq = Field(31, 0, meaning="counter frequency in Hz")


class CNTPCT_EL0(Register):
    """Physical count. Ref: Arm ARM, CNTPCT_EL0."""

    PhysicalCount = Field(63, 0, meaning="physical counter, in ticks")


class CNTVCT_EL0(Register):
    """Virtual count: the physical count minus CNTVOFF_EL2. Ref: Arm ARM, CNTVCT_EL0."""

    VirtualCount = Field(63, 0, meaning="virtual counter, in ticks")


class CNTVOFF_EL2(Register):
    """Virtual offset. Ref: Arm ARM, CNTVOFF_EL2."""

    VOffset = Field(63, 0, meaning="what the virtual counter is behind the physical one, in ticks")


class CNTPOFF_EL2(Register):
    """Physical offset, where CNTHCTL_EL2.ECV applies it. Ref: Arm ARM, CNTPOFF_EL2."""

    PhysicalOffset = Field(63, 0, meaning="what EL1's physical counter is behind the real one, in ticks")
