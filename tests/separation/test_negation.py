"""Negative queries: the algebra, and that a model no longer lets through what is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import (
    CLASS_NAMES,
    RATE,
    TONES,
    BandQueryNet,
    ClassEmbedding,
    KeepsBands,
    Recorder,
    band_masks,
    band_model,
)
from torch import Tensor
from torch.testing import assert_close

from registry.errors import UserError
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.negation import Less, bank_centre, less, take_away
from uss_plugins.separation.queries import FixedConditions, classes_query
from uss_plugins.separation.query_audio import audio_query
from uss_plugins.separation.query_text import text_query
from uss_plugins.separation.recording import Settings, separate_recording

ZERO = torch.zeros(4)


def test_classes_keep_what_they_have_more() -> None:
    wanted = torch.tensor([0.9, 0.5, 0.1, 0.0])
    unwanted = torch.tensor([[0.2, 0.6, 0.0, 0.3], [0.4, 0.1, 0.0, 0.0]])
    assert_close(less(wanted, unwanted, None), torch.tensor([0.5, 0.0, 0.1, 0.0]))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_acute_angle_is_left_with_any_negative(count: int, centred: bool) -> None:
    generator = torch.Generator().manual_seed(count)
    for _ in range(20):
        wanted, centre = torch.randn(2, 16, generator=generator)
        negatives = torch.randn(count, 16, generator=generator)
        centre = centre if centred else torch.zeros(16)
        rest = less(wanted, negatives, centre) - centre
        assert float(((negatives - centre) @ rest).max()) < 1e-5
        assert_close(rest.norm(), (wanted - centre).norm())
        # It is the nearest such vector: what was taken away has no part along what is left.
        taken = (wanted - centre) - rest * float(rest @ (wanted - centre) / rest.square().sum())
        assert abs(float(taken @ rest)) < 1e-4


def test_one_negative_is_orthogonal_negation() -> None:
    wanted, negative = torch.tensor([3.0, 4.0, 0, 0]), torch.tensor([[2.0, 0, 0, 0]])
    assert_close(less(wanted, negative, ZERO), torch.tensor([0, 5.0, 0, 0]))


def test_what_is_avoided_already_changes_nothing() -> None:
    wanted, negative = torch.tensor([-3.0, 4.0, 1, 0]), torch.tensor([[2.0, 0, 0, 0]])
    assert_close(less(wanted, negative, ZERO), wanted)


def test_nothing_is_left_of_the_same() -> None:
    wanted = torch.tensor([0.3, 0.4, 0.0, 1.0])
    assert not less(wanted, 2 * wanted[None], ZERO).any()
    assert not less(wanted, wanted[None], None).any()
    with pytest.raises(UserError, match="leave nothing of 'a'"):
        Less(FixedConditions({"a": wanted}), wanted[None], ZERO)


def test_the_centre_is_the_mean_of_the_classes_that_are_known() -> None:
    model = band_model(KeepsBands(), class_indexed=False)
    assert_close(bank_centre(model), torch.full((4,), 0.25))
    model.query_bank[1:] = 0
    assert_close(bank_centre(model), ZERO)


class ReadsBands(BandQueryNet):
    """Also reads: a text's embedding says which bands it names."""

    embedding_size = len(CLASS_NAMES)

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        words = ("low", "middle", "high")
        return torch.tensor([[*(float(word in text) for word in words), 0.0] for text in texts])


class TextOrSound(ClassEmbedding):
    """The condition is the embedding where there is one."""

    def forward(self, query: object, classes: Tensor | None) -> Tensor:
        embedding = getattr(query, "embedding", None)
        return super().forward(query, classes) if embedding is None else embedding  # type: ignore[arg-type]


def reading_model(class_indexed: bool = True) -> UniversalSeparator:
    model = UniversalSeparator(ReadsBands(), TextOrSound(class_indexed), KeepsBands())
    model.query_bank.copy_(torch.eye(4))
    return model.eval()


