"""Each reader against files written word by word, and against the N-MNIST that is there; and files that are damaged."""

from __future__ import annotations

import builtins
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_files import (
    AEDAT3_HEADER,
    Events,
    aedat2,
    aedat3,
    aedat3_packet,
    aedat4,
    evt2_words,
    evt3_words,
    neighbours,
    nmnist,
    random_events,
    raw_header,
    structured,
    words_16,
    words_32,
)

from striate.diagnostics import CompileError
from striate.events import FORMATS, Recording, Sensor, read_events

NMNIST = Path(__file__).parents[2].parent / "shared" / "data" / "events" / "nmnist_train1000.npz"

SMALL = random_events(2000, start=5)


def written(folder: Path, content: bytes, name: str = "events.data") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def assert_same(recording: Recording, events: Events) -> None:
    for field in "txyp":
        np.testing.assert_array_equal(getattr(recording, field), getattr(events, field), field)
    assert [getattr(recording, field).dtype for field in "txyp"] == [np.int64, np.uint16, np.uint16, np.uint8]


FILES = {
    "evt2": (raw_header("2.0") + words_32(evt2_words(SMALL)), Sensor(34, 34)),
    "evt3": (raw_header("3.0") + words_16(evt3_words(SMALL)), Sensor(34, 34)),
    "aedat2": (aedat2(SMALL), Sensor(128, 128)),
    "aedat3.1": (aedat3(SMALL), Sensor(128, 128)),
    "aedat4": (aedat4(SMALL, 40, 34), Sensor(40, 34)),
}
"""Format -> the same events in it, and the sensor that the file names."""


@pytest.mark.parametrize("name", FILES)
def test_what_was_written_is_read_and_the_format_is_told_by_the_header_alone(tmp_path: Path, name: str) -> None:
    content, sensor = FILES[name]
    for misleading in ("events.bin", "events.aedat4", "events"):
        recording = read_events(written(tmp_path, content, misleading))
        assert (recording.format, recording.sensor, recording.remarks) == (name, sensor, ())
        assert_same(recording, SMALL)


def test_every_format_has_a_name_of_its_own_and_is_read_when_asked_for(tmp_path: Path) -> None:
    names = [format.name for format in FORMATS]
    assert len(set(names)) == len(names)
    assert set(FILES) < set(names)
    for name, (content, _) in FILES.items():
        assert_same(read_events(written(tmp_path, content), name), SMALL)


# -- NumPy


@pytest.mark.parametrize(
    ("names", "dtype"), [("xytp", "<u2,<u2,<i8,i1"), ("xytp", "<i2,<i2,<u4,?"), ("xytp", "u1,u1,<f8,i1")]
)
def test_a_structured_array_may_have_any_integer_types(tmp_path: Path, names: str, dtype: str) -> None:
    path = tmp_path / "events.npy"
    np.save(path, structured(SMALL, dtype, names))
    if "f8" not in dtype:
        assert_same(read_events(path), SMALL)
        return
    with pytest.raises(CompileError, match=r"'t' must be whole numbers.*float64.*") as caught:
        read_events(path)
    assert "1e6" in str(caught.value)


