"""AudioSet's segment CSVs over a folder of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from audioset_files import HEADER, noise, write_segments, write_wav, ytid

from registry import load_plugins
from registry.conformance.corpus import check_corpus
from registry.conformance.report import Report
from registry.contracts import ClipUnreadableError
from registry.errors import UserError
from uss_plugins.corpora.audioset_csv import AudioSetCsvCorpus
from uss_plugins.corpora.audioset_segments import read_segments

RATE = 8000
LABELS = [(0,), (72, 137), (526,), (0, 300)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four listed clips, of which number 2 has no file."""
    for number in (0, 1, 3):
        write_wav(tmp_path, number, 800 + number, RATE)
    write_segments(tmp_path / "segments.csv", LABELS)
    return tmp_path


def corpus(folder: Path, split: str = "train", **options: object) -> AudioSetCsvCorpus:
    options = {"sample_rate": RATE} | options
    return AudioSetCsvCorpus(
        split,
        {"train": str(folder / "segments.csv")},
        {"train": str(folder)},
        **options,  # type: ignore[arg-type]
    )


def test_clips_and_labels_are_those_of_the_list(folder: Path) -> None:
    clips = corpus(folder)
    assert clips.class_names[72] == "Animal"
    for clip, number in enumerate((0, 1, 3)):
        np.testing.assert_array_equal(clips.clip(clip), noise(number, 800 + number))
        assert np.flatnonzero(clips.labels[clip]).tolist() == list(LABELS[number])
    report = Report()
    check_corpus(clips, report)
    assert not report.findings


def test_missing_files_are_named_and_counted(folder: Path, caplog) -> None:
    assert corpus(folder).missing == (f"Y{ytid(2)}.wav",)
    assert "1 of 4 files" in caplog.text
    assert f"Y{ytid(2)}.wav" in caplog.text


def test_all_files_missing_is_an_error(folder: Path) -> None:
    for path in folder.glob("*.wav"):
        path.unlink()
    with pytest.raises(UserError, match=r"none of the 4 files .*, such as Y-id00000000\.wav"):
        corpus(folder)


def test_all_bad_lines_are_in_one_report(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(
        HEADER
        + '-id00000000, 0.000, 10.000, "/m/09x0r,/m/nonsense"\n'
        + '-id00000001, 0.000, 10.000, "/m/09x0q"\n'
        + "-id00000002, 0.000, 10.000, /m/09x0r,/m/068hy\n"
        + '-id00000003, ten, 10.000, "/m/09x0r"\n'
        + '-id00000004, 20.000, 10.000, "/m/09x0r"\n'
        + '-id00000005, 0.000, 10.000, ""\n'
        + '-id00000006, 0.000, 10.000, "/m/09x0r"\n'
        + '-\N{LATIN SMALL LETTER E WITH ACUTE}d00000007, 0.000, 10.000, "/m/09x0r"\n',
        encoding="utf-8",
    )
    with pytest.raises(UserError) as raised:
        read_segments(path)
    lines = str(raised.value).splitlines()
    assert "7 lines cannot be used" in lines[0]
    assert "line 4: unknown class '/m/nonsense'" in lines[1]
    assert "line 5: unknown class '/m/09x0q', did you mean" in lines[2]
    assert "line 6: 5 fields" in lines[3]
    assert "line 7: times 'ten'" in lines[4]
    assert "line 8: the segment ends at 10 s and begins at 20 s" in lines[5]
    assert "line 9: no labels" in lines[6]


def test_a_list_that_cannot_be_read_or_is_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as segments"):
        read_segments(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text(HEADER)
    with pytest.raises(UserError, match="lists no segments"):
        read_segments(tmp_path / "empty.csv")


def test_the_last_clips_can_be_held_out(folder: Path) -> None:
    train, valid = corpus(folder, hold_out=2), corpus(folder, "valid", hold_out=2)
    assert (len(train), len(valid)) == (1, 2)
    np.testing.assert_array_equal(valid.clip(1), noise(3, 803))


def test_a_damaged_file_is_an_unreadable_clip(folder: Path) -> None:
    path = folder / f"Y{ytid(1)}.wav"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ClipUnreadableError, match="truncated"):
        corpus(folder).clip(1)


def test_both_corpora_are_built_by_name(folder: Path) -> None:
    built = load_plugins().build(
        "corpus",
        "audioset_csv",
        split="train",
        segments={"train": str(folder / "segments.csv")},
        audio_dirs={"train": str(folder)},
    )
    assert len(built) == 3
    names = {parameter.name for parameter in load_plugins().parameters("corpus", "audioset_hdf5")}
    assert names == {"split", "indexes", "root", "sample_rate", "hold_out"}
