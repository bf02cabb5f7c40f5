"""The framing of gdb's remote protocol: round trips, what is cut off, malformed or too long, whatever way it comes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.debug.gdb.packets import (
    MAX_PACKET_BYTES,
    Acknowledged,
    Broken,
    Decoder,
    Interrupted,
    Item,
    Packet,
    checksum,
    decode,
    encode,
)

DATA = st.binary(max_size=300) | st.lists(
    st.tuples(st.sampled_from(b"\0a#$}*+-"), st.integers(1, 210)), max_size=6
).map(lambda runs: b"".join(bytes((byte,)) * length for byte, length in runs))


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def _feed(decoder: Decoder, pieces: list[bytes]) -> list[Item]:
    return [item for piece in pieces for item in decoder.feed(piece)]


@given(DATA, st.lists(st.integers(0, 1000), max_size=5))
def test_what_is_sent_is_what_comes_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    assert _feed(Decoder(), _pieces(encode(data), cuts)) == [Packet(data)]


@given(DATA)
def test_a_packet_has_no_byte_inside_that_means_its_begin_or_end(data: bytes) -> None:
    body = encode(data)[1:-3]
    assert not set(body) & set(b"$#")


def test_runs_are_shortened() -> None:
    assert encode(b"0" * 8).startswith(b"$0*$#"[:3])
    assert len(encode(b"\0" * 4000)) < 200


def test_a_count_is_never_a_character_that_means_something_else() -> None:
    for length in range(1, 200):
        body = encode(b"0" * length)[1:-3]
        counts = {body[index + 1] for index, byte in enumerate(body[:-1]) if byte == b"*"[0]}
        assert not counts & set(b"#$+-")
        assert decode(body) == b"0" * length


@given(st.binary(max_size=600), st.lists(st.integers(0, 1000), max_size=4))
def test_any_bytes_are_taken_and_a_packet_after_them_comes_through(noise: bytes, cuts: list[int]) -> None:
    decoder = Decoder()
    _feed(decoder, _pieces(noise, cuts))
    decoder.feed(b"#00")  # whatever packet was open ends here, at the latest
    assert decoder.feed(encode(b"g"))[-1:] == [Packet(b"g")]


@given(DATA, st.integers(1, 255))
def test_a_wrong_checksum_is_told_and_may_be_repeated(data: bytes, error: int) -> None:
    whole = encode(data)
    wrong = f"{(checksum(whole[1:-3]) + error) & 0xFF:02x}".encode()
    (item,) = Decoder().feed(whole[:-2] + wrong)
    assert isinstance(item, Broken)
    assert item.may_repeat


def test_a_checksum_that_is_no_number_is_wrong() -> None:
    (item,) = Decoder().feed(b"$g#zz")
    assert isinstance(item, Broken)


def test_a_packet_that_is_too_long_is_told_once_and_forgotten() -> None:
    items = Decoder().feed(b"$" + b"a" * (3 * MAX_PACKET_BYTES) + b"#00" + encode(b"?"))
    assert [type(item) for item in items] == [Broken, Packet]
    assert not any(isinstance(item, Broken) and item.may_repeat for item in items)


def test_a_packet_that_grows_too_long_by_repetitions_is_refused() -> None:
    body = b"a" + b"*~" * 2000
    (item,) = Decoder().feed(b"$" + body + b"#" + f"{checksum(body):02x}".encode())
    assert isinstance(item, Broken)


def test_a_packet_that_is_cut_off_by_the_next_one_is_told() -> None:
    items = Decoder().feed(b"$m400" + encode(b"g"))
    assert [type(item) for item in items] == [Broken, Packet]


def test_escapes_and_repetitions_that_lead_nowhere() -> None:
    assert decode(b"ab}") is None
    assert decode(b"ab*") is None
    assert decode(b"*!ab") is None
    assert decode(b"a}\x03b") == b"a#b"
    assert decode(b"0* ") == b"0000"


def test_acknowledgements_and_interrupts_stand_between_packets() -> None:
    items = Decoder().feed(b"+-\x03 \n" + encode(b"c") + b"\x03")
    assert items == [Acknowledged(True), Acknowledged(False), Interrupted(), Packet(b"c"), Interrupted()]


def test_an_interrupt_inside_a_packet_is_data() -> None:
    assert Decoder().feed(encode(b"X1,1:\x03")) == [Packet(b"X1,1:\x03")]
