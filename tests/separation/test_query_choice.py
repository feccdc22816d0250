"""From what a user types to a condition for each segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import CLASS_IDS, CLASS_NAMES, RATE, TONES, ReturnsItsInput, band_model
from torch.testing import assert_close

from registry.errors import UserError
from uss_plugins.audio.files import AudioFileError
from uss_plugins.separation.queries import (
    ClassConditions,
    classes_query,
    detected_query,
    resolve_classes,
)
from uss_plugins.separation.query_audio import audio_query, query_segments

NAMES = ("Speech", "Male speech, man speaking", "Dog", "Bee, wasp, etc.", "Bee")
IDS = ("/m/09x0r", "/m/05zppz", "/m/0bt9lr", "/m/01h3n", "/m/bee")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dog", [2]),
        (" dog , SPEECH ", [2, 0]),
        ("Male speech, man speaking", [1]),
        ("Dog,Male speech,man speaking,Speech", [2, 1, 0]),
        ("Bee, wasp, etc.,Bee", [3, 4]),
        ("Male speech,Dog", [1, 2]),
        ("/m/0bt9lr,1,Dog", [2, 1]),
        ("Dog,,", [2]),
    ],
)
def test_names_with_commas_are_found_in_a_list_with_commas(text: str, expected: list[int]) -> None:
    assert resolve_classes(NAMES, IDS, text) == expected


@pytest.mark.parametrize(("text", "said"), [("Dgo", "Dog"), ("", "no class"), (",", "no class")])
def test_what_is_no_class(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolve_classes(NAMES, IDS, text)


def tones(*levels: float, seconds: float = 0.2) -> torch.Tensor:
    """(1, samples): a tone in each band, so loud that its band's probability is the level."""
    times = torch.arange(round(seconds * RATE)) / RATE
    parts = [
        level * 2**0.5 * torch.sin(2 * torch.pi * frequency * times)
        for level, frequency in zip(levels, TONES, strict=False)
    ]
    return torch.stack(parts).sum(0)[None]


def test_asked_classes_have_the_banks_conditions_even_where_silent() -> None:
    model = band_model(ReturnsItsInput())
    query = classes_query(model, "High whistle,Low hum")
    (cues,) = query(tones(0.6, 0.3))
    assert list(cues) == ["High whistle", "Low hum"]
    assert_close(cues["High whistle"].condition, torch.tensor([0.0, 0, 1, 0]))
    assert_close(cues["Low hum"].condition, torch.tensor([1.0, 0, 0, 0]))


def test_the_query_net_listens_only_where_something_depends_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = band_model(ReturnsItsInput())
    heard = []
    listen = model.listen
    monkeypatch.setattr(model, "listen", lambda audio: heard.append(len(audio)) or listen(audio))
    (cues,) = classes_query(model, "0,1")(tones(0.6, 0.3))
    assert (heard, [cue.probability for cue in cues.values()]) == ([], [None, None])
    (cues,) = classes_query(model, "0,1", threshold=0.0)(tones(0.6, 0.3))
    assert heard == [1]
    assert [cue.probability for cue in cues.values()] == pytest.approx([0.6, 0.3], abs=1e-3)
    assert all(cue.condition is not None for cue in cues.values())


def test_the_mask_keeps_what_is_heard_of_the_classes() -> None:
    model = band_model(ReturnsItsInput())
    query = classes_query(model, "0,2", together=True, condition="mask")
    (cues,) = query(tones(0.6, 0.3, 0.1))
    assert list(cues) == ["Low hum + High whistle"]
    cue = cues["Low hum + High whistle"]
    assert_close(cue.condition, torch.tensor([0.6, 0, 0.1, 0]), atol=1e-3, rtol=0)
    assert cue.probability == pytest.approx(0.6, abs=1e-3)
    assert query.classes == {"Low hum + High whistle": ("Low hum", "High whistle")}


@pytest.mark.parametrize(("class_indexed", "strength"), [(True, 1.0), (False, 0.5)])
def test_a_union_by_bank(class_indexed: bool, strength: float) -> None:
    model = band_model(ReturnsItsInput(), class_indexed=class_indexed)
    (cues,) = classes_query(model, "0,2", together=True)(tones(0.6))
    condition = cues["Low hum + High whistle"].condition
    assert_close(condition, torch.tensor([strength, 0, strength, 0]))


def test_an_empty_bank_gives_way_to_the_mask_where_there_is_one() -> None:
    indexed = band_model(ReturnsItsInput(), bank=False)
    (cues,) = classes_query(indexed, "0")(tones(0.6))
    assert_close(cues["Low hum"].condition, torch.tensor([0.6, 0, 0, 0]), atol=1e-3, rtol=0)
    with pytest.raises(UserError, match="does not know 'Low hum'"):
        classes_query(indexed, "0", condition="bank")
    with pytest.raises(UserError, match="does not know 'Low hum'"):
        classes_query(band_model(ReturnsItsInput(), class_indexed=False, bank=False), "0")


