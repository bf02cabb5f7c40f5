// A guest of a hypervisor in Python: it sleeps until its timer fires, SEED_ROUNDS times, and prints a dot each time.
//
// Interrupts are masked, so the timer's interrupt wakes the WFI and leads to no vector. Before it ends it gives way
// once, by WFE, as somebody does who waits for a lock that another CPU holds.

        .include "seed.inc"

_start: bl      vgic
        mov     w0, #0x08000000         // the virtual timer: PPI 27
        str     w0, [x26, #0x100]       // GICD_ISENABLER0
        mov     x19, #SEED_ROUNDS

round:  mrs     x0, cntvct_el0
        add     x0, x0, #SEED_TICKS
        msr     cntv_cval_el0, x0       // wake me then
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb
sleep:  wfi
awake:  mrs     x0, cntv_ctl_el0
        tbz     x0, #2, sleep           // ISTATUS: has the timer fired? A WFI may end early; go back to sleep
        msr     cntv_ctl_el0, xzr
        isb
        bl      ack                     // end its interrupt, or the next WFI would not sleep
        bl      eoi
        adr     x8, dot
        bl      puts
        subs    x19, x19, #1
        b.ne    round

give_way:
        wfe                             // no timer is on: nothing would wake somebody who sleeps here
        wfe
        adr     x8, end
        b       say

dot:    .asciz  "."
end:    .asciz  " good morning\n"
        .balign 4

unexpected:
say:    bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .

        .include "include/puts.inc"
        .include "include/vgic.inc"