def test_fields_may_be_arrays_of_their_own_with_other_tools_names_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "events.npz"
    np.savez(path, x=SMALL.x, y=SMALL.y, timestamp=SMALL.t, polarity=2 * SMALL.p - 1)
    assert_same(read_events(path), SMALL)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": np.array([1, -2, 3])}, "event 1 has x = -2, which must be in 0..65535"),
        ({"y": np.array([1, 2, 70000])}, "event 2 has y = 70000"),
        ({"p": np.array([0, 1, 2])}, "event 2 has p = 2, which must be in 0..1"),
        ({"p": np.array([-1, 1, 0])}, "event 2 has p = 0, but others have -1"),
        ({"t": np.array([1, 2])}, "disagree on the number of events"),
        ({"p": np.array([255]), "offsets": np.array([0, 1, 3])}, "many recordings: write each to a file of its own"),
        ({"t": np.zeros((3, 1), np.int64)}, r"it is int64\[3, 1\]"),
        ({"p": None}, "no field 'p'; it holds x, y, t"),
    ],
)
def test_fields_that_are_no_events_are_refused_with_the_event(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    arrays: dict[str, Any] = {"x": np.arange(3), "y": np.arange(3), "t": np.arange(3), "p": np.ones(3, int), **change}
    np.savez(tmp_path / "e.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(CompileError, match=says):
        read_events(tmp_path / "e.npz")


# -- Prophesee


def test_evt3_vectors_give_one_event_for_each_bit(tmp_path: Path) -> None:
    events = neighbours()
    words = evt3_words(events)
    assert {word >> 12 for word in words} == {0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8}
    assert_same(read_events(written(tmp_path, raw_header("3.0", 1280, 720) + words_16(words))), events)


@pytest.mark.parametrize("start", [(1 << 24) - 9000, (5 << 24) - 9000])
def test_evt3_times_go_on_when_24_bits_are_full(tmp_path: Path, start: int) -> None:
    events = random_events(3000, start=start)
    recording = read_events(written(tmp_path, raw_header("3.0") + words_16(evt3_words(events))))
    offset = start >> 24 << 24  # what the file cannot say: how often the clock went round before it
    assert events.t[-1] - offset > 1 << 24
    assert_same(recording, Events(events.t - offset, events.x, events.y, events.p))


def test_evt3_times_of_many_rounds_of_the_clock_in_many_blocks_of_words(tmp_path: Path) -> None:
    events = random_events(150_000, gap=1500)
    assert events.t[-1] > 6 << 24
    assert_same(read_events(written(tmp_path, raw_header("3.0") + words_16(evt3_words(events)))), events)


def test_evt3_state_is_carried_from_word_to_word_as_the_format_says(tmp_path: Path) -> None:
    words = [
        0x2005,  # an event before anything is known: lost
        0x8001, 0x0007, 0x2803,  # time 1 << 12, row 7, on at x = 3; no lower bits yet
        0x6010, 0x2004,  # off at x = 4, 16 µs later
        0x8001, 0x2005,  # the same upper bits: the lower ones hold
        0x8002, 0x2006,  # other upper bits: the lower ones are 0
        0x3864, 0x5F81, 0x4801,  # a vector from 100, on: 8 (its upper bits mean nothing), then 12 from 108
        0xA000, 0x7000,  # a trigger, a continuation
    ]  # fmt: skip
    recording = read_events(written(tmp_path, raw_header("3.0") + words_16(words)))
    a, b, c = 1 << 12, (1 << 12) + 16, 2 << 12
    assert recording.t.tolist() == [a, b, b, c, c, c, c, c]
    assert recording.x.tolist() == [3, 4, 5, 6, 100, 107, 108, 119]
    assert recording.y.tolist() == [7] * 8
    assert recording.p.tolist() == [1, 0, 0, 0, 1, 1, 1, 1]
    assert recording.remarks[0].startswith("1 events before the first time")
    assert recording.remarks[1].startswith("2 words are no events")


def test_evt3_words_without_time_or_without_events_give_none(tmp_path: Path) -> None:
    for words in ([], [0x8001], [0x0001, 0x2001], [0x6001, 0x0001, 0x2001], [0x8001, 0x0001, 0x4FFF]):
        recording = read_events(written(tmp_path, raw_header("3.0") + words_16(words)))
        assert len(recording) == 0
        assert recording.t.dtype == np.int64


def test_evt2_times_go_on_when_34_bits_are_full(tmp_path: Path) -> None:
    events = random_events(3000, start=(1 << 34) - 9000)
    assert events.t[-1] > 1 << 34
    assert_same(read_events(written(tmp_path, raw_header("2.0") + words_32(evt2_words(events)))), events)


def test_evt2_events_before_the_first_time_and_other_words_are_named(tmp_path: Path) -> None:
    words = [0x1 << 28 | 5 << 11, 0xA << 28, 0x8 << 28 | 3, 0x1 << 28 | 7 << 22 | 6 << 11 | 9, 0xE << 28]
    recording = read_events(written(tmp_path, raw_header("2.0") + words_32(words)))
    assert (recording.t.tolist(), recording.x.tolist(), recording.y.tolist()) == ([3 * 64 + 7], [6], [9])
    assert [remark.split()[0] for remark in recording.remarks] == ["1", "2"]


def test_the_sensor_is_read_from_either_way_of_writing_it(tmp_path: Path) -> None:
    for line in ("% format EVT3;height=720;width=1280", "% evt 3.0\n% geometry 1280x720"):
        recording = read_events(written(tmp_path, f"{line}\n% end\n".encode() + words_16(evt3_words(SMALL))))
        assert recording.sensor == Sensor(1280, 720)
        assert_same(recording, SMALL)


# -- AEDAT


def test_aedat2_addresses_are_read_as_the_camera_in_the_header_writes_them(tmp_path: Path) -> None:
    davis = aedat2(SMALL, "eu.seebetter.ini.chips.davis.Davis346B", 260)
    recording = read_events(written(tmp_path, davis))
    assert recording.sensor == Sensor(346, 260)
    assert_same(recording, SMALL)


def test_aedat2_without_a_known_camera_asks_for_one(tmp_path: Path) -> None:
    path = written(tmp_path, aedat2(SMALL, None))
    with pytest.raises(CompileError, match="no line '# AEChip:'") as caught:
        read_events(path)
    assert "--format: aedat2-dvs128" in str(caught.value)
    assert_same(read_events(path, "aedat2-dvs128"), SMALL)


def test_aedat2_times_go_on_when_32_bits_are_full_and_other_words_are_left_out(tmp_path: Path) -> None:
    events = random_events(3000, start=(1 << 32) - 9000)
    trigger = struct.pack(">II", 1 << 15, 0xFFFFFF00)
    header, body = (part := aedat2(events))[: -8 * 3000], part[-8 * 3000 :]
    recording = read_events(written(tmp_path, header + body[:800] + trigger + body[800:]))
    assert_same(recording, events)
    assert recording.remarks[0].startswith("1 words are no polarity events")


def test_aedat2_rows_that_the_camera_has_not_are_refused(tmp_path: Path) -> None:
    content = b"#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n" + struct.pack(">II", 200 << 22, 1)
    with pytest.raises(CompileError, match="event 0 has y = 200 from the bottom, and a davis240 has 180 rows"):
        read_events(written(tmp_path, content))


def test_aedat3_times_go_on_by_the_packets_overflow(tmp_path: Path) -> None:
    events = random_events(3000, start=(1 << 31) - 9000)
    assert events.t[-1] > 1 << 31
    assert_same(read_events(written(tmp_path, aedat3(events))), events)


def test_aedat3_passes_over_other_packets_and_events_that_are_not_valid(tmp_path: Path) -> None:
    first, second = np.arange(10), np.arange(10, 30)
    content = AEDAT3_HEADER + aedat3_packet(SMALL, first) + aedat3_packet(SMALL, second, kind=0)
    recording = read_events(written(tmp_path, content + aedat3_packet(SMALL, second, valid=0)))
    assert_same(recording, Events(*(array[:10] for array in (SMALL.t, SMALL.x, SMALL.y, SMALL.p))))
    assert [remark.split()[0] for remark in recording.remarks] == ["20", "1"]


def test_aedat4_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, globals: Any = None, locals: Any = None, names: Sequence[str] = (), level: int = 0) -> Any:
        if name == "aedat":
            raise ModuleNotFoundError(name)
        return original(name, globals, locals, names, level)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CompileError, match=r"pip install 'striate\[events\]'"):
        read_events(written(tmp_path, FILES["aedat4"][0]))


# -- N-MNIST


def test_nmnist_times_go_on_by_the_words_that_mark_an_overflow(tmp_path: Path) -> None:
    events = random_events(3000, start=(1 << 23) - 9000)
    recording = read_events(written(tmp_path, nmnist(events), "00001.bin"))
    assert_same(recording, events)
    assert recording.t[-1] > 1 << 23


def test_nmnist_samples_are_read_as_they_were_recorded(tmp_path: Path) -> None:
    if not NMNIST.exists():
        pytest.skip(f"the N-MNIST samples are not at {NMNIST}")
    with np.load(NMNIST) as held:
        arrays: Mapping[str, Any] = {name: held[name] for name in held.files}
    polarity = np.unpackbits(arrays["p"])
    for sample in range(0, 1000, 100):
        part = slice(*arrays["offsets"][sample : sample + 2])
        events = Events(*(field[part].astype(np.int64) for field in (arrays["t"], arrays["x"], arrays["y"], polarity)))
        recording = read_events(written(tmp_path, nmnist(events), f"{arrays['ids'][sample]:05}.bin"))
        assert_same(recording, events)
        assert int(recording.x.max()) < 34
        assert 250_000 < recording.duration_us < 350_000  # three saccades of 100 ms each


# -- what is wrong with a file

WORD_BYTES = {"evt2": 4, "evt3": 2, "aedat2": 8, "aedat3.1": 8, "nmnist": 5}


@pytest.mark.parametrize("name", WORD_BYTES)
def test_a_file_that_was_cut_short_is_refused_with_where(tmp_path: Path, name: str) -> None:
    content = nmnist(SMALL) if name == "nmnist" else FILES[name][0]
    with pytest.raises(CompileError, match=r"it ends within .*\d of (its )?\d+ bytes") as caught:
        read_events(written(tmp_path, content[:-1], "cut.bin"))
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"bad-events"}
    assert "cut short" in str(caught.value)


def test_an_aedat4_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    content = FILES["aedat4"][0]
    for length in (20, len(content) // 2, len(content) - 8):
        with pytest.raises(CompileError, match="'aedat' cannot read it"):
            read_events(written(tmp_path, content[:length]))


@pytest.mark.parametrize(
    ("content", "format", "says"),
    [
        (b"", None, "it is empty"),
        (b"t,x,y,p\n", None, "no format of events begins with 't,x,y,p'"),
        (b"#!AER-DAT1.0\r\n", None, "begins with '#!AER-DAT1.0"),
        (b"% evt 2.1\n% end\n", None, "begins with '% evt 2.1'"),
        (b"% evt 2.1\n% end\n", "evt2", "its header says EVT 2.1, not EVT 2.0"),
        (b"#!AER-DAT2.0\r\n", "aedat3.1", "its header says AEDAT 2.0, not AEDAT 3.1"),
        (b"no header at all", "aedat4", "does not begin with '#!AER-DAT'"),
        (b"#!AER-DAT3.1\r\n#Format: RAW\r\n", None, "no line '#!END-HEADER'"),
        (b"#!AER-DAT3.1\r\n#Format: SerializedTS\r\n#!END-HEADER\r\n", None, "packets are compressed"),
        (AEDAT3_HEADER + b"\x01" * 27, None, "within the head of packet 0: 27 of 28 bytes"),
        (AEDAT3_HEADER + struct.pack("<hhiiiiii", 1, 1, 0, 4, 0, 1, 1, 1), None, "packet 0 of type 1 says"),
        (AEDAT3_HEADER + struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, -1, -1, 1), None, "it has -1 events"),
        (b"\x93NUMPY", None, "not a usable"),
        (b"anything", "evt9", "there is no format 'evt9'"),
    ],
)
def test_a_file_that_is_no_such_file_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, format: str | None, says: str
) -> None:
    with pytest.raises(CompileError, match=says):
        read_events(written(tmp_path, content), format)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.raw", "No such file"), (tmp_path, "directory")):
        with pytest.raises(CompileError, match=says):
            read_events(path)


@pytest.mark.parametrize("name", [*(name for name in FILES if name != "aedat4"), "nmnist", "structured"])
def test_a_damaged_file_is_read_or_refused_but_never_breaks_the_reader(tmp_path: Path, name: str) -> None:
    """100 files with some bytes changed or removed: a recording in the promised types, or a diagnostic.

    Not aedat4: its library trusts the offsets within a packet, and a file with wrong ones can end the process.
    """
    np.save(tmp_path / "whole.npy", structured(SMALL)[:50])
    whole = {"nmnist": nmnist(SMALL), "structured": (tmp_path / "whole.npy").read_bytes()}
    content = whole.get(name) or FILES[name][0]
    rng = np.random.default_rng(0)
    outcomes: set[str] = set()
    for _ in range(100):
        damaged = bytearray(content if name == "structured" else content[:600])
        for place in rng.integers(0, min(len(damaged), 600), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        cut = rng.integers(0, len(damaged), 2)
        if rng.random() < 0.3:
            del damaged[cut.min() : cut.max()]
        path = written(tmp_path, bytes(damaged))
        try:
            recording = read_events(path, name)
        except CompileError as error:
            outcomes.add(error.diagnostics[0].code)
        else:
            outcomes.add("read")
            assert [getattr(recording, field).dtype for field in "txyp"] == [np.int64, np.uint16, np.uint16, np.uint8]
            assert len({len(getattr(recording, field)) for field in "txyp"}) == 1
            assert not len(recording) or int(recording.p.max()) <= 1
    assert "bad-events" in outcomes
    assert outcomes <= {"read", "bad-events", "bad-data"}