def test_a_threshold_silences() -> None:
    model = band_model(ReturnsItsInput())
    (cues,) = classes_query(model, "0,1", threshold=0.5)(tones(0.6, 0.3))
    assert cues["Low hum"].condition is not None
    assert cues["Middle, tone"].condition is None


def test_outputs_of_one_and_of_several_classes_are_heard_side_by_side() -> None:
    model = band_model(ReturnsItsInput())
    groups = {"whistle": [2], "tones": [1, 0], "nothing": [3]}
    query = ClassConditions(model, groups, threshold=0.2, source="mask", always=True)
    first, second = query(torch.cat((tones(0.1, 0.3, 0.1), tones(0.6, 0.1, 0.3))))
    heard = [[cue.probability for cue in cues.values()] for cues in (first, second)]
    assert heard[0] == pytest.approx([0.1, 0.3, 0.0], abs=1e-3)
    assert heard[1] == pytest.approx([0.3, 0.6, 0.0], abs=1e-3)
    assert_close(first["tones"].condition, torch.tensor([0.1, 0.3, 0, 0]), atol=1e-3, rtol=0)
    assert_close(second["whistle"].condition, torch.tensor([0, 0, 0.3, 0]), atol=1e-3, rtol=0)
    assert first["whistle"].condition is None


def test_what_is_heard_leaves_the_device_once_for_all_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query = detected_query(band_model(ReturnsItsInput()))
    transfers: list[torch.Size] = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda one: transfers.append(one.shape) or tolist(one)
    )
    query(torch.cat((tones(0.6, 0.3), tones(0.1))))
    assert len(transfers) == 1


def test_nothing_to_detect_gives_nothing() -> None:
    """A bank that knows no class leaves nothing to ask for."""
    model = band_model(ReturnsItsInput(), class_indexed=False, bank=False)
    assert detected_query(model)(tones(0.6)) == [{}]


def test_detection_follows_each_segment() -> None:
    model = band_model(ReturnsItsInput())
    audio = torch.cat((tones(0.6, 0.1), tones(0.1, 0.3), tones(0.1)))
    first, second, third = detected_query(model)(audio)
    assert first["Low hum"].condition is not None
    assert first["Middle, tone"].condition is None
    assert second["Low hum"].condition is None
    assert second["Middle, tone"].condition is not None
    assert all(cue.condition is None for cue in third.values())
    assert set(first) == {"Low hum", "Middle, tone"}
    (quiet,) = detected_query(model, threshold=0.05)(tones(0.1))
    assert set(quiet) == {"Low hum"}


def write_tones(path: Path, *parts: tuple[float, float], rate: int = RATE) -> Path:
    """A file of 440-Hz tones: (amplitude, seconds) one after the other."""
    audio = [
        level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
        for level, seconds in parts
    ]
    soundfile.write(path, np.concatenate(audio), rate, subtype="FLOAT")
    return path


def test_query_segments_are_the_sounding_parts(tmp_path: Path) -> None:
    path = write_tones(tmp_path / "q.wav", (0.01, 1.0), (0.5, 1.5), (0.0, 3.0), (0.5, 1.5))
    segments = list(query_segments(path, RATE))
    audio = soundfile.read(path, dtype="float32")[0]
    sounding = np.concatenate((audio[RATE : round(2.5 * RATE)], audio[round(5.5 * RATE) :]))
    assert [segment.shape for segment in segments] == [(1, 2 * RATE)] * 2
    np.testing.assert_array_equal(segments[0][0], sounding[: 2 * RATE])
    np.testing.assert_array_equal(segments[1][0], sounding[-2 * RATE :])


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_short_query_is_one_segment(tmp_path: Path, rate: int) -> None:
    path = write_tones(tmp_path / "q.wav", (0.5, 0.25), rate=rate)
    assert [segment.shape[1] for segment in query_segments(path, RATE)] == [4000]


def test_the_condition_is_the_mean_over_segments_then_files(tmp_path: Path) -> None:
    model = band_model(ReturnsItsInput())
    one = write_tones(tmp_path / "one.wav", (0.8, 2.0), (0.4, 2.0))
    other = write_tones(tmp_path / "other.wav", (0.2, 1.0))
    (cues,) = audio_query(model, [one, other])(torch.zeros(1, 100))
    expected = ((0.8 + 0.4) / 2 + 0.2) / 2 / 2**0.5
    condition = cues["query"].condition
    assert_close(condition, torch.tensor([expected, 0, 0, 0]), atol=2e-3, rtol=0)
    assert audio_query(model, [one]).always == ("one",)


def test_a_silent_query(tmp_path: Path) -> None:
    path = write_tones(tmp_path / "q.wav", (0.019, 1.0))
    with pytest.raises(AudioFileError, match="silent"):
        audio_query(band_model(ReturnsItsInput()), [path])


def test_ids_and_names_are_as_the_model_has_them() -> None:
    model = band_model(ReturnsItsInput())
    assert (model.class_names, model.class_ids) == (CLASS_NAMES, CLASS_IDS)
    assert resolve_classes(model.class_names, model.class_ids, "middle, tone,/m/low") == [1, 0]
