"""The GICv3 CPU interface: ICC_* (physical) and ICV_* (what a guest sees under the same encodings).

Read `arch/registers/timers.py` before and `arch/registers/gic_virtual.py` (ICH_*) after this file.

Registers that exist several times (ICC_AP0R0_EL1 to ICC_AP0R3_EL1) have one class, named without the number.

Ref: Arm GIC architecture specification (IHI 0069) and Arm ARM, both by register name.
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register

EOI_MODE_VALUES = {
    0: "EOIR drops the priority and deactivates",
    1: "EOIR drops the priority, DIR deactivates",
}
ID_BITS_VALUES = {0b000: "16 bits", 0b001: "24 bits"}
PRIORITY_BITS_VALUES = {value: f"{value + 1} bits" for value in range(8)}
SPECIAL_INTIDS = {
    1020: "special: Group 1 Secure interrupt pending, for EL3",
    1021: "special: Non-secure interrupt pending, for EL3",
    1022: "special: legacy or NMI, acknowledge elsewhere",
    1023: "special: spurious, nothing to acknowledge",
}


class _CpuInterfaceControl(Register):
    """What ICC_CTLR_EL1 and ICV_CTLR_EL1 share."""

    ExtRange = Field(19, meaning="extended SPIs and PPIs supported")
    RSS = Field(18, meaning="range selector supported: affinity 0 up to 255 in SGIs")
    A3V = Field(15, meaning="affinity 3 may be non-zero in SGIs")
    SEIS = Field(14, meaning="local generation of SErrors supported")
    IDbits = Field(13, 11, ID_BITS_VALUES, meaning="INTID width")
    PRIbits = Field(10, 8, PRIORITY_BITS_VALUES, meaning="priority bits, minus one")
    EOImode = Field(1, values=EOI_MODE_VALUES, meaning="end of interrupt mode")
    CBPR = Field(0, values={0: "BPR0 for Group 0, BPR1 for Group 1", 1: "BPR0 for both groups"}, meaning="common BPR")


class ICC_CTLR_EL1(_CpuInterfaceControl):
    """CPU interface control, EL1. Ref: IHI 0069, ICC_CTLR_EL1."""

    PMHE = Field(6, meaning="priority mask hint: 1 of N interrupts consider ICC_PMR_EL1")


class ICV_CTLR_EL1(_CpuInterfaceControl):
    """Virtual CPU interface control. Ref: IHI 0069, ICV_CTLR_EL1."""


class ICC_CTLR_EL3(Register):
    """CPU interface control, EL3. Ref: IHI 0069, ICC_CTLR_EL3."""

    ExtRange = Field(19, meaning="extended SPIs and PPIs supported")
    RSS = Field(18, meaning="range selector supported: affinity 0 up to 255 in SGIs")
    nDS = Field(17, meaning="disabling of security not supported")
    A3V = Field(15, meaning="affinity 3 may be non-zero in SGIs")
    SEIS = Field(14, meaning="local generation of SErrors supported")
    IDbits = Field(13, 11, ID_BITS_VALUES, meaning="INTID width")
    PRIbits = Field(10, 8, PRIORITY_BITS_VALUES, meaning="priority bits, minus one")
    PMHE = Field(6, meaning="priority mask hint: 1 of N interrupts consider ICC_PMR_EL1")
    RM = Field(5, meaning="routing modifier: EL3 acknowledges as special INTIDs 1020 and 1021")
    EOImode_EL1NS = Field(4, values=EOI_MODE_VALUES, meaning="end of interrupt mode, Non-secure EL1 and EL2")
    EOImode_EL1S = Field(3, values=EOI_MODE_VALUES, meaning="end of interrupt mode, Secure EL1")
    EOImode_EL3 = Field(2, values=EOI_MODE_VALUES, meaning="end of interrupt mode, EL3")
    CBPR_EL1NS = Field(1, meaning="common BPR, Non-secure Group 1")
    CBPR_EL1S = Field(0, meaning="common BPR, Secure Group 1")


class ICC_SRE_EL1(Register):
    """System register enable, EL1. Ref: IHI 0069, ICC_SRE_EL1."""

    DIB = Field(2, meaning="IRQ bypass disable")
    DFB = Field(1, meaning="FIQ bypass disable")
    SRE = Field(0, values={0: "memory-mapped interface", 1: "system registers"}, meaning="system register enable")


class ICC_SRE_EL2(ICC_SRE_EL1):
    """System register enable, EL2. Ref: IHI 0069, ICC_SRE_EL2."""

    Enable = Field(3, meaning="EL1 accesses to ICC_SRE_EL1 do not trap to EL2")


class ICC_SRE_EL3(ICC_SRE_EL1):
    """System register enable, EL3. Ref: IHI 0069, ICC_SRE_EL3."""

    Enable = Field(3, meaning="EL1 and EL2 accesses to ICC_SRE_EL1 and ICC_SRE_EL2 do not trap to EL3")


class ICC_PMR_EL1(Register):
    """Priority mask. Ref: IHI 0069, ICC_PMR_EL1."""

    Priority = Field(7, 0, meaning="only priorities of a lower value (more urgent) are signalled")


class ICC_RPR_EL1(Register):
    """Running priority. Ref: IHI 0069, ICC_RPR_EL1."""

    NMI = Field(63, meaning="the running priority is that of an NMI")
    NMI_NS = Field(62, meaning="the running priority is that of a Non-secure NMI")
    Priority = Field(7, 0, meaning="running priority; 0xff is idle")


class ICC_BPR0_EL1(Register):
    """Binary point, Group 0. Ref: IHI 0069, ICC_BPR0_EL1."""

    BinaryPoint = Field(2, 0, meaning="where the priority splits into group priority and subpriority")


class ICC_BPR1_EL1(ICC_BPR0_EL1):
    """Binary point, Group 1. Ref: IHI 0069, ICC_BPR1_EL1."""


class _InterruptId(Register):
    """The layout of the registers that hold nothing but an INTID."""

    INTID = Field(23, 0, meaning="interrupt identifier")


class _AcknowledgedInterruptId(Register):
    """The layout of the read-only ones among them, that may hold a special INTID."""

    INTID = Field(23, 0, meaning="interrupt identifier; 1020 to 1023 are special")

    @property
    def special(self) -> str:
        """Return what a special INTID means, or an empty text for a real interrupt."""
        return SPECIAL_INTIDS.get(self.INTID, "")


class ICC_IAR0_EL1(_AcknowledgedInterruptId):
    """Interrupt acknowledge, Group 0. Ref: IHI 0069, ICC_IAR0_EL1."""


class ICC_IAR1_EL1(_AcknowledgedInterruptId):
    """Interrupt acknowledge, Group 1. Ref: IHI 0069, ICC_IAR1_EL1."""


class ICC_NMIAR1_EL1(_AcknowledgedInterruptId):
    """Non-maskable interrupt acknowledge, Group 1. Ref: IHI 0069, ICC_NMIAR1_EL1."""


class ICC_HPPIR0_EL1(_AcknowledgedInterruptId):
    """Highest priority pending interrupt, Group 0. Ref: IHI 0069, ICC_HPPIR0_EL1."""


class ICC_HPPIR1_EL1(_AcknowledgedInterruptId):
    """Highest priority pending interrupt, Group 1. Ref: IHI 0069, ICC_HPPIR1_EL1."""


class ICC_EOIR0_EL1(_InterruptId):
    """End of interrupt, Group 0. Ref: IHI 0069, ICC_EOIR0_EL1."""


class ICC_EOIR1_EL1(_InterruptId):
    """End of interrupt, Group 1. Ref: IHI 0069, ICC_EOIR1_EL1."""


class ICC_DIR_EL1(_InterruptId):
    """Deactivate interrupt. Ref: IHI 0069, ICC_DIR_EL1."""


class ICC_IGRPEN0_EL1(Register):
    """Group 0 enable. Ref: IHI 0069, ICC_IGRPEN0_EL1."""

    Enable = Field(0, meaning="Group 0 interrupts are signalled")


class ICC_IGRPEN1_EL1(Register):
    """Group 1 enable. Ref: IHI 0069, ICC_IGRPEN1_EL1."""

    Enable = Field(0, meaning="Group 1 interrupts are signalled")


class ICC_IGRPEN1_EL3(Register):
    """Group 1 enable, both security states. Ref: IHI 0069, ICC_IGRPEN1_EL3."""

    EnableGrp1S = Field(1, meaning="Secure Group 1 interrupts are signalled")
    EnableGrp1NS = Field(0, meaning="Non-secure Group 1 interrupts are signalled")


class ICC_SGI1R_EL1(Register):
    """Generate a software interrupt of Group 1 in this security state. Ref: IHI 0069, ICC_SGI1R_EL1."""

    Aff3 = Field(55, 48, meaning="affinity 3 of the targets")
    RS = Field(47, 44, meaning="range selector: TargetList stands for affinity 0 values RS * 16 to RS * 16 + 15")
    IRM = Field(40, values={0: "to the listed targets", 1: "to all others"}, meaning="interrupt routing mode")
    Aff2 = Field(39, 32, meaning="affinity 2 of the targets")
    INTID = Field(27, 24, meaning="SGI number")
    Aff1 = Field(23, 16, meaning="affinity 1 of the targets")
    TargetList = Field(15, 0, meaning="a bit for each affinity 0 value")


class ICC_ASGI1R_EL1(ICC_SGI1R_EL1):
    """Generate a software interrupt of Group 1, other security state. Ref: IHI 0069, ICC_ASGI1R_EL1."""


class ICC_SGI0R_EL1(ICC_SGI1R_EL1):
    """Generate a software interrupt of Group 0, Secure. Ref: IHI 0069, ICC_SGI0R_EL1."""


class ICC_AP0R_EL1(Register):
    """Active priorities, Group 0: ICC_AP0R<n>_EL1, n from 0 to 3. Ref: IHI 0069, ICC_AP0R<n>_EL1.

    Simplified: the contents are IMPLEMENTATION DEFINED; this machine, like most, has a bit for each group priority.
    """

    P = Field(31, 0, meaning="a bit for each active group priority")


class ICC_AP1R_EL1(Register):
    """Active priorities, Group 1: ICC_AP1R<n>_EL1, n from 0 to 3. Ref: IHI 0069, ICC_AP1R<n>_EL1.

    Simplified: as ICC_AP0R_EL1; NMI exists only for n = 0.
    """

    NMI = Field(63, meaning="an NMI is active")
    P = Field(31, 0, meaning="a bit for each active group priority")


class ICV_PMR_EL1(ICC_PMR_EL1):
    """Virtual priority mask. Ref: IHI 0069, ICV_PMR_EL1."""


class ICV_RPR_EL1(Register):
    """Virtual running priority. Ref: IHI 0069, ICV_RPR_EL1."""

    NMI = Field(63, meaning="the running priority is that of a virtual NMI")
    Priority = Field(7, 0, meaning="running priority; 0xff is idle")


class ICV_BPR0_EL1(ICC_BPR0_EL1):
    """Virtual binary point, Group 0. Ref: IHI 0069, ICV_BPR0_EL1."""


class ICV_BPR1_EL1(ICC_BPR0_EL1):
    """Virtual binary point, Group 1. Ref: IHI 0069, ICV_BPR1_EL1."""


class ICV_IAR0_EL1(_AcknowledgedInterruptId):
    """Virtual interrupt acknowledge, Group 0. Ref: IHI 0069, ICV_IAR0_EL1."""


class ICV_IAR1_EL1(_AcknowledgedInterruptId):
    """Virtual interrupt acknowledge, Group 1. Ref: IHI 0069, ICV_IAR1_EL1."""


class ICV_HPPIR0_EL1(_AcknowledgedInterruptId):
    """Virtual highest priority pending interrupt, Group 0. Ref: IHI 0069, ICV_HPPIR0_EL1."""


class ICV_HPPIR1_EL1(_AcknowledgedInterruptId):
    """Virtual highest priority pending interrupt, Group 1. Ref: IHI 0069, ICV_HPPIR1_EL1."""


class ICV_EOIR0_EL1(_InterruptId):
    """Virtual end of interrupt, Group 0. Ref: IHI 0069, ICV_EOIR0_EL1."""


class ICV_EOIR1_EL1(_InterruptId):
    """Virtual end of interrupt, Group 1. Ref: IHI 0069, ICV_EOIR1_EL1."""


class ICV_DIR_EL1(_InterruptId):
    """Deactivate virtual interrupt. Ref: IHI 0069, ICV_DIR_EL1."""


class ICV_IGRPEN0_EL1(ICC_IGRPEN0_EL1):
    """Virtual Group 0 enable. Ref: IHI 0069, ICV_IGRPEN0_EL1."""


class ICV_IGRPEN1_EL1(ICC_IGRPEN1_EL1):
    """Virtual Group 1 enable. Ref: IHI 0069, ICV_IGRPEN1_EL1."""


class ICV_AP0R_EL1(ICC_AP0R_EL1):
    """Virtual active priorities, Group 0. Ref: IHI 0069, ICV_AP0R<n>_EL1."""


class ICV_AP1R_EL1(ICC_AP1R_EL1):
    """Virtual active priorities, Group 1. Ref: IHI 0069, ICV_AP1R<n>_EL1."""
