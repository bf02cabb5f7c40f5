"""Recordings that are cut off, flipped, old, too large, or made to harm: one line, and nothing done."""

import os
import struct
import tracemalloc
import zlib
from hashlib import blake2b, sha256

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from recording_support import ECHO, SLEEPER, User, guest, record, replay, saved

from arm_hyp.errors import UserError
from arm_hyp.timeline.recordings import container
from arm_hyp.timeline.recordings.container import Section, section
from arm_hyp.timeline.recordings.recording import Recording, _sections, read_recording, write_recording
from arm_hyp.timeline.recordings.replay import Replay

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    made, _, _ = record(guest(folder, ECHO), user=User([]), limit=5000)
    return made


@pytest.fixture(scope="module")
def good(recording, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "run.hyp"
    write_recording(str(path), recording)
    return path.read_bytes()


def refused(folder, data):
    """Return the one line that a file is refused with."""
    path = folder / "bad.hyp"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_recording(str(path))
    line = str(caught.value)
    assert "\n" not in line and line.startswith(str(path))
    return line


def parts(recording, **changed):
    """Return a file whose parts are changed; None leaves one out. What is changed is proper in all other respects."""
    sections = {one.kind: one for one in _sections(recording)}
    for kind, data in changed.items():
        if data is None:
            del sections[kind]
        else:
            sections[kind] = data if isinstance(data, Section) else section(kind, data)
    return b"".join(container.encode(sections.values()))


# --- damage -----------------------------------------------------------------------------------------------------------


@FUZZ
@given(data=st.data())
def test_a_file_that_is_cut_off_is_refused(tmp_path, good, data):
    refused_line = refused(tmp_path, good[: data.draw(st.integers(1, len(good) - 1))])
    assert "cut off" in refused_line or "is no recording" in refused_line


@FUZZ
@given(data=st.data())
def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path, good, data):
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    flipped = bytearray(good)
    flipped[bit // 8] ^= 1 << bit % 8
    refused(tmp_path, bytes(flipped))


@FUZZ
@given(st.binary(max_size=200))
@example(b"")
@example(container.MAGIC)
@example(container.MAGIC + struct.pack("<I", container.FORMAT))
def test_any_other_file_is_refused(tmp_path, data):
    refused(tmp_path, data)
    refused(tmp_path, container.MAGIC + struct.pack("<I", container.FORMAT) + data)


def test_bytes_behind_the_end_are_refused(tmp_path, good):
    assert "its end is not where it should be" in refused(tmp_path, good + b"more")


@pytest.mark.parametrize(("number", "age"), [(0, "an older"), (2, "a newer"), (1 << 31, "a newer")])
def test_another_format_is_named(tmp_path, recording, number, age):
    data = b"".join(container.encode(_sections(recording), number))
    assert f"is in format {number} of {age} arm-hyp" in refused(tmp_path, data)


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    for path, words in (("nowhere.hyp", "does not exist"), ("", "is a directory")):
        with pytest.raises(UserError, match=words):
            read_recording(str(tmp_path / path))


# --- made to harm -----------------------------------------------------------------------------------------------------


def framed(kind, stored, *, flags=1, size=None, stored_bytes=None):
    """Return a section whose hash is right, whatever it says."""
    head = struct.pack("<24sIQQ", kind, flags, stored_bytes or len(stored), len(stored) if size is None else size)
    return head + blake2b(head + stored, digest_size=16).digest() + stored


HEAD = container.MAGIC + struct.pack("<I", container.FORMAT)
BOMB = zlib.compress(bytes(1 << 26), 9)


@pytest.mark.parametrize(
    "body",
    [
        framed(b"run", BOMB, size=1 << 26),
        framed(b"run", BOMB, size=100),
        framed(b"run", b"x", size=1 << 62),
        framed(b"run", b"x", stored_bytes=1 << 62),
        framed(b"run", b"no zlib at all", size=20),
        framed(b"../../etc/passwd", b"x"),
        framed(b"\xff\xfe", b"x"),
        framed(b"run", b"x", flags=0xFF),
        framed(b"a", b"", flags=0) * (container.MAX_SECTIONS + 1),
    ],
    ids=["bomb", "bomb that lies", "huge", "longer than the file", "no zlib", "path", "no text", "flags", "many"],
)
def test_parts_that_lie_cost_neither_memory_nor_time(tmp_path, body):
    end = framed(b"end", struct.pack("<I", body.count(b"run") or 1), flags=0)
    tracemalloc.start()
    try:
        refused(tmp_path, HEAD + body + end)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def plain_run(recording):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(recording.run))


HARMFUL_CONFIGURATIONS = {
    "an absolute path": {"image": "/etc/passwd"},
    "a path upwards": {"image": "../0"},
    "a file that is not there": {"image": "7"},
    "a drive by path": {"drives": [{"path": "/dev/sda"}]},
    "a load by path": {"loads": ["0x40000000=/etc/shadow"]},
    "a device tree by path": {"dtb": "/etc/passwd"},
    "handlers by path": {"hypervisor": "/tmp/evil.py"},
    "a file to type": {"vms": [{"name": "a", "image": "0", "input": "/etc/passwd"}]},
    "memory for ever": {"memory_bytes": 1 << 62},
    "no memory": {"memory_bytes": 0},
    "memory below nothing": {"memory_bytes": -(1 << 20)},
    "all memory for the machine": {"machine_memory_bytes": 1 << 62},
    "a thousand CPUs": {"cpus": 1000},
    "no CPU": {"cpus": 0},
    "an unknown CPU": {"cpu": "a710"},
    "EL3": {"el": 3},
    "a thousand VMs": {"vms": [{"name": "a", "image": "0"}] * 1000},
    "a setting that is none": {"settings": ["HCR_EL2"]},
    "a field of the future": {"secure": True},
    "a field of a VM of the future": {"vms": [{"name": "a", "image": "0", "tpm": 1}]},
    "a wrong type": {"cpus": "2"},
    "a list for a text": {"append": ["x"]},
    "a pin on no CPU": {"vms": [{"name": "a", "image": "0", "pins": [99]}]},
}


@pytest.mark.parametrize("change", HARMFUL_CONFIGURATIONS.values(), ids=HARMFUL_CONFIGURATIONS.keys())
def test_a_configuration_that_no_command_line_gives_is_refused(tmp_path, recording, change):
    run = plain_run(recording)
    run["configuration"] |= change
    refused(tmp_path, parts(recording, run=msgspec.msgpack.encode(run)))


HARMFUL_FILES = {
    "an absolute name": {"name": "/etc/cron.d/evil"},
    "a name upwards": {"name": "../../evil.s"},
    "a name of the directory": {"name": ".."},
    "no name": {"name": ""},
    "a name with a folder": {"name": "folder/evil.s"},
    "a name with a zero": {"name": "a\0.s"},
    "a name that moves the cursor": {"name": "\x1b[2Jguest.s"},
    "beside nothing": {"beside": 5},
    "beside itself": {"beside": 0},
    "a size below nothing": {"size_bytes": -1},
    "a size of everything": {"size_bytes": 1 << 62},
    "no hash": {"sha256": "../../x"},
    "a field of the future": {"mode": 0o4755},
}


@pytest.mark.parametrize("change", HARMFUL_FILES.values(), ids=HARMFUL_FILES.keys())
def test_a_file_that_leads_elsewhere_is_refused(tmp_path, recording, change):
    run = plain_run(recording)
    run["files"][0] |= change
    refused(tmp_path, parts(recording, run=msgspec.msgpack.encode(run)))


HARMFUL_ENDS = {"n": -1, "seq": 1 << 63, "time_ns": -5, "status": 1 << 40, "text": 7}


@pytest.mark.parametrize(("name", "value"), HARMFUL_ENDS.items())
def test_an_end_that_no_run_has_is_refused(tmp_path, recording, name, value):
    run = plain_run(recording)
    run["end"][name] = value
    refused(tmp_path, parts(recording, run=msgspec.msgpack.encode(run)))


@pytest.mark.parametrize(
    "inputs",
    [[[[5, 5, b"a"], [4, 4, b"b"]]], [[[-1, 0, b"a"]]], [[[1, 1, b""]]], [[["x", 1, b"a"]]], 7, [[[1, 1]]]],
    ids=["backwards", "before the begin", "nothing", "no number", "no list", "too short"],
)
def test_input_that_nobody_typed_is_refused(tmp_path, recording, inputs):
    refused(tmp_path, parts(recording, inputs=msgspec.msgpack.encode(inputs)))


@pytest.mark.parametrize("kind", ["run", "inputs", "consoles", "trace"])
def test_a_missing_part_is_named(tmp_path, recording, kind):
    assert f"its part `{kind}` is missing" in refused(tmp_path, parts(recording, **{kind: None}))


@FUZZ
@given(data=st.data(), noise=st.binary(max_size=300))
def test_noise_in_place_of_a_part_is_refused(tmp_path, recording, data, noise):
    kind = data.draw(st.sampled_from(["run", "inputs", "consoles", "trace"]))
    line = refused(tmp_path, parts(recording, **{kind: noise}))
    assert "is damaged" in line


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@FUZZ
@given(data=st.data(), value=PLAIN)
def test_any_value_in_any_place_is_refused_or_harmless(tmp_path, recording, data, value):
    """One field is replaced by anything; whatever is let through must be a recording that can be opened, or refused."""
    run = plain_run(recording)
    table = data.draw(st.sampled_from([run, run["configuration"], run["end"], run["files"][0]]))
    table[data.draw(st.sampled_from(sorted(table)))] = value
    path = tmp_path / "odd.hyp"
    path.write_bytes(parts(recording, run=msgspec.msgpack.encode(run)))
    try:
        assert isinstance(read_recording(str(path)), Recording)
    except UserError as error:
        assert "\n" not in str(error)


def test_deep_nesting_is_refused(tmp_path, recording):
    refused(tmp_path, parts(recording, run=b"\x91" * 100_000 + b"\xc0"))


def test_contents_that_are_not_what_they_say_are_refused(tmp_path, recording):
    size = recording.run.files[0].size_bytes
    (tmp_path / "bad.hyp").write_bytes(parts(recording, **{"file:0": b"x" * size}))
    with pytest.raises(UserError, match=r"its file guest\.s is not what it says"):
        Replay.open(str(tmp_path / "bad.hyp"))


def test_a_bomb_for_a_file_is_refused(tmp_path, recording):
    bomb = Section("file:0", BOMB, recording.run.files[0].size_bytes, True)
    (tmp_path / "bad.hyp").write_bytes(parts(recording, **{"file:0": bomb}))
    with pytest.raises(UserError, match="does not unpack"):
        Replay.open(str(tmp_path / "bad.hyp"))


def test_a_file_of_files_that_is_no_guest_is_told_by_its_own_name(tmp_path, recording):
    """An assembly text that cannot be assembled: the line names the recording, and no private directory."""
    broken = guest(tmp_path, "frobnicate x0\n")
    data = (tmp_path / "guest.s").read_bytes()
    run = plain_run(recording)
    run["files"][0] |= {"size_bytes": len(data), "sha256": sha256(data).hexdigest()}
    run["configuration"]["image"] = "0"
    path = tmp_path / "bad.hyp"
    path.write_bytes(parts(recording, run=msgspec.msgpack.encode(run), **{"file:0": data}))
    with pytest.raises(UserError) as caught, Replay.open(str(path)) as opened:
        opened.runner()
    assert str(caught.value).startswith(f"{path}: guest.s:1") and broken.image not in str(caught.value)


@pytest.mark.parametrize("arrival", [[65536, 3, b"never"], [65535, 65535, b"off the grid"]])
def test_input_that_cannot_enter_is_told_and_does_not_hang(tmp_path, arrival):
    recording, _, _ = record(guest(tmp_path, ECHO), limit=200_000)
    path = tmp_path / "odd.hyp"
    path.write_bytes(parts(recording, inputs=msgspec.msgpack.encode([[arrival]])))
    assert "takes no input" in replay(path)[0]


def test_input_in_the_past_of_a_sleep_is_told_and_does_not_hang(tmp_path):
    recording, _, _ = record(guest(tmp_path, SLEEPER), user=User([(5_000_000_000, b"q")]))
    arrival = recording.inputs[0][0]
    path = tmp_path / "odd.hyp"
    path.write_bytes(parts(recording, inputs=msgspec.msgpack.encode([[[arrival.n, 1, arrival.data]]])))
    assert "takes no input" in replay(path)[0]


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_part_of_a_later_version_is_kept_if_it_may_be_left_out(tmp_path, recording):
    extra = section("weather", b"sunny", is_optional=True)
    path = tmp_path / "run.hyp"
    path.write_bytes(parts(recording, weather=extra))
    read = read_recording(str(path))
    assert read.others == (extra,)
    assert saved(tmp_path / "again.hyp", read) == read
    assert replay(tmp_path / "again.hyp")[0] == ""


def test_a_part_of_a_later_version_that_matters_is_refused(tmp_path, recording):
    line = refused(tmp_path, parts(recording, weather=section("weather", b"stormy")))
    assert "needs `weather`, which this version of arm-hyp does not know" in line


def test_writing_that_fails_leaves_the_older_recording(tmp_path, good):
    path = tmp_path / "run.hyp"
    path.write_bytes(good)

    def pieces():
        yield b"half of"
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        container.write(str(path), pieces())
    assert path.read_bytes() == good and [one.name for one in tmp_path.iterdir()] == ["run.hyp"]


def test_what_is_no_regular_file_is_not_replaced_by_a_recording(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match="is no regular file"):
        container.write(str(pipe), [b"data"])
    assert pipe.is_fifo()
