/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looks at words of registers and of RAM before each instruction, and tells when one has changed. Read cpu/watching.py
 * before this file: it owns the structures, and decides what the change was.
 */
#include <stdint.h>
#include <string.h>

struct watched_word {
    const void *at;
    uint64_t mask; /* the bits that matter */
    uint64_t last; /* what was there at the last look; kept by Python */
    const void *guard; /* if any: it matters only where this word, */
    uint64_t guard_mask; /* masked, */
    uint64_t guard_value; /* is this */
};

struct word_watcher {
    struct watched_word *words;
    uint64_t count;
    uint64_t pc; /* address of the instruction that began last */
    void (*report)(void);
};

/* Read by cpu/watching.py, so that a library left over from another version is not used. */
const uint64_t word_watcher_bytes = sizeof(struct word_watcher) + sizeof(struct watched_word);

static int matters(const struct watched_word *word)
{
    uint64_t now;

    if (!word->guard)
        return 1;
    memcpy(&now, word->guard, sizeof now);
    return (now & word->guard_mask) == word->guard_value;
}

/* Unicorn calls this before each instruction. */
void instruction_begins(void *core, uint64_t address, uint32_t size_bytes, void *data)
{
    struct word_watcher *w = data;
    uint64_t i, now;

    (void)core, (void)size_bytes;
    for (i = 0; i < w->count; i++) {
        memcpy(&now, w->words[i].at, sizeof now);
        if ((now ^ w->words[i].last) & w->words[i].mask && matters(&w->words[i])) {
            w->report();
            break;
        }
    }
    w->pc = address;
}