class KeepsWantedBands(Recorder):
    """The estimate is the bands that the condition wants with more than a tenth."""

    def estimate(self, mixture: Tensor, condition: Tensor) -> Tensor:
        samples = mixture.shape[2]
        kept = (condition > 0.1).float() @ band_masks(samples)
        return torch.fft.irfft(torch.fft.rfft(mixture) * kept[:, None], n=samples)


def write_tones(path: Path, *levels: float) -> Path:
    """Two seconds of the tones of the bands, at these levels."""
    time = np.arange(2 * RATE) / RATE
    tones = (a * np.sin(2 * np.pi * f * time) for a, f in zip(levels, TONES, strict=False))
    soundfile.write(path, sum(tones), RATE, subtype="FLOAT")
    return path


def bands_of(path: Path) -> list[float]:
    """Amplitude of each band's tone in the middle of a file."""
    audio = soundfile.read(path)[0][RATE // 2 : RATE // 2 + RATE]
    spectrum = 2 * np.abs(np.fft.rfft(audio)) / len(audio)
    return [round(float(spectrum[int(frequency)]), 2) for frequency in TONES]


@pytest.mark.parametrize("class_indexed", [True, False])
def test_what_sounds_like_the_negative_is_not_extracted(
    class_indexed: bool, tmp_path: Path
) -> None:
    model = band_model(KeepsWantedBands(), class_indexed=class_indexed)
    if not class_indexed:
        model.query_bank.zero_()  # the bands are the directions, so the centre is their origin
    mixture = write_tones(tmp_path / "mixture.wav", 0.2, 0.2, 0.2)
    both = write_tones(tmp_path / "both.wav", 0.3, 0.3)
    not_this = write_tones(tmp_path / "not.wav", 0.0, 0.4)
    settings = Settings(format="wav")
    wanted = audio_query(model, [both])
    separate_recording(model, mixture, wanted, tmp_path / "with", settings)
    assert bands_of(tmp_path / "with" / "both.wav") == [0.2, 0.2, 0.0]
    without = take_away(model, wanted, [not_this], ())
    separate_recording(model, mixture, without, tmp_path / "without", settings)
    assert bands_of(tmp_path / "without" / "both.wav") == [0.2, 0.0, 0.0]


@pytest.mark.parametrize("class_indexed", [True, False])
def test_text_asks_and_takes_away(class_indexed: bool, tmp_path: Path) -> None:
    model = reading_model(class_indexed)
    mixture = write_tones(tmp_path / "mixture.wav", 0.2, 0.2, 0.2)
    wanted = text_query(model, ["low  and middle", "high"])
    less_text = take_away(model, wanted, [], ["a middle tone"], from_text=True)
    separate_recording(model, mixture, less_text, tmp_path / "out", Settings(format="wav"))
    assert bands_of(tmp_path / "out" / "low and middle.wav") == [0.2, 0.0, 0.0]
    assert bands_of(tmp_path / "out" / "high.wav") == [0.0, 0.0, 0.2]
    joined = text_query(model, ["low", "high", "low"], together=True)
    assert_close(joined.conditions["low + high"], torch.tensor([0.5, 0, 0.5, 0]))


def test_classes_are_silent_where_the_negative_has_more(tmp_path: Path) -> None:
    model = band_model(KeepsBands())
    quiet = write_tones(tmp_path / "quiet.wav", 0.2)
    heard = classes_query(model, "Low hum,High whistle", condition="mask")
    query = take_away(model, heard, [quiet], ())
    time = torch.arange(RATE) / RATE
    audio = torch.stack([a * torch.sin(2 * torch.pi * TONES[0] * time) for a in (0.5, 0.1)])
    loud, faint = query(audio)
    assert loud["Low hum"].condition is not None
    assert_close(loud["Low hum"].condition[0], torch.tensor(0.3 / 2**0.5), atol=0.01, rtol=0)
    assert faint["Low hum"].condition is None
    assert (query.classes, query.always) == (heard.classes, heard.always)


def test_texts_that_cannot_be() -> None:
    with pytest.raises(UserError, match="--text is empty"):
        text_query(reading_model(), [" "])
    with pytest.raises(UserError, match=r"BandQueryNet, reads no text;.*query_net.name=clap"):
        text_query(band_model(KeepsBands()), ["a dog barking"])
