/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Leaves the core from within an access, so that translated code need not look behind each load and store whether it has
 * to leave. Read cpu/access_exits.py before this file: it owns the structures, and says what may leave.
 *
 * The numbers of kinds and errors are Unicorn's, the layout of the TLB is that of its core.
 */
#include <stdint.h>

enum { MODES = 12, VICTIMS = 8, ENTRY_SHIFT = 6, MODE_BYTES = 696, PAGE_BITS = 12 };
enum { NOT_DIRTY = 0x100, NOT_PLAIN_RAM = 0x390 }; /* flags of an address in the TLB */
enum { WRITE_UNMAPPED = 20, ERROR_WRITE_UNMAPPED = 7, ERROR_WRITE_PROTECTED = 12 };

struct entry { /* of the TLB */
    uint64_t read, write, code, physical, addend, unused[3];
};

struct table { /* the direct-mapped entries of one mode of translation */
    uint64_t mask; /* (number of entries - 1) << ENTRY_SHIFT */
    struct entry *entries;
};

struct access_exits {
    void (*check)(void *core, uint32_t in_delay_slot); /* leaves, and does not return, if a stop was asked for */
    int (*emu_stop)(void *core);
    uint32_t *nesting;    /* bytes of the unaligned access that is being done in parts, or 0 */
    uint32_t *error;      /* why the run ends, or 0 */
    uint32_t *looks;      /* 1 while Python looks at memory: then there is nothing to leave */
    struct table *tables; /* MODES of them */
    uint8_t *victims;     /* VICTIMS entries each MODE_BYTES */
};

struct device_range {
    struct access_exits *exits;
    uint64_t (*read)(void *core, uint64_t offset, unsigned size, void *data);
    void (*write)(void *core, uint64_t offset, unsigned size, uint64_t value, void *data);
};

/* Read by cpu/access_exits.py, so that a library left over from another version is not used. */
const uint64_t leave_access_bytes = sizeof(struct access_exits) + sizeof(struct device_range);

/* Leave if a stop was asked for. Then an access in parts is over, of which the core itself takes no note. */
static void leave_if_asked(void *core, struct access_exits *exits)
{
    uint32_t nesting = *exits->nesting;

    if (*exits->looks)
        return;
    *exits->nesting = 0;
    exits->check(core, 0);
    *exits->nesting = nesting;
}

/* Unicorn calls this for a load from a device. */
uint64_t device_read(void *core, uint64_t offset, unsigned size, void *data)
{
    struct device_range *device = data;
    uint64_t value = device->read(core, offset, size, 0);

    leave_if_asked(core, device->exits);
    return value;
}

/* Unicorn calls this for a store to a device. */
void device_write(void *core, uint64_t offset, unsigned size, uint64_t value, void *data)
{
    struct device_range *device = data;

    device->write(core, offset, size, value, 0);
    leave_if_asked(core, device->exits);
}

/* Unicorn calls this for a store to nothing, or to what must not be written. It has restored the PC. */
uint32_t store_failed(void *core, int kind, uint64_t address, int size, int64_t value, void *data)
{
    struct access_exits *exits = data;

    (void)address, (void)size, (void)value;
    *exits->error = kind == WRITE_UNMAPPED ? ERROR_WRITE_UNMAPPED : ERROR_WRITE_PROTECTED;
    exits->emu_stop(core);
    leave_if_asked(core, exits);
    return 0;
}

static void notice_writes(struct entry *entry, uint64_t page)
{
    if (!(entry->write & NOT_PLAIN_RAM) && entry->write >> PAGE_BITS == page)
        entry->write |= NOT_DIRTY;
}

/* Have the core notice from now on what it stores into the page of a block. Unicorn would look through its whole TLB for
 * each new block. A page has one place in each direct-mapped table, or it is among the victims.
 */
void notice_writes_to(void *core, const uint64_t *block, const uint64_t *previous, void *data)
{
    struct access_exits *exits = data;
    uint64_t page = *block >> PAGE_BITS;

    (void)core, (void)previous;
    for (int mode = 0; mode < MODES; mode++) {
        struct table *table = &exits->tables[mode];
        struct entry *victims = (struct entry *)(exits->victims + mode * MODE_BYTES);

        notice_writes(&table->entries[page & table->mask >> ENTRY_SHIFT], page);
        for (int i = 0; i < VICTIMS; i++)
            notice_writes(&victims[i], page);
    }
}
