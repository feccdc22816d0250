"""Batches are pure functions of their number, whoever makes them."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from training.two_tones import SEGMENT_SAMPLES, TwoTones, anchors_of, tones_recipe

from registry.errors import UserError
from uss_plugins.training.batches import (
    ClipBatches,
    SegmentBatches,
    StepSampler,
    loader,
    loaders,
)
from uss_plugins.training.devices import Devices

Batches = ClipBatches | SegmentBatches


def both_kinds(corpus: TwoTones) -> tuple[Batches, Batches]:
    return ClipBatches(corpus, 4, seed=5), SegmentBatches(corpus, anchors_of(corpus), 4, seed=5)


def assert_same(one: Sequence[object], other: Sequence[object]) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        if isinstance(left, torch.Tensor):
            assert isinstance(right, torch.Tensor)
            assert left.dtype == right.dtype
            assert torch.equal(left, right)
        else:
            assert left == right


@pytest.mark.parametrize("kind", [0, 1])
def test_a_batch_depends_on_its_number_alone(kind: int) -> None:
    """Whatever was drawn before, in another copy, and after a journey to another process."""
    batches = both_kinds(TwoTones(unreadable=[2]))[kind]
    in_order = [batches[number] for number in range(8)]
    backwards = [batches[number] for number in reversed(range(8))][::-1]
    fresh = both_kinds(TwoTones(unreadable=[2]))[kind]
    travelled = pickle.loads(pickle.dumps(batches))
    for number, batch in enumerate(in_order):
        for other in (backwards[number], fresh[number], travelled[number]):
            assert_same(batch, other)
    assert not torch.equal(in_order[0][0][:, :100], in_order[1][0][:, :100])


@pytest.mark.parametrize("there", [False, True])
def test_batches_for_a_gpu_are_pinned(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert not Devices("cpu").on_cuda
    assert Devices("auto").on_cuda == Devices("cuda").on_cuda == there
    batches, section = both_kinds(TwoTones())[1], tones_recipe().training
    system: Any = SimpleNamespace(global_step=0)
    both = loaders(system, batches, batches, section, pin_memory=there)
    assert [one.pin_memory for one in both] == [there, there]


@pytest.mark.parametrize("kind", [0, 1])
def test_workers_make_the_same_batches(kind: int) -> None:
    batches = both_kinds(TwoTones(unreadable=[2]))[kind]
    alone = list(loader(batches, StepSampler(4, lambda: 3), workers=0))
    helped = list(loader(batches, StepSampler(4, lambda: 3), workers=2))
    for position, (one, other) in enumerate(zip(alone, helped, strict=True)):
        assert_same(one, other)
        assert_same(one, batches[3 + position])


def test_short_clips_are_padded_with_zeros_to_the_longest() -> None:
    corpus = TwoTones()
    batch = ClipBatches(corpus, 6, seed=0)[0]
    lengths = {len(corpus.clip(index)) for index in range(len(corpus))}
    assert batch.audio.shape[1] in lengths
    clips = {tuple(clip[:50]): clip for clip in map(corpus.clip, range(len(corpus)))}
    padded = 0
    for audio, labels in zip(batch.audio.numpy(), batch.labels.numpy(), strict=True):
        clip = clips[tuple(audio[:50])]
        assert np.array_equal(audio[: len(clip)], clip)
        assert not audio[len(clip) :].any()
        padded += len(clip) < len(audio)
        index = next(i for i in range(len(corpus)) if np.array_equal(corpus.clip(i), clip))
        assert np.array_equal(labels, corpus.labels[index])
    assert padded


def test_segments_are_cut_at_their_anchors() -> None:
    corpus = TwoTones()
    anchors = anchors_of(corpus)
    batch = SegmentBatches(corpus, anchors, 8, seed=1)[2]
    assert batch.segments.shape == (8, SEGMENT_SAMPLES)
    expected = {tuple(corpus.clip(clip)[100 * clip :][:50]): clip for clip in range(len(corpus))}
    for row, segment in enumerate(batch.segments.numpy()):
        clip = expected[tuple(segment[:50])]
        whole = np.pad(corpus.clip(clip)[100 * clip :], (0, SEGMENT_SAMPLES))[:SEGMENT_SAMPLES]
        assert np.array_equal(segment, whole)
        assert batch.class_index[row] == clip % 2
        assert batch.labels[row].tolist() == corpus.labels[clip].tolist()
        assert batch.probabilities[row].tolist() == corpus.labels[clip].astype(float).tolist()
    assert batch.class_index.bincount().tolist() == [4, 4]


@pytest.mark.parametrize("kind", [0, 1])
def test_unreadable_clips_are_replaced_counted_and_named(
    kind: int, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = TwoTones(unreadable=[1, 4])
    batches = both_kinds(corpus)[kind]
    with caplog.at_level(logging.WARNING):
        drawn = [batches[number] for number in range(6)]
    named = [record.getMessage() for record in caplog.records]
    assert sum(batch.unreadable for batch in drawn) == len(named) > 0
    assert set(named) == {"skipped: tone1.wav: damaged", "skipped: tone4.wav: damaged"}
    for batch in drawn:
        assert len(batch[0]) == 4
        assert batch[0].abs().amax(dim=1).min() > 0.05  # no silence in their place


def test_a_corpus_that_cannot_be_read_at_all_is_refused() -> None:
    batches = ClipBatches(TwoTones(unreadable=range(12)), 4, seed=0)
    with pytest.raises(UserError, match="100 clips in a row cannot be read"):
        batches[0]


def test_a_corpus_without_labels_is_refused_and_empty_classes_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    corpus = TwoTones()
    corpus.labels[:, 1] = False
    ClipBatches(corpus, 4, seed=0)
    assert [record.getMessage() for record in caplog.records] == ["classes without any clip: [1]"]
    corpus.labels[:] = False
    with pytest.raises(UserError, match="no labelled clip to train on; check its labels"):
        ClipBatches(corpus, 4, seed=0)


PROCESS = """
import sys
from torch import distributed
from uss_plugins.training.batches import StepSampler
sampler = StepSampler(5, lambda: 10)
store = distributed.FileStore(sys.argv[1], 2)
distributed.init_process_group("gloo", store=store, rank=int(sys.argv[2]), world_size=2)
print(*sampler, flush=True)
distributed.barrier()  # one that leaves while the other still connects would fail it
distributed.destroy_process_group()
"""


def test_processes_share_the_numbers_out(tmp_path: Path) -> None:
    """Two real processes that meet after their samplers were made, as under Lightning."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, tmp_path / "store", str(rank)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    drawn = [set(map(int, process.communicate()[0].split())) for process in processes]
    assert [len(numbers) for numbers in drawn] == [5, 5]
    assert drawn[0].isdisjoint(drawn[1])
    assert drawn[0] | drawn[1] == set(range(20, 30))
    assert list(StepSampler(5, lambda: 10)) == list(range(10, 15))
