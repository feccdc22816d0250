"""Separations that fail half-way leave nothing, and what was there as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import RATE, Recorder, ReturnsItsInput, band_model
from one_recording import SHORT, separated, smooth

from registry.errors import UserError
from uss_plugins.audio.files import AudioFileError
from uss_plugins.separation.queries import classes_query
from uss_plugins.separation.recording import Settings, separate_recording


class Fails(Recorder):
    """Works twice, and then breaks as told."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__()
        self.error = error

    def estimate(self, mixture: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        if len(self.shapes) <= 2:
            return mixture
        if self.error:
            raise self.error
        return mixture * torch.nan


@pytest.mark.parametrize("peak", ["clip", "scale"])
@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt("stop")])
def test_an_exception_in_the_middle_leaves_nothing(
    tmp_path: Path, error: BaseException, peak: str
) -> None:
    settings = Settings(0.1, 0.02, residual=True, peak=peak)  # type: ignore[arg-type]
    with pytest.raises(type(error), match="stop"):
        separated(tmp_path, smooth(20000), Fails(error), classes="0,1", settings=settings)
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_an_exception_leaves_an_earlier_result(tmp_path: Path) -> None:
    separated(tmp_path, smooth(20000), ReturnsItsInput(), classes="0")
    before = (tmp_path / "out" / "Low hum.flac").read_bytes()
    with pytest.raises(RuntimeError, match="stop"):
        separated(tmp_path, smooth(9000), Fails(RuntimeError("stop")), classes="0")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Low hum.flac"]
    assert (tmp_path / "out" / "Low hum.flac").read_bytes() == before


def test_a_model_that_diverged_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not finite"):
        separated(tmp_path, smooth(20000), Fails(None), classes="0")
    assert not (tmp_path / "out").exists()


def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    soundfile.write(tmp_path / "a.flac", random.uniform(-1, 1, (200_000, 1)), RATE)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    model = band_model(ReturnsItsInput())
    query = classes_query(model, "0")
    with pytest.raises(AudioFileError, match="truncated"):
        separate_recording(model, tmp_path / "a.flac", query, tmp_path / "out", SHORT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_an_output_never_replaces_its_own_input(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "Low hum.flac"
    soundfile.write(path, smooth(5000), RATE)
    model = band_model(ReturnsItsInput())
    before = path.read_bytes()
    with pytest.raises(UserError, match="overwrite its own input"):
        separate_recording(model, path, classes_query(model, "0"), path.parent, SHORT)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
