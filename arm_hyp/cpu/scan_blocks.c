/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looks through each new block for instructions that may be sites, so that Python is asked about those blocks only; and
 * does instruction-cache maintenance of one cache line, so that Python is told only of that which concerns any code. Read
 * cpu/scanning.py before this file: it owns the structure. What is looked for may only be found too often.
 *
 * The encodings are those of Arm ARM C4.1.
 */
#include <stddef.h>
#include <stdint.h>

struct block { /* Unicorn's uc_tb */
    uint64_t pc;
    uint16_t instructions;
    uint16_t size_bytes;
};

enum { PAGE_SHIFT = 12, LINE_BYTES = 64, FP_BLOCKS = 1024, READ = 1, EXECUTE = 4, SP = 31 };

static const uint64_t ANY = -1; /* in place of an address: any code may have changed */

struct code_range {
    uint64_t physical, size_bytes;
};

struct block_scanner {
    uint64_t reports_all; /* 1: ask about every block */
    uint8_t *pages;       /* a byte for each page of RAM, set when code of it was translated */
    uint64_t first_page;
    uint64_t page_count;
    const uint8_t *ram;   /* the contents of these pages */
    void (*report)(void *core, struct block *block, struct block *previous, void *data);
    int (*translate)(void *core, uint64_t address, uint32_t access, uint64_t *physical);
    uint64_t (*place)(void *core, const void *host);        /* of memory of the host, as `drop` takes it */
    void (*drop)(void *core, uint64_t start, uint64_t end); /* translations of code in a range of places */
    uint64_t *dropped;                                      /* how many ranges were dropped */
    void (*changed)(uint64_t physical); /* tell Python that code outside RAM may have changed, or ANY */
    uint64_t fp_traps;                  /* 1: blocks that use FP have sites, at some level */
    uint64_t fp_count;                  /* how many blocks are in `fp_blocks` */
    struct code_range fp_blocks[FP_BLOCKS]; /* that use FP; when it is full, Python notes the others */
};

struct system_access { /* Unicorn's uc_arm64_cp_reg */
    uint32_t crn, crm, op0, op1, op2;
    uint64_t value;
};

/* Read by cpu/scanning.py, so that a library left over from another version is not used. */
const uint64_t block_scanner_bytes = sizeof(struct block_scanner);

static int is_sve(uint32_t word)
{
    return (word >> 25 & 15) == 2;
}

/* Hints other than YIELD, WFE, WFI, SEV and SEVL, barriers, and reads of SP_EL0. */
static int is_plain_system(uint32_t word)
{
    if ((word & 0xFFFFF01F) == 0xD503201F)
        return (word >> 5 & 0x7F) == 0 || (word >> 5 & 0x7F) > 5;
    return (word & 0xFFFFF01F) == 0xD503301F || (word & 0xFFFFFFE0) == 0xD5384100;
}

static int may_be_system_site(uint32_t word)
{
    uint32_t top = word >> 24;

    if (top == 0xD4)
        return (word & 0xFFE0001F) != 0xD4000001; /* SVC is the core's */
    if (top == 0xD5)
        return !is_plain_system(word);
    return (word & 0xFFE00000) == 0xD6800000; /* ERET */
}

/* Tell whether a load or store based on SP may move it by anything but a multiple of 16. */
static int misaligns_by_writeback(uint32_t word)
{
    uint32_t scale;

    if ((word & 0x3A000000) == 0x28000000) { /* a pair: writeback is <23> */
        scale = word >> 26 & 1 ? (word >> 30) + 2 : (word >> 31) + 2;
        return (word >> 23 & 1) && ((word >> 15 & 0x7F) << scale & 15) != 0;
    }
    if ((word & 0x3B200400) == 0x38000400) /* pre- and post-indexed: imm9 */
        return (word >> 12 & 15) != 0;
    /* Unsigned offset, unscaled, register offset: no writeback. Whatever else there is: perhaps. */
    return (word & 0x3B000000) != 0x39000000 && (word & 0x3B200C00) != 0x38000000 && (word & 0x3B200C00) != 0x38200800;
}

