// A guest that calls its hypervisor, by HVC and by SMC. In each check it calls with other numbers.
//
//   0x86000100  MAX32   W0 = the larger one of W1 and W2
//   0xc6000101  MAX64   X0 = the larger one of X1 and X2

        .include "seed.inc"

        .macro  number reg, high, low   // reg = high:low, 32 bits each
        ldr     \reg, =(\high << 32) + \low
        .endm

        .macro  max32                   // upper halves hold what was left there by others
        number  x0, 0x5555, 0x86000100
        number  x1, 0x4321, SEED_A
        number  x2, 0x1234, SEED_B
        .endm

        .macro  max64
        number  x0, 0, 0xc6000101
        number  x1, SEED_A, SEED_B
        number  x2, SEED_B, SEED_A
        .endm

_start: max32
max32_by_hvc:
        hvc     #0
        max32
max32_by_smc:
        smc     #0
        max64
max64_by_hvc:
        hvc     #0
        max64
max64_by_smc:
        smc     #0
        ldr     x0, =0xc6000000 + SEED_UNKNOWN  // no such call
unknown_by_hvc:
        hvc     #0
        ldr     x0, =0xc6000000 + SEED_UNKNOWN
unknown_by_smc:
        smc     #0
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .
