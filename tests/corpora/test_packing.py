"""Packing AudioSet's files into HDF5 and joining them under an index, read back by the corpus."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from audioset_files import noise, write_segments, write_wav, ytid

from registry.conformance.corpus import check_corpus
from registry.conformance.report import Report
from registry.contracts import ClipUnreadableError
from registry.errors import UserError
from uss_plugins.corpora.audioset_hdf5 import AudioSetHdf5Corpus
from uss_plugins.corpora.pack_index import write_index
from uss_plugins.corpora.packing import pack

RATE = 8000
LABELS = [(0,), (72, 137), (526,), (0, 300), (5,)]
SHORT, WHOLE, LONG = 3000, 8000, 9000


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """Five listed clips of 1 s: whole, short, missing, long, and one that is no audio."""
    folder = tmp_path / "wavs"
    folder.mkdir()
    for number, samples in ((0, WHOLE), (1, SHORT), (3, LONG)):
        write_wav(folder, number, samples, RATE)
    (folder / f"Y{ytid(4)}.wav").write_bytes(b"not audio")
    write_segments(tmp_path / "segments.csv", LABELS)
    return folder


def pack_here(audio: Path, output: str = "part.h5", **changes: object) -> Path:
    path = audio.parent / output
    options = {"sample_rate": RATE, "clip_seconds": 1.0} | changes
    pack(audio.parent / "segments.csv", audio, path, **options)  # type: ignore[arg-type]
    return path


def expected(number: int, samples: int) -> np.ndarray:
    """The packed form of a clip: cut or padded to 1 s."""
    clip = np.zeros(WHOLE, np.int16)
    own = noise(number, samples)[:WHOLE]
    clip[: len(own)] = np.round(own * 32767)
    return clip


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_file_has_the_released_layout(audio: Path, jobs: int) -> None:
    packed = pack(
        audio.parent / "segments.csv",
        audio,
        audio.parent / "part.h5",
        sample_rate=RATE,
        clip_seconds=1.0,
        jobs=jobs,
    )
    assert packed.clips == 5
    assert packed.missing == (f"Y{ytid(2)}.wav",)
    assert len(packed.unreadable) == 1
    assert "not audio" in packed.unreadable[0]
    with h5py.File(audio.parent / "part.h5") as part:
        assert part.attrs["sample_rate"] == RATE
        assert part["audio_name"].dtype == "S20"
        assert part["waveform"].dtype == np.int16
        assert part["target"].dtype == bool
        assert part["audio_name"][:].tolist() == [
            f"Y{ytid(number)}.wav".encode() if number not in (2, 4) else b"" for number in range(5)
        ]
        for number, samples in ((0, WHOLE), (1, SHORT), (3, LONG)):
            np.testing.assert_array_equal(part["waveform"][number], expected(number, samples))
            assert np.flatnonzero(part["target"][number]).tolist() == list(LABELS[number])
        for number in (2, 4):
            assert not part["waveform"][number].any()
            assert not part["target"][number].any()
    assert not (audio.parent / "part.h5.part").exists()


def test_other_rates_are_resampled(audio: Path) -> None:
    write_wav(audio, 2, 4000, RATE // 2)
    with h5py.File(pack_here(audio)) as part:
        clip = part["waveform"][2] / 32767
    spectrum = np.abs(np.fft.rfft(clip))
    original = np.abs(np.fft.rfft(noise(2, 4000)))
    np.testing.assert_allclose(spectrum[100:1500], 2 * original[100:1500], rtol=0.02, atol=0.2)
    assert spectrum[2100:].max() < 0.02 * spectrum[:1900].max()


def test_packing_again_does_nothing_and_another_list_is_refused(audio: Path) -> None:
    path = pack_here(audio)
    before = path.stat().st_mtime_ns
    assert pack_here(audio).stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"part\.h5: was packed otherwise \(sample_rate"):
        pack_here(audio, sample_rate=16000)
    write_segments(audio.parent / "segments.csv", LABELS[:4])
    with pytest.raises(UserError, match="segments_sha256"):
        pack_here(audio)


def test_without_any_file_nothing_is_made(audio: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="none of the 5 files"):
        pack(tmp_path / "segments.csv", tmp_path / "empty", tmp_path / "none.h5")
    assert not list(tmp_path.glob("none.h5*"))


def alive(process_id: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def descendants(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return [one for child in map(int, children) for one in (child, *descendants(child))]


STUCK = """
import sys, time
from pathlib import Path
from uss_plugins.cli import main
from uss_plugins.corpora import packing