static int may_misalign_sp(uint32_t word)
{
    if ((word & 0x0A000000) == 0x08000000)
        return (word >> 5 & 31) == SP && misaligns_by_writeback(word);
    if ((word & 31) != SP)
        return 0;
    if ((word & 0x3F800000) == 0x11000000) /* ADD, SUB (immediate) */
        return (word >> 5 & 31) != SP || (!(word >> 22 & 1) && (word >> 10 & 15) != 0);
    return (word & 0x3FE00000) == 0x0B200000 || (word & 0x1F800000) == 0x12000000;
}

/* Tell whether a word may be a site, wherever FP does not trap; 0 is UDF, which never is. Called by the tests too. */
int may_be_site(uint32_t word)
{
    return word != 0 && (may_be_system_site(word) || may_misalign_sp(word) || is_sve(word));
}

/* Tell what `is_fp_simd` of arch/instructions.py tells. Called by the tests too. */
int is_fp_simd(uint32_t word)
{
    uint32_t op0 = word >> 25 & 15;

    return (op0 & 7) == 7 || ((op0 & 5) == 4 && (word >> 26 & 1));
}

/* Note a block, which never crosses into another page. Return its words; 0 where there is no RAM. */
static const uint32_t *note_block(void *core, const struct block *block, struct block_scanner *s, uint64_t *physical)
{
    uint64_t page;

    if (s->translate(core, block->pc, EXECUTE, physical))
        return 0;
    page = (*physical >> PAGE_SHIFT) - s->first_page;
    if (page >= s->page_count)
        return 0;
    s->pages[page] = 1;
    return (const uint32_t *)(s->ram + (*physical - (s->first_page << PAGE_SHIFT)));
}

/* Tell whether Python need not look at a block. One that uses FP is noted: it is dropped when FP begins to trap. */
static int is_plain(const uint32_t *words, uint64_t physical, uint64_t size_bytes, struct block_scanner *s)
{
    uint64_t count = size_bytes / sizeof(*words);
    int uses_fp = 0;

    for (uint64_t i = 0; i < count; i++) {
        if (may_be_site(words[i]))
            return 0;
        uses_fp |= is_fp_simd(words[i]);
    }
    if (uses_fp && (s->fp_traps || s->fp_count == FP_BLOCKS))
        return 0; /* Python notes it */
    if (uses_fp)
        s->fp_blocks[s->fp_count++] = (struct code_range){physical, size_bytes};
    return 1;
}

/* Unicorn calls this for each new block, before it runs. */
void block_scanned(void *core, struct block *block, struct block *previous, void *data)
{
    struct block_scanner *s = data;
    uint64_t physical;
    const uint32_t *words = block->pc & 3 ? 0 : note_block(core, block, s, &physical);

    if (!words || s->reports_all || !is_plain(words, physical, block->size_bytes, s))
        s->report(core, block, previous, data);
}

static void drop_line(void *core, struct block_scanner *s, uint64_t physical)
{
    const uint8_t *line = s->ram + ((physical & -(uint64_t)LINE_BYTES) - (s->first_page << PAGE_SHIFT));
    uint64_t start = s->place(core, line);

    s->drop(core, start, start + LINE_BYTES);
    ++*s->dropped;
}

/* Drop translations of a line at once; the block that runs is kept until it has ended. Python does all else. */
static void note_change(void *core, struct block_scanner *s, const struct system_access *access)
{
    uint64_t physical, page;

    if (access->op1 != 3 || s->translate(core, access->value, READ, &physical)) {
        s->changed(ANY); /* IC IALLU, IALLUIS, or an IVAU of we know not what */
        return;
    }
    page = (physical >> PAGE_SHIFT) - s->first_page;
    if (page >= s->page_count)
        s->changed(physical);
    else if (s->pages[page])
        drop_line(core, s, physical);
}

/* Unicorn calls this for each SYS instruction that is not a site. It goes on as it would have. */
uint32_t system_executed(void *core, uint32_t reg, struct system_access *access, void *data)
{
    (void)reg;
    if (access->crn == 7 && (access->crm == 1 || access->crm == 5))
        note_change(core, data, access);
    return 0;
}
