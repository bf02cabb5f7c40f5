"""Translation-time instrumentation: sites, the instructions that stop the core so that we may decide them.

Read `cpu/native.py` and `cpu/scanning.py` before and `cpu/core.py` after; `docs/adr/003-sites-by-translation.md` says
why it is done so.

Unicorn reports each newly translated block before it runs. If the block holds an instruction that we want to decide,
the run is stopped there, the block dropped, the word in RAM replaced by UDF, the block translated again, and the word
put back before anything runs. The translation then raises an undefined-instruction exception at the site, at any level,
and memory never shows it. Sites cost nothing elsewhere, need no table that could go stale, and vanish with the
translation when the guest changes its code. Whoever handles the exception reads the word again at its address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from unicorn import arm64_const as a64

from arm_hyp.arch.instructions import uses_fp
from arm_hyp.cpu.counter_reads import CounterReads
from arm_hyp.cpu.memory_map import RamWords
from arm_hyp.cpu.native import NativeCore
from arm_hyp.cpu.scanning import PAGE_SHIFT, BlockScanner, CodePages, Listener

UDF: Final = 0

Wanted = Callable[[int], Mapping[int, bool]]
"""`wanted(pstate)[word]`: must this instruction, translated at this level, become a site?"""


class _UsesFp(dict[int, bool]):
    """Whether a word uses the FP registers, FPCR or FPSR. Decided at its first lookup."""

    def __missing__(self, word: int) -> bool:
        known = self[word] = uses_fp(word)
        return known


_USES_FP: Final = _UsesFp()


class _Waiting(NamedTuple):
    """A block that is to be translated again: where it lies in memory, its size, and its sites (address, word)."""

    physical: int | None
    size_bytes: int
    sites: list[tuple[int, int]]


class Sites:
    """The instrumentation of one core."""

    def __init__(
        self,
        native: NativeCore,
        wanted: Wanted,
        ram: RamWords,
        on_misaligned: Callable[[], None],
        on_error: Callable[[BaseException], None],
        on_change: Callable[[int | None], None],
        counters: CounterReads,
    ) -> None:
        self._native, self._wanted, self._ram, self._counters = native, wanted, ram, counters
        self._on_misaligned, self._on_error = on_misaligned, on_error
        self._waiting: dict[int, _Waiting] = {}
        self._patched: dict[int, list[tuple[int, int]]] = {}
        self._bare: int | None = None
        self._looks_everywhere = False
        self._pstate, self._pc = native.batch([a64.UC_ARM64_REG_PSTATE]), native.batch([a64.UC_ARM64_REG_PC])
        self._fp_blocks: set[tuple[int, int]] = set()
        self.code_pages = CodePages()
        self._scanner = BlockScanner.install(native, Listener(self._translated, on_change))
        if self._scanner is None:
            native.on_translation(self._translated)

    @property
    def bare(self) -> int | None:
        """The one address that is translated as it is, for a single native step."""
        return self._bare

    @bare.setter
    def bare(self, address: int | None) -> None:
        self._bare = address
        self._look_at_all()

    def cover(self, base: int, size_bytes: int, host_address: int) -> None:
        """Keep account of the code in a range of RAM, which is at an address of the host."""
        self.code_pages.cover(base, size_bytes)
        if self._scanner is not None:
            self._scanner.note_pages(self.code_pages, host_address)

    @property
    def hears_cache_maintenance(self) -> bool:
        """Tell whether instruction-cache maintenance is noticed though it is no site."""
        return self._scanner is not None

    def _look_at_all(self) -> None:
        """Have the scanner report every block while one of them is special."""
        if self._scanner is not None:
            self._scanner.report_all(bool(self._patched) or self._bare is not None or self._looks_everywhere)

    def look_everywhere(self, wanted: bool) -> None:
        """Look at the blocks too that the filter in C passes over: in most of them a barrier is the only site."""
        if wanted != self._looks_everywhere:
            self._looks_everywhere = wanted
            self._look_at_all()

    def fp_traps(self, wanted: bool) -> None:
        """Hear whether FP traps at any level. Where it does not, blocks that use it are only noted."""
        if self._scanner is not None:
            self._scanner.fp_traps(wanted)

    def take_fp_blocks(self) -> list[tuple[int, int]]:
        """Return the blocks that use the FP registers, (physical address, size in bytes), and forget them."""
        if self._scanner is not None:
            self._fp_blocks |= self._scanner.take_fp_blocks()
        blocks = sorted(self._fp_blocks)
        self._fp_blocks.clear()
        return blocks

    @property
    def pending(self) -> bool:
        """Tell whether the run stopped because a block waits to be translated again."""
        return bool(self._waiting)

    def _translated(self, pc: int, size_bytes: int) -> None:
        try:
            self._look_at(pc, size_bytes)
        except BaseException as error:  # must not pass through C
            self._on_error(error)

    def _look_at(self, pc: int, size_bytes: int) -> None:
        patched = self._patched.pop(pc, None)
        if patched is not None:
            self._restore(patched)
            self._look_at_all()
            return
        if pc & 3:
            self._on_misaligned()
            self._native.stop()
            return
        physical = self._native.translate(pc)
        if physical is not None:
            self.code_pages.add(physical >> PAGE_SHIFT)  # a block never crosses a page
        words = self._words(pc, physical, size_bytes)
        if physical is not None and any(map(_USES_FP.__getitem__, words)):
            self._fp_blocks.add((physical, size_bytes))
        sites, has_news = self._find(pc, words)
        if sites or has_news:
            self._waiting[pc] = _Waiting(physical, size_bytes, sites)
            self._native.stop()

    def _words(self, pc: int, physical: int | None, size_bytes: int) -> tuple[int, ...]:
        known = None if physical is None else self._ram.words(physical, size_bytes)
        return self._native.fetch_words(pc, size_bytes) if known is None else known

    def _find(self, pc: int, words: tuple[int, ...]) -> tuple[list[tuple[int, int]], bool]:
        """Return the sites of a block, and whether it must be translated again for another reason."""
        pstate = self._pstate.read()[0]
        wanted = self._wanted(pstate)
        if not any(map(wanted.__getitem__, words)):
            return [], False
        found = [(pc + 4 * index, word) for index, word in enumerate(words) if wanted[word]]
        answered = [at for at, word in found if self._counters.are_answered(word, pstate >> 2 & 3)]
        has_news = any([self._counters.watch(at) for at in answered])  # all of them, not up to the first
        return [site for site in found if site[0] != self._bare and site[0] not in answered], has_news

    @property
    def patched(self) -> list[tuple[int, int]]:
        """Return the words of RAM that are not what the guest has there, for the moment: (physical address, word)."""
        return [place for places in self._patched.values() for place in places]

    def prepare(self) -> None:
        """Patch the waiting block at the PC. Call it between two runs, then run on from there.

        An interrupt that came meanwhile, or a state that was taken back, may have led elsewhere, or to other memory at
        the same addresses. Such a block is only dropped: it is looked at again when it is translated again. A patch
        that another block's translation met would be an undefined instruction there.
        """
        now = self._pc.read()[0]
        for pc, (place, size_bytes, sites) in self._waiting.items():
            if pc != now or (place is not None and self._native.translate(pc) != place):
                if place is not None:
                    self._native.drop_physical(place, size_bytes)
                continue
            self._native.drop_translations(pc, pc + size_bytes)
            physical = [(self._native.translate(at), word) for at, word in sites]
            done = [(at, word) for at, word in physical if at is not None and self._ram.poke(at, UDF)]
            self._patched[pc] = done
        self._waiting.clear()
        self._look_at_all()

    def settle(self) -> None:
        """Put back every word of a block that was not translated after all (a fault at its first fetch)."""
        for patched in self._patched.values():
            self._restore(patched)
        if self._patched:
            self._patched.clear()
            self._look_at_all()

    def _restore(self, patched: list[tuple[int, int]]) -> None:
        for address, word in patched:
            self._ram.poke(address, word)