read = packing.packed_clip

def read_or_hang(path, **layout):
    if path.name == {name!r}:
        time.sleep(3600)
    return read(path, **layout)

if __name__ == "__main__":
    packing.packed_clip = read_or_hang
    main(sys.argv[1:])
"""


def test_a_killed_packing_goes_on_where_it_stopped(tmp_path: Path) -> None:
    count = 150
    folder = tmp_path / "wavs"
    folder.mkdir()
    for number in range(count):
        write_wav(folder, number, WHOLE, RATE)
    csv = write_segments(tmp_path / "segments.csv", [(number,) for number in range(count)])
    output, part = tmp_path / "part.h5", tmp_path / "part.h5.part"
    options = ["pack", csv, "--audio-dir", folder, "--output", output, "--jobs", "2"]
    options += ["--sample-rate", str(RATE), "--clip-seconds", "1"]
    script = tmp_path / "stuck.py"
    script.write_text(STUCK.format(name=f"Y{ytid(100)}.wav"))
    process = subprocess.Popen(
        [sys.executable, script, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not packed_names(part):
        assert process.poll() is None
        time.sleep(0.05)
    workers = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = packed_names(part)
    assert 0 < len(done) < count
    assert not output.exists()

    for number in done:  # what is packed is not read again
        (folder / f"Y{ytid(number)}.wav").write_bytes(b"")
    cli = Path(sys.executable).with_name("uss-plugins")
    finished = subprocess.run([cli, *options], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    with h5py.File(output) as whole:
        assert (whole["audio_name"][:] != b"").all()
        for number in range(count):
            np.testing.assert_array_equal(whole["waveform"][number], expected(number, WHOLE))
            assert np.flatnonzero(whole["target"][number]).tolist() == [number]
    assert not part.exists()
    assert len(workers) >= 2
    assert not [worker for worker in workers if alive(worker)]


def packed_names(part: Path) -> list[int]:
    """The clips that an unfinished file holds."""
    if not part.exists():
        return []
    with h5py.File(part, locking=False) as file:
        return np.flatnonzero(file["audio_name"][:] != b"").tolist()


def test_a_full_disk_is_a_users_error(audio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("uss_plugins.corpora.packing.fill", full)
    with pytest.raises(UserError, match=r"No space left on device.*run this again"):
        pack_here(audio)
    monkeypatch.undo()
    pack_here(audio)


@pytest.fixture
def index(audio: Path) -> Path:
    """An index over two parts: the packed clips, and a second one with clip 1 alone."""
    parts = [pack_here(audio)]
    second = audio.parent / "second"
    second.mkdir()
    write_segments(second / "segments.csv", LABELS[:2])
    (second / "wavs").mkdir()
    write_wav(second / "wavs", 1, SHORT, RATE)
    parts.append(pack_here(second / "wavs"))
    path = audio.parent / "index.h5"
    assert write_index(parts, path) == (4, 3)
    return path


def corpus(index: Path, split: str = "train", **options: object) -> AudioSetHdf5Corpus:
    options = {"sample_rate": RATE} | options
    return AudioSetHdf5Corpus(split, {"train": str(index)}, **options)  # type: ignore[arg-type]


def test_the_index_has_the_released_layout(index: Path) -> None:
    with h5py.File(index) as file:
        assert {name: str(file[name].dtype) for name in file} == {
            "audio_name": "|S20",
            "target": "bool",
            "hdf5_path": "|S200",
            "index_in_hdf5": "int32",
        }
        assert file["index_in_hdf5"][:].tolist() == [0, 1, 3, 1]
        paths = [Path(os.fsdecode(path)) for path in file["hdf5_path"][:]]
    assert [path.name for path in paths] == ["part.h5"] * 4
    assert all(path.is_absolute() and path.exists() for path in paths)


def test_the_corpus_reads_what_was_packed(index: Path) -> None:
    clips = corpus(index)
    assert len(clips) == 4
    assert len(clips.class_names) == 527
    for clip, (number, samples) in enumerate(((0, WHOLE), (1, SHORT), (3, LONG), (1, SHORT))):
        assert np.flatnonzero(clips.labels[clip]).tolist() == list(LABELS[number])
        np.testing.assert_array_equal(
            clips.clip(clip), expected(number, samples) / np.float32(32767)
        )


def test_the_labels_are_mapped_not_copied(index: Path) -> None:
    base = corpus(index).labels
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_the_corpus_keeps_its_contract(index: Path) -> None:
    report = Report()
    check_corpus(corpus(index), report)
    assert not report.findings


def read_first(clips: AudioSetHdf5Corpus) -> tuple[float, int]:
    return float(clips.clip(0).sum()), int(clips.labels.sum())


def test_the_corpus_travels_to_other_processes(index: Path) -> None:
    clips = corpus(index)
    here = read_first(clips)
    assert len(pickle.dumps(clips)) < 100_000
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        assert pool.apply(read_first, (clips,)) == here


def test_the_last_clips_can_be_held_out(index: Path) -> None:
    train, valid = corpus(index, hold_out=1), corpus(index, "valid", hold_out=1)
    assert (len(train), len(valid)) == (3, 1)
    np.testing.assert_array_equal(valid.clip(0), corpus(index).clip(3))
    np.testing.assert_array_equal(valid.labels, corpus(index).labels[3:])
    with pytest.raises(UserError, match="no file for split 'valid'"):
        corpus(index, "valid")
    with pytest.raises(UserError, match="no clip is left for train"):
        corpus(index, hold_out=4)


def test_missing_clips_of_a_released_index_are_left_out(index: Path) -> None:
    with h5py.File(index, "r+") as file:
        file["audio_name"][1] = b""
    clips = corpus(index)
    assert (len(clips), clips.missing_count) == (3, 1)
    np.testing.assert_array_equal(clips.clip(1), expected(3, LONG) / np.float32(32767))
    assert np.flatnonzero(clips.labels[1]).tolist() == list(LABELS[3])


def test_relative_paths_start_from_the_index_or_the_root(index: Path, tmp_path: Path) -> None:
    write_index([tmp_path / "part.h5"], index, relative=True)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("part.h5", "index.h5"):
        (tmp_path / name).rename(moved / name)
    assert len(corpus(moved / "index.h5")) == 3
    (moved / "index.h5").rename(tmp_path / "index.h5")
    assert len(corpus(tmp_path / "index.h5", root=str(moved))) == 3


def test_another_rate_is_resampled_when_read(index: Path) -> None:
    assert len(corpus(index, sample_rate=2 * RATE).clip(0)) == 2 * WHOLE


def test_everything_wrong_with_the_parts_is_in_one_report(index: Path) -> None:
    gone = index.parent / "second" / "part.h5"
    gone.unlink()
    with h5py.File(index, "r+") as file:
        file["index_in_hdf5"][0] = 99
    with pytest.raises(UserError) as raised:
        corpus(index)
    assert f"{gone}: no such file" in str(raised.value)
    assert "part.h5: has 5 clips, the index names 1 to 99" in str(raised.value)


def test_a_file_that_is_no_index_or_no_part_is_refused(index: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not an index.*\n.*no dataset 'hdf5_path'"):
        corpus(tmp_path / "part.h5")
    with pytest.raises(UserError, match=r"not packed clips.*\n.*no dataset 'waveform'"):
        write_index([index], tmp_path / "other.h5")
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a whole HDF5 file"):
        corpus(tmp_path / "bad.h5")
    with h5py.File(tmp_path / "part.h5", "r+") as part:
        del part["waveform"]
        part["waveform"] = np.zeros((5, 4), np.float32)
    with pytest.raises(UserError, match=r"'waveform' is float32 \(5, 4\)"):
        corpus(index)


def test_a_part_that_breaks_later_is_an_unreadable_clip(index: Path) -> None:
    clips = corpus(index)
    part = index.parent / "part.h5"
    part.write_bytes(part.read_bytes()[:-5000])
    with pytest.raises(ClipUnreadableError, match=rf"part\.h5, clip 0 \(Y{ytid(0)}\.wav\)"):
        clips.clip(0)
    assert clips.clip(3).any()


def test_the_verbs_say_what_they_did(audio: Path, run_cli) -> None:
    part, index = audio.parent / "p.h5", audio.parent / "i.h5"
    done = run_cli("pack", audio.parent / "segments.csv", "--audio-dir", audio, "--output", part)
    assert done.returncode == 0, done.stderr
    assert "packed: 3 of 5 clips" in done.stdout
    assert f"without audio: 1 (Y{ytid(2)}.wav)" in done.stdout
    assert "unreadable" in done.stderr
    done = run_cli("pack-index", part, "--output", index)
    assert "index: 3 clips of 1 files, 2 without audio" in done.stdout
    assert len(corpus(index)) == 3
