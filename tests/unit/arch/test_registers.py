"""The register tables: fields round-trip, every bit is accounted for, the important positions are stated twice.

Read `arch/bitfields.py` and `arch/registers/` before this file.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.registers import LAYOUTS, NUMBERED, REGISTERS, layout_of
from arm_hyp.arch.registers.control import SCTLR_EL1_RES1_V8_0, SCTLR_EL2_RES1_V8_0
from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2
from arm_hyp.arch.registers.pstate import SPSR_EL1, SPSR_EL2, Mode
from arm_hyp.arch.registers.translation import memory_attribute

U64 = st.integers(0, (1 << 64) - 1)
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)

# The bit positions once more, written down apart from the declarations. "NAME=msb:lsb" or "NAME=bit".
POSITIONS = {
    "HCR_EL2": """
        VM=0 SWIO=1 PTW=2 FMO=3 IMO=4 AMO=5 VF=6 VI=7 VSE=8 FB=9 BSU=11:10 DC=12 TWI=13 TWE=14 TID0=15 TID1=16 TID2=17
        TID3=18 TSC=19 TIDCP=20 TACR=21 TSW=22 TPCP=23 TPU=24 TTLB=25 TVM=26 TGE=27 TDZ=28 HCD=29 TRVM=30 RW=31 CD=32
        ID=33 E2H=34 TLOR=35 TERR=36 TEA=37 MIOCNCE=38 TME=39 APK=40 API=41 NV=42 NV1=43 AT=44 NV2=45 FWB=46 FIEN=47
        GPF=48 TID4=49 TICAB=50 AMVOFFEN=51 TOCU=52 EnSCXT=53 TTLBIS=54 TTLBOS=55 ATA=56 DCT=57 TID5=58 TWEDEn=59
        TWEDEL=63:60""",
    "HCRX_EL2": """
        EnAS0=0 EnALS=1 EnASR=2 FnXS=3 FGTnXS=4 SMPME=5 TALLINT=6 VINMI=7 VFNMI=8 CMOW=9 MCE2=10 MSCEn=11 TCR2En=14""",
    "CPTR_EL2": "TZ=8 TFP=10 TSM=12 TTA=20 TAM=30 TCPAC=31",
    "CPTR_EL2_E2H": "ZEN=17:16 FPEN=21:20 SMEN=25:24 TTA=28 E0POE=29 TAM=30 TCPAC=31",
    "CPACR_EL1": "ZEN=17:16 FPEN=21:20 SMEN=25:24 TTA=28",
    "HSTR_EL2": "T0=0 T1=1 T2=2 T3=3 T5=5 T6=6 T7=7 T8=8 T9=9 T10=10 T11=11 T12=12 T13=13 T15=15",
    "MDCR_EL2": """
        HPMN=4:0 TPMCR=5 TPM=6 HPME=7 TDE=8 TDA=9 TDOSA=10 TDRA=11 E2PB=13:12 TPMS=14 HPMD=17 TTRF=19 HCCD=23
        E2TB=25:24 HLP=26 TDCC=27 MTPME=28 HPMFZO=29""",
    "CNTHCTL_EL2": """
        EL1PCTEN=0 EL1PCEN=1 EVNTEN=2 EVNTDIR=3 EVNTI=7:4 ECV=12 EL1TVT=13 EL1TVCT=14 EL1NVPCT=15 EL1NVVCT=16""",
    "CNTHCTL_EL2_E2H": """
        EL0PCTEN=0 EL0VCTEN=1 EVNTEN=2 EVNTDIR=3 EVNTI=7:4 EL0VTEN=8 EL0PTEN=9 EL1PCTEN=10 EL1PTEN=11 ECV=12 EL1TVT=13
        EL1TVCT=14 EVNTIS=17""",
    "CNTKCTL_EL1": "EL0PCTEN=0 EL0VCTEN=1 EVNTEN=2 EVNTDIR=3 EVNTI=7:4 EL0VTEN=8 EL0PTEN=9 EVNTIS=17",
    "HPFAR_EL2": "FIPA=43:4 NS=63",
    "SCTLR_EL1": """
        M=0 A=1 C=2 SA=3 SA0=4 CP15BEN=5 nAA=6 ITD=7 SED=8 UMA=9 EnRCTX=10 EOS=11 I=12 EnDB=13 DZE=14 UCT=15 nTWI=16
        nTWE=18 WXN=19 TSCXT=20 IESB=21 EIS=22 SPAN=23 E0E=24 EE=25 UCI=26 EnDA=27 nTLSMD=28 LSMAOE=29 EnIB=30 EnIA=31
        CMOW=32 MSCEn=33 BT0=35 BT1=36 ITFSB=37 TCF0=39:38 TCF=41:40 ATA0=42 ATA=43 DSSBS=44 TWEDEn=45 TWEDEL=49:46
        TMT0=50 TMT=51 TME0=52 TME=53 EnASR=54 EnAS0=55 EnALS=56 EPAN=57 EnTP2=60 NMI=61 SPINTMASK=62 TIDCP=63""",
    "SCTLR_EL2": """
        M=0 A=1 C=2 SA=3 nAA=6 EOS=11 I=12 EnDB=13 WXN=19 IESB=21 EIS=22 EE=25 EnDA=27 EnIB=30 EnIA=31 BT=36 ITFSB=37
        TCF=41:40 ATA=43 DSSBS=44""",
    "SCTLR_EL2_E2H": "M=0 SA0=4 nTWI=16 nTWE=18 SPAN=23 E0E=24 UCI=26 BT0=35 BT=36 EPAN=57",
    "SCR_EL3": """
        NS=0 IRQ=1 FIQ=2 EA=3 SMD=7 HCE=8 SIF=9 RW=10 ST=11 TWI=12 TWE=13 TLOR=14 TERR=15 APK=16 API=17 EEL2=18
        EASE=19 NMEA=20 FIEN=21 EnSCXT=25 ATA=26 FGTEn=27 ECVEn=28 TWEDEn=29 TWEDEL=33:30 AMVOFFEN=35 HXEn=38 NSE=62""",
    "MDSCR_EL1": """
        SS=0 ERR=6 TDCC=12 KDE=13 HDE=14 MDE=15 SC2=19 TDA=21 INTdis=23:22 TXU=26 RXO=27 TXfull=29 RXfull=30 TFO=31""",
    "PMUSERENR_EL0": "EN=0 SW=1 CR=2 ER=3",
    "PMCR_EL0": "E=0 P=1 C=2 D=3 X=4 DP=5 LC=6 LP=7 FZO=9 N=15:11 IDCODE=23:16 IMP=31:24",
    "TCR_EL1": """
        T0SZ=5:0 EPD0=7 IRGN0=9:8 ORGN0=11:10 SH0=13:12 TG0=15:14 T1SZ=21:16 A1=22 EPD1=23 IRGN1=25:24 ORGN1=27:26
        SH1=29:28 TG1=31:30 IPS=34:32 AS=36 TBI0=37 TBI1=38 HA=39 HD=40 HPD0=41 HPD1=42 HWU059=43 HWU162=50 TBID0=51
        TBID1=52 NFD0=53 NFD1=54 E0PD0=55 E0PD1=56 TCMA0=57 TCMA1=58 DS=59""",
    "TCR_EL2": """
        T0SZ=5:0 IRGN0=9:8 ORGN0=11:10 SH0=13:12 TG0=15:14 PS=18:16 TBI=20 HA=21 HD=22 HPD=24 TBID=29 TCMA=30 DS=32""",
    "VTCR_EL2": """
        T0SZ=5:0 SL0=7:6 IRGN0=9:8 ORGN0=11:10 SH0=13:12 TG0=15:14 PS=18:16 VS=19 HA=21 HD=22 HWU59=25 HWU62=28 NSW=29
        NSA=30 DS=32 SL2=33""",
    "VTTBR_EL2": "CnP=0 BADDR=47:1 VMID=63:48",
    "TTBR0_EL1": "CnP=0 BADDR=47:1 ASID=63:48",
    "PAR_EL1": "F=0 SH=8:7 NS=9 PA=51:12 ATTR=63:56",
    "PAR_EL1_FAULT": "F=0 FST=6:1 PTW=8 S=9",
    "ESR_EL2": "ISS=24:0 IL=25 EC=31:26 ISS2=55:32",
    "SPSR_EL2": """
        M=3:0 nRW=4 F=6 I=7 A=8 D=9 BTYPE=11:10 SSBS=12 ALLINT=13 IL=20 SS=21 PAN=22 UAO=23 DIT=24 TCO=25 V=28 C=29
        Z=30 N=31""",
    "CNTV_CTL_EL0": "ENABLE=0 IMASK=1 ISTATUS=2",
    "ICC_CTLR_EL1": "CBPR=0 EOImode=1 PMHE=6 PRIbits=10:8 IDbits=13:11 SEIS=14 A3V=15 RSS=18 ExtRange=19",
    "ICC_SRE_EL2": "SRE=0 DFB=1 DIB=2 Enable=3",
    "ICC_SGI1R_EL1": "TargetList=15:0 Aff1=23:16 INTID=27:24 Aff2=39:32 IRM=40 RS=47:44 Aff3=55:48",
    "ICH_LR_EL2": "vINTID=31:0 pINTID=44:32 Priority=55:48 NMI=59 Group=60 HW=61 State=63:62",
    "ICH_HCR_EL2": """
        En=0 UIE=1 LRENPIE=2 NPIE=3 VGrp0EIE=4 VGrp0DIE=5 VGrp1EIE=6 VGrp1DIE=7 vSGIEOICount=8 TC=10 TALL0=11 TALL1=12
        TSEI=13 TDIR=14 DVIM=15 EOIcount=31:27""",
    "ICH_VMCR_EL2": "VENG0=0 VENG1=1 VAckCtl=2 VFIQEn=3 VCBPR=4 VEOIM=9 VBPR1=20:18 VBPR0=23:21 VPMR=31:24",
    "ICH_VTR_EL2": "ListRegs=4:0 TDS=19 nV4=20 A3V=21 SEIS=22 IDbits=25:23 PREbits=28:26 PRIbits=31:29",
    "ICH_MISR_EL2": "EOI=0 U=1 LRENP=2 NP=3 VGrp0E=4 VGrp0D=5 VGrp1E=6 VGrp1D=7",
    "MPIDR_EL1": "Aff0=7:0 Aff1=15:8 Aff2=23:16 MT=24 U=30 Aff3=39:32",
    "CLIDR_EL1": "Ctype1=2:0 Ctype7=20:18 LoUIS=23:21 LoC=26:24 LoUU=29:27 ICB=32:30 Ttype1=34:33 Ttype7=46:45",
    "ID_AA64PFR0_EL1": """
        EL0=3:0 EL1=7:4 EL2=11:8 EL3=15:12 FP=19:16 AdvSIMD=23:20 GIC=27:24 RAS=31:28 SVE=35:32 CSV3=63:60""",
    "ID_AA64MMFR1_EL1": "HAFDBS=3:0 VMIDBits=7:4 VH=11:8 HPDS=15:12 LO=19:16 PAN=23:20 XNX=31:28 TWED=35:32 HCX=43:40",
    "ID_AA64MMFR2_EL1": "CnP=3:0 UAO=7:4 NV=27:24 ST=31:28 AT=35:32 IDS=39:36 FWB=43:40 TTL=51:48 EVT=59:56 E0PD=63:60",
    "ID_AA64MMFR3_EL1": "TCRX=3:0 SCTLRX=7:4 S1PIE=11:8 S2PIE=15:12 S1POE=19:16 S2POE=23:20 AIE=27:24 D128=35:32",
    "ID_AA64ISAR1_EL1": "DPB=3:0 APA=7:4 API=11:8 GPA=27:24 GPI=31:28 SB=39:36 XS=59:56",
}

# Whole values known from elsewhere (reset values of a Cortex-A72, what Linux and firmware write), taken apart by hand.
KNOWN_VALUES: list[tuple[str, int, dict[str, int]]] = [
    ("MIDR_EL1", 0x410FD083, {"Implementer": 0x41, "Architecture": 15, "PartNum": 0xD08, "Revision": 3}),
    ("CTR_EL0", 0x8444C004, {"CWG": 4, "ERG": 4, "DminLine": 4, "L1Ip": 3, "IminLine": 4}),
    ("CLIDR_EL1", 0x0A200023, {"LoUU": 1, "LoC": 2, "LoUIS": 1, "Ctype2": 4, "Ctype1": 3}),
    ("CCSIDR_EL1", 0x701FE00A, {"UNKNOWN": 7, "NumSets": 255, "Associativity": 1, "LineSize": 2}),
    ("ID_AA64MMFR0_EL1", 0x00001124, {"SNSMem": 1, "BigEnd": 1, "ASIDBits": 2, "PARange": 4}),
    ("ID_AA64DFR0_EL1", 0x10305106, {"CTX_CMPs": 1, "WRPs": 3, "BRPs": 5, "PMUVer": 1, "DebugVer": 6}),
    ("SPSR_EL2", 0x3C5, {"D": 1, "A": 1, "I": 1, "F": 1, "M": Mode.EL1h}),
    ("ESR_EL2", 0x5A00002A, {"EC": 0x16, "IL": 1, "ISS": 0x2A}),
    ("SCR_EL3", 0x531, {"RW": 1, "HCE": 1, "NS": 1}),
    ("SCTLR_EL2", 0x30C50830, {"EIS": 1, "EOS": 1}),
    (
        "TCR_EL1",
        0x5B5503510,
        {"IPS": 5, "TG1": 2, "SH1": 3, "ORGN1": 1, "IRGN1": 1, "A1": 1, "T1SZ": 16, "SH0": 3}
        | {"ORGN0": 1, "IRGN0": 1, "T0SZ": 16},
    ),
    ("MAIR_EL1", 0xFF440C0400, {"Attr4": 0xFF, "Attr3": 0x44, "Attr2": 0x0C, "Attr1": 0x04}),
    ("ICH_VTR_EL2", 0x90000003, {"PRIbits": 4, "PREbits": 4, "ListRegs": 3}),
    ("ICH_LR_EL2", 0x70A0001B0000001B, {"State": 1, "HW": 1, "Group": 1, "Priority": 0xA0, "pINTID": 27, "vINTID": 27}),
    ("ICC_SGI1R_EL1", 0x0000010005000000, {"IRM": 1, "INTID": 5}),
]

RES1 = {
    "CPTR_EL2": 0x22FF,
    "SCTLR_EL2": 0x30850030,
    "SCR_EL3": 0x30,
    "TCR_EL2": 0x80800000,
    "VTCR_EL2": 0x80000000,
    "PAR_EL1": 0x800,
    "PAR_EL1_FAULT": 0x800,
    "MPIDR_EL1": 0x80000000,
    "VMPIDR_EL2": 0x80000000,
    "CTR_EL0": 0x80000000,
}


def positions(text: str) -> dict[str, tuple[int, int]]:
    """Read "A=3 B=7:4" as {"A": (3, 3), "B": (7, 4)}."""
    found = {}
    for item in text.split():
        name, bits = item.split("=")
        msb, _, lsb = bits.partition(":")
        found[name] = (int(msb), int(lsb or msb))
    return found


@every_layout
def test_every_bit_is_a_field_or_res0_or_res1_exactly_once(layout: type[Register]) -> None:
    counts = [0] * layout.WIDTH
    for field in layout.FIELDS:
        for bit in range(field.lsb, field.msb + 1):
            counts[bit] += 1
    for bit in range(layout.WIDTH):
        counts[bit] += (layout.RES0 >> bit & 1) + (layout.RES1 >> bit & 1)
    assert counts == [1] * layout.WIDTH


@every_layout
@settings(max_examples=20)
@given(background=U64, data=st.data())
def test_every_field_round_trips_and_leaves_the_others_alone(
    layout: type[Register], background: int, data: st.DataObject
) -> None:
    before = layout(background)
    for field in layout.FIELDS:
        value = data.draw(st.integers(0, field.max), label=field.name)
        after = before.replace(**{field.name: value})
        assert getattr(after, field.name) == value
        assert int(after) & ~field.mask == background & ~field.mask
        with pytest.raises(ValueError, match="does not fit"):
            before.replace(**{field.name: field.max + 1})


@every_layout
@given(value=U64)
@settings(max_examples=20)
def test_description_accounts_for_the_whole_value(layout: type[Register], value: int) -> None:
    rows = layout(value).describe()
    shown = sum(row.value if row.name == "RES0" else row.value << row.lsb for row in rows)
    assert shown == value & ~layout.RES1
    assert [row.name for row in rows if not row.meaning] == []


@every_layout
def test_fields_have_a_meaning_and_value_tables_fit(layout: type[Register]) -> None:
    assert layout.FIELDS
    for field in layout.FIELDS:
        assert field.meaning, field.name
        values = field.values if field.values is not None else {}
        keys = list(values) if isinstance(values, Mapping) else [member.value for member in values]
        assert all(0 <= key <= field.max for key in keys), field.name


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_stated_twice(name: str) -> None:
    expected = positions(POSITIONS[name])
    layout = REGISTERS[name]
    assert {field: (layout.field(field).msb, layout.field(field).lsb) for field in expected} == expected


def test_hcr_el2_has_no_unassigned_bit() -> None:
    assert REGISTERS["HCR_EL2"].RES0 == 0
    assert len(positions(POSITIONS["HCR_EL2"])) == len(REGISTERS["HCR_EL2"].FIELDS)


@pytest.mark.parametrize(("name", "value", "fields"), KNOWN_VALUES, ids=[row[0] for row in KNOWN_VALUES])
def test_known_values(name: str, value: int, fields: dict[str, int]) -> None:
    layout = REGISTERS[name]
    assert layout.of(**fields) == value
    nonzero = {row.name: row.value for row in layout(value).describe() if row.value}
    assert nonzero == {field: int(expected) for field, expected in fields.items()}


def test_res1_masks() -> None:
    assert {name: layout.RES1 for name, layout in LAYOUTS.items() if layout.RES1} == RES1


def test_res1_of_armv8_0() -> None:
    assert SCTLR_EL1_RES1_V8_0 == 0x30D00800
    assert SCTLR_EL2_RES1_V8_0 == 0x30C50830
    cptr = REGISTERS["CPTR_EL2"]
    assert cptr.of(TZ=1, TSM=1) == 0x33FF


def test_names() -> None:
    assert [name for name, layout in LAYOUTS.items() if layout.__name__ != name] == []
    assert set(REGISTERS) - set(LAYOUTS) == {
        name.replace("_EL", f"{number}_EL") for name, count in NUMBERED.items() for number in range(count)
    }
    assert REGISTERS["ICH_LR15_EL2"] is ICH_LR_EL2
    assert "ICH_LR16_EL2" not in REGISTERS


@pytest.mark.parametrize(
    ("name", "e2h", "layout"),
    [
        ("CPTR_EL2", False, "CPTR_EL2"),
        ("CPTR_EL2", True, "CPTR_EL2_E2H"),
        ("CNTHCTL_EL2", True, "CNTHCTL_EL2_E2H"),
        ("TCR_EL2", True, "TCR_EL2_E2H"),
        ("HCR_EL2", True, "HCR_EL2"),
        ("SCTLR_EL12", True, "SCTLR_EL1"),
        ("CNTV_CTL_EL02", True, "CNTV_CTL_EL0"),
        ("ICH_LR3_EL2", False, "ICH_LR_EL2"),
    ],
)
def test_layout_of(name: str, e2h: bool, layout: str) -> None:
    assert layout_of(name, e2h=e2h) is LAYOUTS[layout]


def test_layout_of_an_unknown_name() -> None:
    assert layout_of("NO_SUCH_EL1") is None


@pytest.mark.parametrize(
    ("level", "stack", "mode"),
    [(0, 0, "EL0t"), (1, 0, "EL1t"), (1, 1, "EL1h"), (2, 0, "EL2t"), (2, 1, "EL2h"), (3, 0, "EL3t"), (3, 1, "EL3h")],
)
def test_mode_is_level_and_stack(level: int, stack: int, mode: str) -> None:
    value = level << 2 | stack
    assert Mode[mode] == value
    assert SPSR_EL1.M.text(value) == mode


@pytest.mark.parametrize("mode", [0b0001, 0b0010, 0b0011, 0b0110, 0b0111, 0b1010, 0b1011, 0b1110, 0b1111])
def test_reserved_modes_say_so(mode: int) -> None:
    assert SPSR_EL2.M.text(mode) == "reserved value"


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        (0x00, "Device-nGnRnE"),
        (0x04, "Device-nGnRE"),
        (0x08, "Device-nGRE"),
        (0x0C, "Device-GRE"),
        (0x05, "Device-nGnRE, XS=0"),
        (0x02, "reserved value"),
        (0x44, "Normal memory, Non-cacheable"),
        (0xBB, "Normal memory, Write-Through, Read- and Write-Allocate"),
        (0xFF, "Normal memory, Write-Back, Read- and Write-Allocate"),
        (0x77, "Normal memory, Write-Back transient, Read- and Write-Allocate"),
        (0x4F, "Normal memory, outer Non-cacheable, inner Write-Back, Read- and Write-Allocate"),
        (0xF0, "Normal memory, tagged, Write-Back"),
        (0x10, "reserved value"),
    ],
)
def test_memory_attributes(attribute: int, text: str) -> None:
    assert memory_attribute(attribute) == text


def test_the_two_granule_fields_encode_differently() -> None:
    tcr = REGISTERS["TCR_EL1"]
    granules = [(tcr.field("TG0").text(value), tcr.field("TG1").text(value)) for value in range(4)]
    assert granules == [
        ("4 KB", "reserved value"),
        ("64 KB", "16 KB"),
        ("16 KB", "4 KB"),
        ("reserved value", "64 KB"),
    ]


@pytest.mark.parametrize(("hw", "pintid", "eoi"), [(0, 1 << 9, True), (0, 27, False), (1, 1 << 9, False)])
def test_list_register_eoi_is_a_bit_of_pintid_for_software_interrupts(hw: int, pintid: int, eoi: bool) -> None:
    assert ICH_LR_EL2.of(HW=hw, pINTID=pintid).EOI is eoi


def declare(**body: object) -> type[Register]:
    """Make a register class out of `body`, as a class statement does."""
    return type("Declared", (Register,), body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"A": Field(5, 3), "B": Field(3)}, "overlaps"),
        ({"A": Field(7, 0), "B": Field(63, 7)}, "overlaps"),
        ({"RES1": 1 << 4, "A": Field(4)}, "overlaps"),
        ({"A": Field(64)}, "outside 64 bits"),
        ({"WIDTH": 32, "A": Field(32, 0)}, "outside 32 bits"),
    ],
)
def test_impossible_layouts_are_refused(body: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        declare(**body)


def test_overlap_with_an_inherited_field_is_refused() -> None:
    with pytest.raises(TypeError, match="overlaps"):
        type("Derived", (REGISTERS["CNTV_CTL_EL0"],), {"Again": Field(1)})


@pytest.mark.parametrize(("msb", "lsb"), [(3, 5), (128, 0), (0, -1)])
def test_impossible_ranges_are_refused(msb: int, lsb: int) -> None:
    with pytest.raises(TypeError, match="not a range"):
        Field(msb, lsb)


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_values_wider_than_the_register_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits of HCR_EL2"):
        REGISTERS["HCR_EL2"](value)


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="CNTV_CTL_EL0 has no field TWI; it has ENABLE IMASK ISTATUS"):
        REGISTERS["CNTV_CTL_EL0"](0).replace(TWI=1)
