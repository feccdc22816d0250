"""A released training checkpoint, imported by the command line, separates as the released system did.

The checkpoint takes 0.8 GB on disk while these tests run.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from command_line import RunCli
from numpy.typing import NDArray
from parity import released_checkpoint
from parity.hashfill import relative_error, tensor, waveform
from safetensors import safe_open

from uss_plugins.separation.folder import load_model, load_query_net
from uss_plugins.separation.importing.names import UNREAD

DATA = Path(__file__).parent / "data"
CASE = json.loads((DATA / "expected.json").read_text())["checkpoint_soft"]
SAMPLE_RATE, SEGMENT_SAMPLES = 32000, 64000
RELEASED_MANNER = ("--segment-seconds", "2", "--overlap-seconds", "0")
EXACT_FILES = ("--format", "wav", "--peak", "float", "--precision", "fp32", "--json")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory, run_cli: RunCli) -> Iterator[Path]:
    """The folder that `uss-plugins import` makes of a released checkpoint."""
    folder = tmp_path_factory.mktemp("released")
    checkpoint = folder / "released.ckpt"
    released_checkpoint.write(checkpoint)
    try:
        run = run_cli("import", checkpoint, "--output", folder / "model")
        checkpoint.unlink()
        assert (run.returncode, run.stderr) == (0, "")
        yield folder / "model"
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stored() -> dict[str, NDArray[np.float32]]:
    """What the released system computed."""
    with np.load(DATA / "checkpoint_soft.npz") as arrays:
        return dict(arrays)


def segments() -> torch.Tensor:
    """The recording in segments (3, samples), the last one filled with zeros as the released system does."""
    audio = waveform("checkpoint_soft/audio", 1, CASE["samples"])
    return torch.nn.functional.pad(audio, (0, -CASE["samples"] % SEGMENT_SAMPLES)).view(
        -1, SEGMENT_SAMPLES
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording as a file of 32-bit samples."""
    path = tmp_path_factory.mktemp("recording") / "mixture.wav"
    audio = waveform("checkpoint_soft/audio", 1, CASE["samples"])[0].numpy()
    soundfile.write(path, audio, SAMPLE_RATE, subtype="FLOAT")
    return path


def separated(
    run_cli: RunCli, recording: Path, model_dir: Path, folder: Path, *query: str | Path
) -> torch.Tensor:
    """The estimate (samples,), by the command line."""
    run = run_cli(
        *("separate", recording, "--model", model_dir, "--output-dir", folder),
        *RELEASED_MANNER,
        *EXACT_FILES,
        *query,
    )
    assert (run.returncode, run.stderr) == (0, "")
    (result,) = json.loads(run.stdout)["recordings"]
    (output,) = result["outputs"]
    audio, _ = soundfile.read(Path(result["folder"]) / output["file"], dtype="float32")
    return torch.from_numpy(audio)


def test_every_key_has_its_place(model_dir: Path) -> None:
    imported = json.loads((model_dir / "imported.json").read_text())
    keys = released_checkpoint.shapes()
    fixed = Counter(
        "inverse"
        if ".istft." in key
        else "stft"
        if ".stft." in key
        else "mel"
        if "melW" in key
        else "box"
        for key in keys
        if any(part in key for part in (".stft.", ".istft.", "melW", "smooth_filter"))
    )
    unread = sum(bool(UNREAD.fullmatch(key.removeprefix("ss_model."))) for key in keys)
    by_reason = imported["dropped"]
    assert sorted(by_reason.values()) == sorted([*fixed.values(), unread])
    assert imported["used"] + sum(by_reason.values()) == len(keys)
    assert unread == 6 * 7, (
        "six decoder stages, each a batch norm of five values and a layer of two"
    )


def test_the_weights_are_the_checkpoints(model_dir: Path) -> None:
    """Each file of the folder, against values that follow from the released names alone."""
    checked = {
        "query_net.conv_block6.conv2.weight": "query_net.base.conv_block6.conv2.weight",
        "query_net.bn0.running_var": "query_net.base.bn0.running_var",
        "separator.input_norm.running_mean": "ss_model.base.bn0.running_mean",
        "separator.decoder.5.stage.blocks.0.activation2.film.weight": (
            "ss_model.film.decoder_block6->conv_block2->beta2.weight"
        ),
        "separator.decoder.0.upsample.weight": "ss_model.base.decoder_block1.conv1.weight",
    }
    with safe_open(model_dir / "weights.safetensors", framework="pt") as weights:
        for name, released in checked.items():
            value = weights.get_tensor(name)
            assert torch.equal(value, tensor(released, tuple(value.shape))), name
        assert torch.equal(weights.get_tensor("query_bank"), torch.eye(527))
    detector = load_query_net(model_dir / "detector").state_dict()
    for name in ("fc_audioset.weight", "conv_block3.bn1.bias"):
        released = f"anchor_segment_detector.sed_model.{name}"
        assert torch.equal(detector[name], tensor(released, tuple(detector[name].shape))), name


def test_tag_probabilities(model_dir: Path, stored: dict[str, NDArray[np.float32]]) -> None:
    with torch.inference_mode():
        heard = load_model(model_dir).listen(segments()).clip_probabilities
    assert heard is not None
    assert relative_error(heard, stored["segment_probabilities"]) <= 1e-5
    assert heard[:, CASE["class_ids"]].amax(1).tolist() == pytest.approx(CASE["max_prob"], rel=1e-5)


def test_separation_by_classes(
    model_dir: Path,
    stored: dict[str, NDArray[np.float32]],
    recording: Path,
    run_cli: RunCli,
    tmp_path: Path,
) -> None:
    classes = ",".join(map(str, CASE["class_ids"]))
    choice = (
        "--classes",
        classes,
        "--together",
        "--condition",
        "mask",
        "--threshold",
        str(CASE["threshold"]),
    )
    estimate = separated(run_cli, recording, model_dir, tmp_path, *choice)
    assert relative_error(estimate, stored["by_class_ids"]) <= 1e-4


def test_separation_by_query(
    model_dir: Path,
    stored: dict[str, NDArray[np.float32]],
    recording: Path,
    run_cli: RunCli,
    tmp_path: Path,
) -> None:
    query = tmp_path / "query.wav"
    audio = waveform("checkpoint_soft/query", 1, SEGMENT_SAMPLES)[0].numpy()
    soundfile.write(query, audio, SAMPLE_RATE, subtype="FLOAT")
    estimate = separated(run_cli, recording, model_dir, tmp_path, "--query", query)
    assert relative_error(estimate, stored["by_query"]) <= 1e-4
