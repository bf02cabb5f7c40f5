// FEAT_VHE, HCR_EL2.{E2H, TGE} = {1, 1}: a kernel written for EL1 runs at EL2. Needs --cpu max.
//
// At EL2 the names of EL1's registers mean EL2's; _EL12 and _EL02 name what EL1 and EL0 of a guest have. CNTV is the
// EL2 virtual timer (CNTHV), CNTP the EL2 physical timer, the virtual counter has no offset. EL0 is the host's: its
// exceptions come to EL2, and CNTHCTL_EL2, by the name CNTKCTL_EL1, says which counters it may read.

        .macro  expect register, value
        mrs     x0, \register
        ldr     x1, =\value
        cmp     x0, x1
        b.ne    fail
        .endm

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x0, #0x11
        msr     far_el1, x0             // EL1's own, as E2H is 0
        mov     x0, #1 << 32
        msr     cntvoff_el2, x0
        ldr     x0, =1 << 34 | 1 << 31 | 1 << 27
        msr     hcr_el2, x0             // E2H, RW, TGE
        isb
        expect  far_el12, 0x11
        mov     x0, #0x22
        msr     far_el1, x0             // FAR_EL2
        mov     x0, #0x33
        msr     far_el12, x0            // FAR_EL1
        expect  far_el2, 0x22
        mov     x0, #3 << 20
        msr     cpacr_el1, x0           // CPTR_EL2, whose layout is CPACR_EL1's now
        isb
        expect  cptr_el2, 3 << 20
        adr     x0, el2_vectors
        msr     vbar_el1, x0            // VBAR_EL2

        mrs     x1, cntpct_el0
        isb
        mrs     x2, cntvct_el0          // no offset here
        cmp     x2, x1
        b.lo    fail
        mov     x0, #-1
        msr     cntv_cval_el02, x0      // the guest's CNTV: never
        mov     x0, #1
        msr     cntv_ctl_el02, x0
        msr     cntv_cval_el0, xzr      // CNTHV: long ago
        mov     x0, #3
        msr     cntv_ctl_el0, x0
        mov     x0, #-1
        msr     cntp_cval_el0, x0       // CNTHP: never
        mov     x0, #3
        msr     cntp_ctl_el0, x0
        isb
        expect  cnthv_ctl_el2, 7        // ENABLE, IMASK, ISTATUS
        expect  cntv_ctl_el0, 7         // the same register
        expect  cntv_ctl_el02, 1
        expect  cnthp_ctl_el2, 3
        expect  cntp_ctl_el02, 0

        msr     cntkctl_el1, xzr        // CNTHCTL_EL2: EL0 may read no counter
        isb
        expect  cnthctl_el2, 0
        mov     x20, #0
        adr     x0, el0
        mov     x1, #0x3c0              // EL0t
        msr     elr_el1, x0             // ELR_EL2
        msr     spsr_el1, x1            // SPSR_EL2
        eret

el0:    .inst   0                       // UDF: EC 0
        mrs     x5, cntvct_el0          // EC 0x18
        svc     #0                      // EC 0x15
        b       .

at_el2: mrs     x0, esr_el1             // ESR_EL2
        lsr     x0, x0, #26
        add     x20, x0, x20, lsl #8
        cmp     x0, #0x15
        b.eq    1f
        mrs     x0, elr_el1
        add     x0, x0, #4
        msr     elr_el1, x0
        eret
1:      ldr     x0, =0x1815             // in this order
        cmp     x20, x0
        b.ne    fail
        mov     x0, #1 << 31            // E2H = 0: the names mean themselves again
        msr     hcr_el2, x0
        isb
        expect  far_el1, 0x33
        expect  far_el2, 0x22
        expect  cntv_ctl_el0, 1
        b       pass

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el2_vectors, low_sync=at_el2
