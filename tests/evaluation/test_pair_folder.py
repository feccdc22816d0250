"""Evaluation pairs as files: written in the released layout, read back, and evaluated from there."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fakes import RATE, SECONDS, BandModel, FakeCorpus

from registry.errors import UserError
from uss_plugins.evaluation.pair_folder import PairFolder, folder_name, write_pairs
from uss_plugins.evaluation.protocol import UnusablePairError, evaluation_pairs, mix_pair
from uss_plugins.evaluation.run import evaluate
from uss_plugins.evaluation.section import EvaluationSection

SECTION = EvaluationSection(pairs_per_class=2, absent_per_class=1, segment_seconds=SECONDS)


def write(
    folder: Path, corpus: FakeCorpus | None = None, seed: int = 0
) -> tuple[int, tuple[str, ...]]:
    corpus = corpus or FakeCorpus()
    pairs = evaluation_pairs(corpus, SECTION.model_copy(update={"seed": seed}))
    return write_pairs(corpus, pairs, SECONDS, folder, settings={"split": "test"})


def opened(folder: Path, **changes: object) -> PairFolder:
    corpus = FakeCorpus()
    arguments = {
        "class_names": corpus.class_names,
        "class_ids": corpus.class_ids,
        "sample_rate": RATE,
    } | changes
    return PairFolder(folder, **arguments)  # type: ignore[arg-type]


def test_the_folders_are_named_as_released() -> None:
    assert folder_name("train", 2.0) == "2s_segments_balanced_train"
    assert folder_name("test", 2.0) == "2s_segments_test"


def test_the_files_are_the_pairs_in_the_released_layout(tmp_path: Path) -> None:
    folder = tmp_path / "2s_segments_test"
    assert write(folder) == (8, ())
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.wav")}
    assert found == {
        f"class_id={k}/class_id={k},index={n:03d},{what}.wav"
        for k in range(4)
        for n in range(2)
        for what in ("mixture", "source")
    }
    corpus = FakeCorpus()
    present = [pair for pair in evaluation_pairs(corpus, SECTION) if pair.has_target]
    with (tmp_path / "2s_segments_test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for pair, row in zip(present, rows, strict=True):
        stem = (
            folder
            / f"class_id={row['class_id']}"
            / f"class_id={row['class_id']},index=00{row['index']}"
        )
        assert int(row["class_id"]) == pair.query_class
        assert int(row["other_class_id"]) == pair.second.class_index
        mixture, source = mix_pair(corpus, pair, SECONDS)
        for what, expected in (("mixture", mixture), ("source", source)):
            audio, rate = soundfile.read(f"{stem},{what}.wav", dtype="float32")
            assert rate == RATE
            np.testing.assert_array_equal(audio, expected)
    assert json.loads((tmp_path / "2s_segments_test.json").read_text())["split"] == "test"


def test_writing_again_keeps_what_is_there_and_refuses_other_pairs(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    write(folder)
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")}
    lost = next(path for path in kept if path.name.endswith("source.wav"))
    lost.unlink()
    assert write(folder) == (8, ())
    partner = lost.with_name(lost.name.replace("source", "mixture"))
    changed = {path for path, time in kept.items() if path.stat().st_mtime_ns != time}
    assert changed == {lost, partner}
    with pytest.raises(UserError, match="holds other pairs"):
        write(folder, seed=1)


def test_a_pair_that_cannot_be_mixed_is_named_and_left_out(tmp_path: Path) -> None:
    count, skipped = write(tmp_path / "pairs", FakeCorpus(silent=[(0, 0)]))
    assert count < 8
    assert len(skipped) == 8 - count
    assert "'Class 0' is silent" in skipped[0]


def test_stored_pairs_are_the_pairs(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    write(folder)
    stored, corpus = opened(folder), FakeCorpus()
    present = [pair for pair in evaluation_pairs(corpus, SECTION) if pair.has_target]
    for original, pair in zip(present, stored.pairs(100), strict=True):
        assert pair.query_class == original.query_class
        assert pair.second.class_index == original.second.class_index
        for ours, theirs in zip(
            mix_pair(stored, pair, SECONDS), mix_pair(corpus, original, SECONDS), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    assert [pair.first.number for pair in stored.pairs(1)] == [0, 0, 0, 0]


def test_a_model_scores_the_same_from_files(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    write(folder)
    stored, corpus = opened(folder), FakeCorpus()
    model = BandModel(wanted=0.9, others=0.3)
    present = [pair for pair in evaluation_pairs(corpus, SECTION) if pair.has_target]
    from_files = evaluate(model, stored, stored.pairs(2), SECTION)  # type: ignore[arg-type]
    made = evaluate(model, corpus, present, SECTION)  # type: ignore[arg-type]
    assert [score.bank for score in from_files.pairs] == [score.bank for score in made.pairs]
    assert from_files.bank == made.bank
    assert from_files.leak is None


def test_a_folder_of_the_released_code_needs_no_csv_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    write(folder)
    (tmp_path / "pairs.csv").write_text("audio_name,label\nx,y\n")
    (tmp_path / "pairs.json").unlink()
    assert {pair.second.class_index for pair in opened(folder).pairs(9)} == {-1}


def test_what_is_no_folder_of_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make them with make-pairs"):
        opened(tmp_path)
    write(tmp_path / "pairs")
    with pytest.raises(UserError, match="pairs of class 3, the model has 2 classes"):
        opened(tmp_path / "pairs", class_names=("a", "b"), class_ids=("a", "b"))


def test_a_damaged_file_is_skipped_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    write(folder)
    broken = folder / "class_id=1" / "class_id=1,index=000,source.wav"
    broken.write_bytes(b"nothing")
    stored = opened(folder)
    pair = next(pair for pair in stored.pairs(1) if pair.query_class == 1)
    with pytest.raises(UnusablePairError, match="index=000,source"):
        mix_pair(stored, pair, SECONDS)
