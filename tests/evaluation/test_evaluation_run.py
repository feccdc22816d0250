"""Evaluating models whose scores are known on paper."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from evaluation.fakes import SECONDS, BandModel, FakeCorpus, bins_of
from rich.console import Console

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.evaluation.protocol import evaluation_pairs, mix_pair
from uss_plugins.evaluation.report import render_report
from uss_plugins.evaluation.results import Results, results_table
from uss_plugins.evaluation.run import evaluate
from uss_plugins.evaluation.section import EvaluationSection
from uss_plugins.evaluation.segments import Segment
from uss_plugins.evaluation.summary import mean_of_medians

SECTION = EvaluationSection(
    pairs_per_class=5, absent_per_class=3, segment_seconds=SECONDS, batch_size=3
)


def run(model: BandModel, corpus: FakeCorpus | None = None) -> Results:
    corpus = corpus or FakeCorpus()
    return evaluate(model, corpus, evaluation_pairs(corpus, SECTION), SECTION)


def test_returning_the_mixture_improves_nothing_and_leaks_everything() -> None:
    results = run(BandModel(wanted=1, others=1))
    for score in results.pairs:
        assert score.bank.sdr == pytest.approx(0, abs=1e-4)
        assert score.bank.sdr_improvement == pytest.approx(0, abs=1e-4)
        assert score.bank.si_sdr_improvement == pytest.approx(0, abs=1e-4)
    assert [leak.leak for leak in results.leaks] == pytest.approx([0] * 12, abs=1e-4)


def test_scaled_targets_score_as_on_paper_for_both_queries() -> None:
    results = run(BandModel(wanted=0.9, oracle_bonus=0.09))
    for score in results.pairs:
        assert score.bank.sdr == pytest.approx(20, abs=0.01)
        assert score.oracle.sdr == pytest.approx(40, abs=0.05)
        assert score.bank.sdr_improvement == pytest.approx(20, abs=0.01)
        assert score.bank.si_sdr > 60
    assert results.bank["sdr"].value == pytest.approx(20, abs=0.01)
    assert results.oracle["sdr_improvement"].value == pytest.approx(40, abs=0.05)
    assert all(row.bank.sdr == pytest.approx(20, abs=0.01) for row in results.classes)


class ListeningModel(BandModel):
    """Hears each class that sounds with a probability of 0.5."""

    def listen(self, audio: torch.Tensor) -> QueryOutput:
        levels = torch.fft.rfft(audio).abs()
        heard = [levels[:, list(bins_of(k))].sum(1) for k in range(len(self.class_names))]
        return QueryOutput(clip_probabilities=0.5 * (torch.stack(heard, 1) > 1e-2).float())

    def condition_from_mask(self, query: QueryOutput, mask: torch.Tensor) -> torch.Tensor:
        assert ((query.clip_probabilities > 0).sum(1) == 2).all(), "it does not hear the mixture"
        return query.clip_probabilities * mask


def test_a_query_heard_in_the_mixture_is_scored_when_asked_for() -> None:
    corpus, section = FakeCorpus(), SECTION.model_copy(update={"mixture_query": True})
    pairs = evaluation_pairs(corpus, section)
    results = evaluate(ListeningModel(wanted=0.9), corpus, pairs, section)
    expected = 20 * math.log10(2)
    for score in results.pairs:
        assert score.mixture.sdr_improvement == pytest.approx(expected, abs=1e-3)
        assert score.bank.sdr_improvement == pytest.approx(20, abs=0.01)
    assert results.mixture["sdr"].value == pytest.approx(expected, abs=1e-3)
    assert all(row.mixture.sdr == pytest.approx(expected, abs=1e-3) for row in results.classes)
    table = Console(file=io.StringIO(), width=120)
    table.print(results_table(results))
    assert "mixture" in table.file.getvalue()
    assert "query from the mixture" in render_report(results)
    without = evaluate(ListeningModel(), corpus, pairs, SECTION)
    assert (without.mixture, without.pairs[0].mixture) == (None, None)
    assert "SDRi, query from the mixture" not in render_report(without)


def test_half_the_interferer_left_in_is_six_decibels() -> None:
    results = run(BandModel(wanted=1, others=0.5, channels=2))
    expected = 20 * math.log10(2)
    for score in results.pairs:
        assert score.bank.sdr_improvement == pytest.approx(expected, abs=1e-3)
        assert score.bank.si_sdr_improvement == pytest.approx(expected, abs=1e-3)
    assert [leak.leak for leak in results.leaks] == pytest.approx([-expected] * 12, abs=1e-3)
    assert results.leak is not None
    assert results.leak.value == pytest.approx(-expected, abs=1e-3)


def test_silence_scores_nothing_and_leaks_the_floor() -> None:
    corpus = FakeCorpus()
    results = run(BandModel(wanted=0), corpus)
    assert all(score.bank.sdr == 0 for score in results.pairs)
    for leak in results.leaks:
        mixture, _ = mix_pair(corpus, leak.pair, SECONDS)
        level = 10 * np.log10(np.mean(mixture.astype(float) ** 2))
        assert leak.leak == pytest.approx(-100 - level, abs=1e-3)


def test_results_keep_every_pair_in_order_with_counts() -> None:
    corpus = FakeCorpus()
    pairs = evaluation_pairs(corpus, SECTION)
    results = run(BandModel(), corpus)
    assert [score.pair for score in results.pairs] == [p for p in pairs if p.has_target]
    assert [score.pair for score in results.leaks] == [p for p in pairs if not p.has_target]
    assert [(r.name, r.id, r.pair_count, r.absent_count) for r in results.classes] == [
        (f"Class {k}", f"/m/{k}", 5, 3) for k in range(4)
    ]
    assert (results.device, results.sample_rate, results.parameter_count) == ("cpu", 4000, 1)
    assert results.versions["torch"] == torch.__version__
    assert results.settings == SECTION


def test_unusable_pairs_are_skipped_and_named() -> None:
    corpus = FakeCorpus(silent=[(2, 0)])
    results = run(BandModel(), corpus)
    assert results.skipped == ("source 0 of 'Class 2' is silent",)
    kept = [
        pair
        for pair in evaluation_pairs(corpus, SECTION)
        if pair.has_target and Segment(2, 0) not in (pair.first, pair.second)
    ]
    assert [score.pair for score in results.pairs] == kept
    assert sum(row.pair_count for row in results.classes) == 19


def test_nothing_usable_is_refused() -> None:
    silent = [(k, number) for k in range(4) for number in range(50)]
    with pytest.raises(UserError, match=r"nothing could be evaluated: .* is silent"):
        run(BandModel(), FakeCorpus(silent=silent))


def test_a_corpus_of_other_classes_or_rate_is_refused() -> None:
    with pytest.raises(UserError, match=r"model has 3 classes, the recipe's corpus 4.*'Class 3'"):
        run(BandModel(class_count=3))
    swapped = FakeCorpus()
    swapped.class_names = ("Class 1", "Class 0", "Class 2", "Class 3")
    with pytest.raises(UserError, match="order differs"):
        run(BandModel(), swapped)
    faster = FakeCorpus()
    faster.sample_rate = 8000
    with pytest.raises(UserError, match="4000 Hz, the recipe's corpus at 8000"):
        run(BandModel(), faster)


def test_a_model_that_gives_nan_is_refused() -> None:
    with pytest.raises(UserError, match="NaN"):
        run(BandModel(others=math.nan))


def test_progress_counts_all_pairs() -> None:
    corpus, text = FakeCorpus(), io.StringIO()
    pairs = evaluation_pairs(corpus, SECTION)
    evaluate(BandModel(), corpus, pairs, SECTION, console=Console(file=text, width=80))
    assert "32/32" in text.getvalue()


def test_mean_of_medians_is_deterministic_and_exact() -> None:
    groups = [np.array([1.0, 2.0, 9.0]), np.array([4.0, 6.0])]
    interval = mean_of_medians(groups, 500, seed=1)
    assert interval.value == 3.5
    assert interval == mean_of_medians(groups, 500, seed=1)
    assert interval.low <= interval.value <= interval.high
    constant = mean_of_medians([np.full(5, 2.0), np.full(3, 4.0)], 100, seed=0)
    assert (constant.value, constant.low, constant.high) == (3, 3, 3)
    with pytest.raises(ValueError, match="at least one"):
        mean_of_medians([np.array([])], 10, seed=0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = np.array([3.0, 8.0, 12.0])
    covered = 0
    for trial in range(200):
        generator = np.random.default_rng(trial)
        groups = list(generator.normal(truth[:, None], 2.0, size=(3, 20)))
        interval = mean_of_medians(groups, 200, seed=trial)
        covered += interval.low <= truth.mean() <= interval.high
    assert 180 <= covered <= 200
