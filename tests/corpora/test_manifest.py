"""Manifests: real files of many kinds in, the contract's clips out, and every mistake reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError, Corpus
from registry.errors import UserError
from uss_plugins.corpora.manifest import ManifestCorpus
from uss_plugins.corpora.manifest_rows import BadRowsError

SPEECH_ID = "/m/09x0r"
Write = Callable[..., str]


def tone(
    seconds: float, rate: int, frequency: float = 440, level: float = 0.5
) -> NDArray[np.float64]:
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes lines as a manifest beside `a.wav`, `b.flac` and `sub/c.ogg`; gives its path."""
    soundfile.write(tmp_path / "a.wav", tone(2.0, 16000), 16000)
    stereo = np.stack([tone(1.0, 44100), np.zeros(44100)], axis=1)
    soundfile.write(tmp_path / "b.flac", stereo, 44100)
    (tmp_path / "sub").mkdir()
    soundfile.write(tmp_path / "sub" / "c.ogg", tone(1.5, 22050), 22050)

    def write_lines(*lines: str, name: str = "clips.csv") -> str:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return write_lines


def test_files_of_any_kind_become_mono_at_one_rate(write: Write, tmp_path: Path) -> None:
    manifest = write(
        "path,labels,split",
        "a.wav,Speech,train",
        "b.flac,Speech;Music,train",
        f"{tmp_path}/sub/c.ogg,Music,train",
        "a.wav,Siren,test",
    )
    corpus = ManifestCorpus("train", manifest, sample_rate=16000)
    assert isinstance(corpus, Corpus)
    assert len(corpus) == 3
    assert corpus.class_names == ("Music", "Siren", "Speech")
    assert corpus.labels.tolist() == [
        [False, False, True],
        [True, False, True],
        [True, False, False],
    ]
    clips = [corpus.clip(index) for index in range(3)]
    assert [len(clip) for clip in clips] == [32000, 16000, 24000]
    assert {clip.dtype for clip in clips} == {np.dtype(np.float32)}
    np.testing.assert_allclose(clips[0], tone(2.0, 16000), atol=1e-4)
    # The mean of the channels, resampled: half the tone.
    middle = slice(1000, 15000)
    np.testing.assert_allclose(clips[1][middle], tone(1.0, 16000, level=0.25)[middle], atol=1e-3)
    np.testing.assert_allclose(clips[2][middle], tone(1.5, 16000)[middle], atol=0.05)  # lossy


def test_start_and_end_cut_the_clip(write: Write) -> None:
    manifest = write(
        "path,labels,start,end",
        "a.wav,x,0.5,1.25",
        "a.wav,x,1.5,",
        "a.wav,x,,0.1",
        "a.wav,x,,2.0004",
    )
    corpus = ManifestCorpus("train", {"train": manifest}, sample_rate=16000)
    whole = soundfile.read(Path(manifest).parent / "a.wav", dtype="float32")[0]
    expected = [whole[8000:20000], whole[24000:], whole[:1600], whole]
    for index, audio in enumerate(expected):
        assert np.array_equal(corpus.clip(index), audio)


def test_labels_are_names_ids_or_lists_and_names_may_hold_commas(write: Write) -> None:
    manifest = write(
        "path, labels",
        f'a.wav, "{SPEECH_ID}; Violin, fiddle ;my own"',
        'a.wav, "[""Violin, fiddle"", ""Dog""]"',
        "a.wav, Speech",
    )
    corpus = ManifestCorpus("train", {"train": manifest})
    assert corpus.class_names == ("Dog", "Speech", "Violin, fiddle", "my own")
    assert corpus.class_ids == ("/m/0bt9lr", SPEECH_ID, "/m/07y_7", "my own")
    assert corpus.labels.astype(int).tolist() == [[0, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 0]]


def test_all_splits_have_the_same_classes(write: Write) -> None:
    paths = {
        "train": write("path,labels", "a.wav,x|y", name="train.csv"),
        "test": write("path,labels", "a.wav,z", name="test.csv"),
    }
    for split in paths:
        corpus = ManifestCorpus(split, paths, label_separator="|")
        assert corpus.class_names == ("x", "y", "z")
    chosen = ManifestCorpus("test", paths, class_names=["z", SPEECH_ID])
    assert chosen.class_names == ("z", "Speech")
    assert chosen.labels.tolist() == [[True, False]]


def test_parquet_is_read_with_lists_or_text(write: Write, tmp_path: Path) -> None:
    write("")
    table = pd.DataFrame(
        {
            "path": ["a.wav", "b.flac", "sub/c.ogg"],
            "labels": [["Dog", "Speech"], ["Dog"], ["Speech"]],
            "start": [0.5, np.nan, np.nan],
            "split": ["train", "test", "train"],
        }
    )
    table.to_parquet(tmp_path / "lists.parquet")
    table.assign(labels=table["labels"].map(";".join)).to_parquet(tmp_path / "text.parquet")
    for name in ("lists.parquet", "text.parquet"):
        corpus = ManifestCorpus("train", str(tmp_path / name), sample_rate=16000)
        assert corpus.class_names == ("Dog", "Speech")
        assert corpus.labels.tolist() == [[True, True], [False, True]]
        assert [len(corpus.clip(index)) for index in range(2)] == [24000, 24000]


