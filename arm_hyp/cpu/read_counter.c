/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers reads of the system counter, which software does in loops. Read cpu/counter_reads.py before this file: it owns
 * the structure, and has only those reads come here that no control traps.
 *
 * Ref: Arm ARM, CNTPCT_EL0 and CNTVCT_EL0.
 */
#include <stdint.h>

struct block_count { /* the beginning of what cpu/count_blocks.c keeps */
    uint64_t started, limit, start, size_bytes;
};

struct counter_reader {
    uint64_t base_ns; /* virtual time when the core was started */
    uint64_t offset;  /* CNTVOFF_EL2, in ticks */
    uint64_t is_host; /* HCR_EL2.E2H: at EL2 the virtual offset is 0 */
    uint64_t pc_register;
    uint64_t pstate_register;
    const struct block_count *count;
    int (*reg_read)(void *core, int reg, void *value);
    int (*reg_write)(void *core, int reg, const void *value);
};

struct system_access { /* Unicorn's uc_arm64_cp_reg */
    uint32_t crn, crm, op0, op1, op2;
    uint64_t value;
};

/* Read by cpu/counter_reads.py, so that a library left over from another version is not used. */
const uint64_t counter_reader_bytes = sizeof(struct counter_reader);

enum { NS_PER_TICK = 16, INSTRUCTION_BYTES = 4, PHYSICAL = 1, VIRTUAL = 2 };

/* Instructions started in this run, this one included: a block is counted whole when it is entered. */
static uint64_t started(void *core, const struct counter_reader *r)
{
    const struct block_count *c = r->count;
    uint64_t pc = 0;

    r->reg_read(core, (int)r->pc_register, &pc);
    if (pc - c->start < c->size_bytes)
        return c->started - (c->size_bytes - (pc - c->start)) / INSTRUCTION_BYTES + 1;
    return c->started;
}

static int has_offset(void *core, const struct counter_reader *r)
{
    uint64_t pstate = 0;

    r->reg_read(core, (int)r->pstate_register, &pstate);
    return !(r->is_host && (pstate >> 2 & 3) == 2);
}

/* Unicorn calls this for an MRS at an address that was asked for; 1 says that it is done. */
uint32_t counter_read(void *core, uint32_t reg, struct system_access *access, void *data)
{
    struct counter_reader *r = data;
    uint64_t ticks;

    if (access->op0 != 3 || access->op1 != 3 || access->crn != 14 || access->crm != 0
        || (access->op2 != PHYSICAL && access->op2 != VIRTUAL))
        return 0;
    ticks = (r->base_ns + started(core, r)) / NS_PER_TICK;
    if (access->op2 == VIRTUAL && has_offset(core, r))
        ticks -= r->offset;
    r->reg_write(core, (int)reg, &ticks);
    return 1;
}
