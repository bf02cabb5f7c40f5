// WFE and the Event Register, with HCR_EL2.TWE set and clear.
//
// A WFE that finds the Event Register set clears it and goes on: it neither waits nor traps. SEV, SEVL and *every ERET*
// set it. So the first WFE after a return from EL2 never traps, whatever TWE says.
// With --set X19=1 the last WFE finds neither an event nor TWE, and waits for ever.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        orr     x0, x0, #1 << 14        // TWE
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret                            // sets the Event Register

el1:    wfe                             // goes on: the ERET's event
        wfe                             // traps: no event is left
        wfe                             // goes on: EL2 came back by an ERET
        sevl
        wfe                             // goes on: SEVL's event
        sev
        wfe                             // goes on: SEV's event
        wfe                             // traps
        hvc     #0                      // EL2 clears TWE
        wfe                             // goes on: the ERET's event
        cbz     x19, 1f
        wfe                             // waits: no event, no trap
1:      hvc     #1                      // the end
        b       .

at_el2: mrs     x1, esr_el2
        lsr     x2, x1, #26
        cmp     x2, #0x01               // EC 0x01: WFI or WFE
        b.eq    trapped
        and     x1, x1, #0xffff
        cbnz    x1, done
        mrs     x1, hcr_el2
        bic     x1, x1, #1 << 14
        msr     hcr_el2, x1
        eret

trapped:
        adr     x8, text_trap
        bl      puts
        mrs     x1, elr_el2             // the WFE did not execute: skip it
        add     x1, x1, #4
        msr     elr_el2, x1
        eret

done:   b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

text_trap: .asciz "trapped WFE\n"

        .include "include/end.inc"
