"""ICH_*: how EL2 runs the virtual GIC CPU interface. List registers hold the virtual interrupts of a guest.

Read `arch/registers/gic.py` before and `arch/registers/identification.py` after this file.

Ref: Arm GIC architecture specification (IHI 0069) and Arm ARM, both by register name.
"""

from __future__ import annotations

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.registers.gic import EOI_MODE_VALUES, ID_BITS_VALUES, PRIORITY_BITS_VALUES

LR_STATES = {0b00: "invalid (inactive)", 0b01: "pending", 0b10: "active", 0b11: "pending and active"}
LR_EOI_BIT = 41
"""Bit 9 of pINTID: with HW = 0 it is no INTID bit but asks for a maintenance interrupt at EOI."""


class ICH_LR_EL2(Register):
    """List register: ICH_LR<n>_EL2, n from 0 to 15. Ref: IHI 0069, ICH_LR<n>_EL2."""

    State = Field(63, 62, LR_STATES, meaning="state of the virtual interrupt")
    HW = Field(61, values={0: "software only", 1: "linked to pINTID"}, meaning="linked to a physical interrupt")
    Group = Field(60, values={0: "Group 0: virtual FIQ", 1: "Group 1: virtual IRQ"}, meaning="group")
    NMI = Field(59, meaning="the virtual interrupt has the non-maskable property")
    Priority = Field(55, 48, meaning="priority, 0 is the most urgent")
    pINTID = Field(44, 32, meaning="physical INTID if HW is 1; else bit 9 asks for a maintenance interrupt at EOI")
    vINTID = Field(31, 0, meaning="virtual INTID that the guest sees")

    @property
    def EOI(self) -> bool:
        """Tell whether the guest's EOI raises a maintenance interrupt (HW = 0 and pINTID<9> set)."""
        return not self.HW and bool(int(self) >> LR_EOI_BIT & 1)


class ICH_HCR_EL2(Register):
    """Virtual interface control. Ref: IHI 0069, ICH_HCR_EL2."""

    EOIcount = Field(31, 27, meaning="EOIs without a list register")
    DVIM = Field(15, meaning="directly injected virtual interrupts masked")
    TDIR = Field(14, meaning="trap ICC_DIR_EL1 writes from EL1")
    TSEI = Field(13, meaning="trap locally generated SErrors")
    TALL1 = Field(12, meaning="trap Group 1 registers from EL1")
    TALL0 = Field(11, meaning="trap Group 0 registers from EL1")
    TC = Field(10, meaning="trap registers common to both groups from EL1")
    vSGIEOICount = Field(8, meaning="EOIs of directly injected SGIs do not count in EOIcount")
    VGrp1DIE = Field(7, meaning="maintenance interrupt while virtual Group 1 is disabled")
    VGrp1EIE = Field(6, meaning="maintenance interrupt while virtual Group 1 is enabled")
    VGrp0DIE = Field(5, meaning="maintenance interrupt while virtual Group 0 is disabled")
    VGrp0EIE = Field(4, meaning="maintenance interrupt while virtual Group 0 is enabled")
    NPIE = Field(3, meaning="maintenance interrupt while no list register is pending")
    LRENPIE = Field(2, meaning="maintenance interrupt while EOIcount is not zero")
    UIE = Field(1, meaning="maintenance interrupt at underflow: one list register in use, or none")
    En = Field(0, meaning="virtual CPU interface enable")


class ICH_VMCR_EL2(Register):
    """The guest's CPU interface registers in one. Ref: IHI 0069, ICH_VMCR_EL2."""

    VPMR = Field(31, 24, meaning="virtual priority mask, ICV_PMR_EL1")
    VBPR0 = Field(23, 21, meaning="virtual binary point, Group 0")
    VBPR1 = Field(20, 18, meaning="virtual binary point, Group 1")
    VEOIM = Field(9, values=EOI_MODE_VALUES, meaning="virtual end of interrupt mode")
    VCBPR = Field(4, meaning="virtual common binary point")
    VFIQEn = Field(3, meaning="Group 0 interrupts are virtual FIQs")
    VAckCtl = Field(2, meaning="a read of IAR0 may acknowledge Group 1, legacy only")
    VENG1 = Field(1, meaning="virtual Group 1 enable")
    VENG0 = Field(0, meaning="virtual Group 0 enable")


class ICH_VTR_EL2(Register):
    """What the virtual interface has. Ref: IHI 0069, ICH_VTR_EL2."""

    PRIbits = Field(31, 29, PRIORITY_BITS_VALUES, meaning="virtual priority bits, minus one")
    PREbits = Field(28, 26, PRIORITY_BITS_VALUES, meaning="virtual preemption bits, minus one")
    IDbits = Field(25, 23, ID_BITS_VALUES, meaning="virtual INTID width")
    SEIS = Field(22, meaning="virtual SErrors supported")
    A3V = Field(21, meaning="affinity 3 may be non-zero in virtual SGIs")
    nV4 = Field(20, meaning="direct injection (GICv4) not supported")
    TDS = Field(19, meaning="ICH_HCR_EL2.TDIR supported")
    DVIM = Field(18, meaning="ICH_HCR_EL2.DVIM supported")
    ListRegs = Field(4, 0, meaning="number of list registers, minus one")


class ICH_MISR_EL2(Register):
    """Why a maintenance interrupt is raised. Ref: IHI 0069, ICH_MISR_EL2."""

    VGrp1D = Field(7, meaning="virtual Group 1 is disabled")
    VGrp1E = Field(6, meaning="virtual Group 1 is enabled")
    VGrp0D = Field(5, meaning="virtual Group 0 is disabled")
    VGrp0E = Field(4, meaning="virtual Group 0 is enabled")
    NP = Field(3, meaning="no list register is pending")
    LRENP = Field(2, meaning="EOIcount is not zero")
    U = Field(1, meaning="underflow: one list register in use, or none")
    EOI = Field(0, meaning="end of interrupt: see ICH_EISR_EL2")


class ICH_EISR_EL2(Register):
    """End of interrupt status. Ref: IHI 0069, ICH_EISR_EL2."""

    Status = Field(15, 0, meaning="a bit for each list register with an EOI maintenance interrupt")


class ICH_ELRSR_EL2(Register):
    """Empty list registers. Ref: IHI 0069, ICH_ELRSR_EL2."""

    Status = Field(15, 0, meaning="a bit for each list register that is free")


class ICH_AP0R_EL2(Register):
    """Virtual active priorities, Group 0: ICH_AP0R<n>_EL2, n from 0 to 3. Ref: IHI 0069, ICH_AP0R<n>_EL2."""

    P = Field(31, 0, meaning="a bit for each active group priority")


class ICH_AP1R_EL2(Register):
    """Virtual active priorities, Group 1: ICH_AP1R<n>_EL2, n from 0 to 3. Ref: IHI 0069, ICH_AP1R<n>_EL2.

    Simplified: NMI exists only for n = 0.
    """

    NMI = Field(63, meaning="a virtual NMI is active")
    P = Field(31, 0, meaning="a bit for each active group priority")
