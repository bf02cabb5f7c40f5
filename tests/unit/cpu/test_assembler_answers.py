"""What Keystone answered is kept for the next time the same instructions come: answers and errors, but no crash."""

from collections.abc import Iterator

import pytest

from arm_hyp.cpu import assembler
from arm_hyp.cpu.assembler import AssemblyError, assemble

Ask = tuple[tuple[str, ...], bool]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Ask]]:
    """What Keystone's process is asked, which answers as it does."""
    asked, real = list[Ask](), assembler._ask_child

    def ask(texts: list[str], together: bool) -> object:
        asked.append((tuple(texts), together))
        return real(texts, together)

    assembler._answer.cache_clear()
    monkeypatch.setattr(assembler, "_ask_child", ask)
    yield asked
    assembler._answer.cache_clear()


def test_the_same_instructions_are_asked_once_and_others_anew(asked: list[Ask]) -> None:
    first = assemble("a: nop\n b a\n", filename="f.s", base=0x1000)
    again = assemble("// moved, and renamed\nb: nop\n b b\n .word 7\n", filename="g.s", base=0x1000)
    assert len(asked) == 1 and again.code == first.code + b"\7\0\0\0"
    assert [symbol.name for symbol in again.symbols] == ["b"]
    assert assemble("wfi", filename="f.s", base=0x1000).code == b"\x7f\x20\x03\xd5"
    assert len(asked) == 2


def test_an_error_names_the_place_in_the_source_at_hand(asked: list[Ask]) -> None:
    for name, source, line in (("f.s", "nop\nldx x0, x1\n", 2), ("g.s", "nop\n\n\nldx x0, x1\n", 4)):
        with pytest.raises(AssemblyError) as caught:
            assemble(source, filename=name, base=0)
        assert (caught.value.file, caught.value.line) == (name, line)
        assert "`ldx` is not an instruction" in str(caught.value)
    assert len(asked) == 1


def test_after_a_crash_keystone_is_asked_again(asked: list[Ask], monkeypatch: pytest.MonkeyPatch) -> None:
    real = assembler._ask_child
    monkeypatch.setattr(assembler, "_ask_child", lambda texts, together: (None, 1))
    with pytest.raises(AssemblyError, match="crashes the assembler"):
        assemble("nop", filename="f.s", base=0)
    monkeypatch.setattr(assembler, "_ask_child", real)
    assert assemble("nop", filename="f.s", base=0).code == b"\x1f\x20\x03\xd5"
    assert asked == [(("nop",), True)]
