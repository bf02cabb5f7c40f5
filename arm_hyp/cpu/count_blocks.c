/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counts instructions by block instead of one by one. Read cpu/counting.py before this file: it owns the structure, adds
 * the three callbacks to a core, and hands over the two functions of Unicorn, so that nothing here links against it.
 *
 * A block is counted whole when it is entered. If it would pass the budget, the core is stopped before it runs. When an
 * exception leaves it in the middle, what did not run is taken back.
 */
#include <stdint.h>

struct block_counter {
    uint64_t started;    /* instructions: all of the current block, and all before it */
    uint64_t limit;      /* instructions that may start without another look: the budget, or 0 */
    uint64_t start;      /* address of the current block */
    uint64_t size_bytes; /* of the current block; 0 once it is known how far it ran */
    uint64_t leave;      /* 1: stop before the next block; who sets it sets `limit` to 0 */
    uint64_t budget;     /* instructions */
    uint64_t left_bytes; /* size of the block that the last exception left */
    uint64_t cut;        /* 1 when the budget does not cover the next block */
    uint64_t masks;      /* stop before a block where any of these bits of PSTATE is 0; 0: never */
    uint64_t pc_register;
    uint64_t pstate_register;
    int (*emu_stop)(void *core);
    int (*reg_read)(void *core, int reg, void *value);
};

/* Read by cpu/counting.py, so that a library left over from another version is not used. */
const uint64_t block_counter_bytes = sizeof(struct block_counter);

enum { INSTRUCTION_BYTES = 4, PREFETCH_ABORT = 3 };

/* An interrupt is due where PSTATE no longer masks it. What writes the masks ends a block. */
static int is_unmasked(void *core, struct block_counter *c)
{
    uint64_t pstate = 0;

    c->reg_read(core, (int)c->pstate_register, &pstate);
    return (pstate & c->masks) != c->masks;
}

/* Tell whether the core has to stop before a block that makes it `after` instructions. */
static int must_stop(void *core, struct block_counter *c, uint64_t after)
{
    if (c->leave || (c->masks != 0 && is_unmasked(core, c)))
        return 1;
    c->cut = after > c->budget;
    return c->cut != 0;
}

/* Unicorn calls this at the entry of each block. */
void count_block(void *core, uint64_t address, uint32_t size_bytes, void *data)
{
    struct block_counter *c = data;
    uint64_t after = c->started + size_bytes / INSTRUCTION_BYTES;

    if (after > c->limit && must_stop(core, c, after)) {
        c->size_bytes = 0; /* the block before this one is complete */
        c->emu_stop(core);
        return;
    }
    c->started = after;
    c->start = address;
    c->size_bytes = size_bytes;
}

/* Unicorn calls this after a new translation: nothing is translated before the current block is complete. */
void block_translated(void *core, void *block, void *previous, void *data)
{
    struct block_counter *c = data;

    (void)core, (void)block, (void)previous;
    c->size_bytes = 0;
}

/* Unicorn calls this at an exception. One that fails to fetch comes between blocks, whatever its PC. */
void block_left(void *core, uint32_t number, void *data)
{
    struct block_counter *c = data;
    uint64_t pc = 0;

    c->left_bytes = c->size_bytes;
    if (number != PREFETCH_ABORT && c->size_bytes != 0) {
        c->reg_read(core, (int)c->pc_register, &pc);
        if (pc - c->start < c->size_bytes)
            c->started -= (c->size_bytes - (pc - c->start)) / INSTRUCTION_BYTES - 1;
    }
    c->size_bytes = 0;
}