BAD_ROWS = {
    "gone.wav,Dog,,": "gone.wav: no such file",
    "text.wav,Dog,,": "text.wav: not audio",
    "empty.wav,Dog,,": "empty.wav: empty",
    "a.wav,,,": "no labels; give at least one",
    "a.wav, ; ,,": "no labels; give at least one",
    "a.wav,Dug,,": "unknown label 'Dug', did you mean Dog?",
    '''a.wav,"[""Dog""",,''': "are no JSON list",
    "a.wav,Dog,1.0,1.0": "end 1 s is not after start 1 s",
    "a.wav,Dog,1.5,0.5": "end 0.5 s is not after start 1.5 s",
    "a.wav,Dog,0,2.5": "end 2.5 s is beyond the file's end, 2 s",
    "a.wav,Dog,3,": "start 3 s is beyond the file's end, 2 s",
    "a.wav,Dog,2,": "start 2 s is the file's end",
    "a.wav,Dog,-1,": "start -1 s is negative",
    "a.wav,Dog,nan,": "start 'nan' is no time",
    "a.wav,Dog,0,soon": "end 'soon' is no time",
    ",Dog,,": "no path",
    ".,Dog,,": "a directory",
    "a.wav,Dog,,,Speech": "more values than columns",
}


def test_all_bad_rows_are_in_one_report(write: Write, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio at all")
    (tmp_path / "empty.wav").touch()
    manifest = write("path,labels,start,end", "a.wav,Dog,,", *BAD_ROWS, "b.flac,Dog,0,1")
    with pytest.raises(BadRowsError) as caught:
        ManifestCorpus("train", {"train": manifest}, class_names=["Dog", "Speech"])
    first, *lines = str(caught.value).splitlines()
    assert first == (
        f"manifest {manifest}: {len(BAD_ROWS)} rows cannot be used; correct or remove them "
        "(row 1 is the first below the header)"
    )
    assert len(lines) == len(BAD_ROWS)
    for number, (line, reason) in enumerate(zip(lines, BAD_ROWS.values(), strict=True), start=2):
        assert line.startswith(f"  row {number}: ")
        assert reason in line


def test_a_row_tells_all_its_faults_and_a_long_report_is_shortened(write: Write) -> None:
    manifest = write("path,labels,start,end", *["gone.wav,,x,"] * 50)
    with pytest.raises(BadRowsError) as caught:
        ManifestCorpus("train", {"train": manifest})
    lines = str(caught.value).splitlines()
    assert "50 rows cannot be used" in lines[0]
    assert len(lines) == 22
    assert lines[-1] == "  ... and 30 more"
    for reason in ("no labels", "start 'x' is no time", "no such file"):
        assert reason in lines[1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,labels,split", "a.wav,Dog,train"], "has no column path, only file, labels, split"),
        (["path,labels,split"], "has no rows"),
        ([""], "has no column path and no column labels"),
        (["path,labels", "a.wav,Dog"], "has no column split; add one"),
        (["path,labels,split", "a.wav,Dog,train"], "no row of split 'valid'; it has train"),
    ],
)
def test_a_manifest_without_what_it_needs_is_refused(
    write: Write, lines: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ManifestCorpus("valid", write(*lines))
    assert "\n" not in str(caught.value)


def test_manifests_that_are_not_there_are_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no manifest for split 'test'; given: train"):
        ManifestCorpus("test", {"train": write("path,labels", "a.wav,x")})
    with pytest.raises(UserError, match=r"none\.csv: cannot be read"):
        ManifestCorpus("train", str(tmp_path / "none.csv"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(UserError, match=r"broken\.parquet: cannot be read"):
        ManifestCorpus("train", str(tmp_path / "broken.parquet"))


def test_files_that_break_after_opening_are_named(write: Write, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(800, np.nan), 8000, subtype="FLOAT")
    manifest = write("path,labels", "a.wav,x", "b.flac,x", "nan.wav,x", "sub/c.ogg,x")
    corpus = ManifestCorpus("train", {"train": manifest}, sample_rate=16000)
    (tmp_path / "a.wav").unlink()
    content = (tmp_path / "b.flac").read_bytes()
    (tmp_path / "b.flac").write_bytes(content[:60] + bytes(len(content) - 60))
    soundfile.write(tmp_path / "sub" / "c.ogg", tone(1.5, 16000), 16000)
    for index, name in enumerate(
        ("a.wav", "b.flac", "nan.wav: holds NaN", "c.ogg: is not the file")
    ):
        with pytest.raises(ClipUnreadableError, match=name):
            corpus.clip(index)


def test_clips_over_full_scale_are_scaled_down(write: Write, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", tone(1.0, 8000, level=4.0), 8000, subtype="FLOAT")
    manifest = write("path,labels", "loud.wav,x")
    clip = ManifestCorpus("train", {"train": manifest}, sample_rate=8000).clip(0)
    np.testing.assert_allclose(clip, tone(1.0, 8000, level=1.0), atol=1e-5)


def test_the_rows_of_a_json_list_survive_a_round_trip(write: Write) -> None:
    names = ['Quote "this"', "semi;colon", "comma, name"]
    cell = json.dumps(names).replace('"', '""')
    corpus = ManifestCorpus("train", {"train": write("path,labels", f'a.wav,"{cell}"')})
    assert set(corpus.class_names) == set(names)
