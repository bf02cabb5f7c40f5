"""Values, changes of values, and logs of effects as they are kept: they come back exactly, or the damage has a name."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.errors import UserError
from arm_hyp.hypervisor import EC, WfxExit
from arm_hyp.hypervisor.student import changes
from arm_hyp.hypervisor.student.effects import Call, Effect, EffectLog
from arm_hyp.hypervisor.student.plain_data import NotPlain, copy
from arm_hyp.hypervisor.student.wire import ENUMS, TUPLES, Malformed, decode, encode

ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(1 << 130), 1 << 130), st.floats(), st.binary(max_size=9),
    st.text(st.characters(), max_size=5), st.sampled_from([0, 1, 1.0, True, -0.0, "\ud800"]),
)  # fmt: skip
KEYS = st.one_of(st.sampled_from([0, 1, True, 1.0, "a", "b", (1, 2)]), st.integers(), st.text(max_size=3))
PLAIN = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=3),
    ),
    max_leaves=12,
)
WIRES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(), st.text(), st.binary()),
    lambda inner: (
        st.builds(lambda tag, parts: [tag, *parts], st.sampled_from([*"iultsfdne=x", ""]), st.lists(inner, max_size=4))
        | st.lists(inner, max_size=3)
    ),
)


def through_a_file(wire: Any) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(wire))


def written(value: Any) -> str:
    """Return a value with all types and the order of dicts; sets have none."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}{sorted(map(written, value))}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[" + ", ".join(map(written, value)) + "]"
    return repr(value)


@given(PLAIN)
def test_a_plain_value_comes_back_exactly(value: Any) -> None:
    assert written(decode(through_a_file(encode(value)))) == written(value)


@pytest.mark.parametrize(
    "value", [EC.WFX, WfxExit(EC.WFX, 5, 1 << 63), *(kind(0) for kind in ENUMS.values()), (1, [EC.HVC64])]
)
def test_a_value_of_this_package_comes_back(value: Any) -> None:
    assert written(decode(through_a_file(encode(value)), objects=True)) == written(value)


def test_ints_and_texts_of_other_classes_are_kept_as_what_they_are() -> None:
    class Number(int):
        def __index__(self) -> int:
            return 99

    class Text(str):
        def __str__(self) -> str:
            return "no"

    assert (
        written(decode(encode([Number(5), Text("yes"), bytearray(b"b"), memoryview(b"c")])))
        == "list[5, 'yes', b'b', b'c']"
    )
    with pytest.raises(NotPlain, match="object"):
        encode([object()])


@given(PLAIN, PLAIN)
def test_a_change_makes_the_new_of_the_old(old: Any, new: Any) -> None:
    wire = changes.change(old, new, "it")
    if wire is not None:
        old = changes.apply(copy(old, "it"), through_a_file(wire))
    assert written(old) == written(new)


@given(st.dictionaries(KEYS, PLAIN, max_size=5), st.data())
def test_a_change_deep_inside_is_made_in_place(old: dict[Any, Any], data: st.DataObject) -> None:
    new = copy(old, "it")
    for key in data.draw(st.lists(st.sampled_from([*old, "c", 7]), max_size=3)):
        if key in new and data.draw(st.booleans()):
            del new[key]
        elif isinstance(new.get(key), list):
            new[key].append(data.draw(ATOMS))
        else:
            new[key] = data.draw(PLAIN)
    made = copy(old, "it")
    wire = changes.change(old, new, "it")
    again = made if wire is None else changes.apply(made, through_a_file(wire))
    assert written(again) == written(new)


def test_what_grows_is_not_kept_as_a_whole() -> None:
    old = {"seen": list(range(1000)), "set": set(range(1000))}
    new = {"seen": [*range(1000), 5], "set": {*range(1000), 2000}}
    assert changes.change(old, new, "it") == ["d", [], ["seen", ["l", 1000, [], [5]], "set", ["s", [], [2000]]]]


@given(WIRES)
def test_nothing_but_a_value_is_decoded(wire: Any) -> None:
    for objects in (False, True):
        with contextlib.suppress(Malformed):
            decode(wire, objects=objects)


@given(PLAIN, WIRES)
def test_a_damaged_change_is_named(value: Any, wire: Any) -> None:
    with contextlib.suppress(Malformed):
        changes.apply(value, wire)


def test_only_types_of_this_package_are_made() -> None:
    for wire in (["n", "print", 1], ["e", "Path", 1], ["n", "WfxExit"], ["e", "EC", 99], ["d", 1], ["d", ["l"], 1], []):
        with pytest.raises(Malformed):
            decode(wire, objects=True)
    assert set(TUPLES).isdisjoint(ENUMS)


def test_a_damaged_log_is_refused() -> None:
    good = EffectLog()
    good.put(0, Effect(1, 0, 0, 2, 3, 4, [Call("@handler(EC.WFX)", [])]))
    (packed,) = EffectLog.of(good.packed).packed
    deep = b"\x91" * 100_000
    for bad in (b"", packed[:-1], b"\xff" * 9, msgspec.msgpack.encode({"n": 1}), deep, packed + b"x"):
        with pytest.raises(UserError, match="the effects of exit 1: are damaged"):
            EffectLog.of([packed, bad])


def test_a_log_that_begins_late_knows_nothing_of_before() -> None:
    log = EffectLog()
    log.put(2, Effect(1, 0, 0, 2, 3, 4, []))
    assert (len(log), log.get(0), log.get(2), log.get(3)) == (3, None, log[2], None)
    log.put(1, Effect(9, 0, 0, 2, 3, 4, []))
    assert (len(log), log[1].n) == (2, 9)
