"""The faults of the paper's released code, one test each that fails on its behaviour.

Most are tested thoroughly where they belong; here is the essence of each.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import load_plugins
from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.corpora.anchors import random_start
from uss_plugins.corpora.mixing import Mixture, allowed_interferers, mix
from uss_plugins.embeddings.hard import HardEmbedding
from uss_plugins.embeddings.latent import LatentEmbedding
from uss_plugins.embeddings.learnable import LearnableEmbedding
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.evaluation.metrics import sdr
from uss_plugins.labels.ontology import nodes
from uss_plugins.recipe import MixingSection, TrainingSection, parse_recipe
from uss_plugins.separation.folder import load_weights, save_weights
from uss_plugins.separation.hierarchy.plan import Selection
from uss_plugins.separation.hierarchy.walk import separate_hierarchy
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import FixedConditions, classes_query
from uss_plugins.separation.recording import Settings, make_segmenter, separate_recording
from uss_plugins.training.systems import SeparationSystem, make_optimiser

RATE = 8000
NAMES, IDS = (
    ("Speech", "Ambulance (siren)", "Violin, fiddle"),
    ("/m/09x0r", "/m/012n7d", "/m/07y_7"),
)
FIT = {"steps": 1, "validate_every": 1}


class Net(nn.Module):
    """Hears the mean level of each third of its audio; no net of the PANNs family."""

    sample_rate, class_names, embedding_size, frames_per_second = RATE, NAMES, 4, None

    def __init__(self) -> None:
        super().__init__()
        self.segments_heard = 0

    def forward(self, audio: Tensor) -> QueryOutput:
        self.segments_heard += len(audio)
        levels = F.adaptive_avg_pool1d(audio.abs().unsqueeze(1), 4).squeeze(1)
        return QueryOutput(clip_probabilities=levels[:, :3].clamp(max=1), embedding=levels)


class Through(nn.Module):
    """The estimate is the mixture, times 1 plus a trained view of the condition."""

    sample_rate, channels = RATE, 1

    def __init__(self, condition_size: int) -> None:
        super().__init__()
        self.condition_size = condition_size
        self.gain = nn.Linear(condition_size, 1)
        nn.init.zeros_(self.gain.bias)
        nn.init.zeros_(self.gain.weight)

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture * (1 + self.gain(condition)[:, None])


def model_of(embedding: nn.Module) -> UniversalSeparator:
    size = embedding.condition_size
    model = UniversalSeparator(Net(), embedding, Through(size), class_ids=IDS)  # type: ignore[arg-type]
    model.query_bank.copy_(torch.eye(3, size))
    return model.eval()


def noise(*shape: int) -> Tensor:
    return 0.8 * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_1_the_learnable_adaptor_learns() -> None:
    embedding = LearnableEmbedding(3, 4, condition_size=4, hidden_size=8, dropout=0.0)
    model = model_of(embedding)
    nn.init.ones_(model.separator.gain.weight)  # type: ignore[union-attr, arg-type]
    optimiser = make_optimiser(model, TrainingSection.model_validate(FIT))
    before = {name: value.clone() for name, value in embedding.named_parameters()}
    audio = noise(2, 800)
    model(audio[:, None], model.condition_from_audio(audio)).square().mean().backward()
    optimiser.step()
    assert all(not torch.equal(value, before[name]) for name, value in embedding.named_parameters())


def test_2_hard_conditions_other_query_nets_and_depths_are_there() -> None:
    one_hot = F.one_hot(torch.tensor([1]), 3)
    assert model_of(HardEmbedding(3)).condition_from_audio(noise(1, 800), one_hot).tolist() == [
        [0, 1, 0]
    ]
    sizes = {"condition_size": 3, "stage_channels": [4, 4], "window_size": 64, "hop_size": 16}
    built = [
        load_plugins().build("separator", name, **sizes) for name in ("resunet30", "resunet60")
    ]
    depths = [sum(isinstance(part, nn.Conv2d) for part in one.modules()) for one in built]
    assert depths[1] > depths[0]


def test_3_random_anchors_fall_anywhere_in_a_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    starts = random_start(torch.full((2000,), 10 * RATE), 2 * RATE, generator) / RATE
    assert starts.min() < 0.1
    assert starts.max() > 7.9
    counts = torch.histc(starts, 8, 0, 8)
    assert counts.min() > 180


def test_4_target_and_interferer_never_share_a_class() -> None:
    class_index = torch.tensor([0, 0, 1, 2, 1])
    labels = F.one_hot(class_index, 3).bool()
    labels[3, 0] = True
    mixture = mix(noise(5, 100), allowed=allowed_interferers(class_index, labels))
    for target, (other,) in enumerate(mixture.interferer_index.tolist()):
        assert not labels[other, class_index[target]]


def test_5_a_class_mask_is_never_put_on_an_embedding() -> None:
    model = model_of(LatentEmbedding(4))
    mask = torch.tensor([[0.0, 1.0, 0.0]])
    condition = model.condition_from_mask(model.listen(noise(1, 800)), mask)
    torch.testing.assert_close(condition, model.query_bank[1:2])


def test_6_a_node_is_in_all_branches_of_the_ontology() -> None:
    graph = nodes()
    several = [node for node in graph.values() if len(node.parents) > 1]
    assert len(several) == 38
    assert all(
        machine_id in graph[parent].children
        for machine_id, node in graph.items()
        for parent in node.parents
    )


def write(path: Path, channels: int = 1, rate: int = RATE, seconds: float = 2.0) -> np.ndarray:
    times = np.arange(round(seconds * rate))[:, None] / rate
    audio = 0.5 * np.sin(2 * np.pi * (300 + 100 * np.arange(channels)) * times)
    soundfile.write(path, audio, rate, subtype="FLOAT")
    return audio


def test_7_the_tagger_hears_each_segment_once_and_segments_cross_fade(tmp_path: Path) -> None:
    write(tmp_path / "in.wav")
    model = model_of(SoftEmbedding(3))
    settings = Settings(segment_seconds=0.5, overlap_seconds=0.0)
    walk = separate_hierarchy(
        model, tmp_path / "in.wav", Selection(levels=(1, 2, 3)), tmp_path / "out", settings
    )
    assert len(walk.plan.outputs) > 1
    assert model.query_net.segments_heard == 4
    default = replace(Settings(), segment_seconds=2.0)
    assert make_segmenter(default, RATE).overlap_samples == 0.2 * RATE


def test_8_a_recording_keeps_its_channels_rate_and_length(tmp_path: Path) -> None:
    audio = write(tmp_path / "in.wav", channels=2, rate=44100)
    made = separate_recording(
        model_of(SoftEmbedding(3)),
        tmp_path / "in.wav",
        FixedConditions({"all": torch.ones(3)}),
        tmp_path / "out",
    )
    back, rate = soundfile.read(made.outputs[0].path)
    assert (back.shape, rate) == (audio.shape, 44100)
    assert np.corrcoef(back[:, 1], audio[:, 1])[0, 1] > 0.99


def test_9_settings_are_the_users_and_a_key_that_nobody_reads_is_an_error() -> None:
    model, audio = model_of(SoftEmbedding(3)), 0.1 * torch.ones(1, 800)
    for threshold, silent in ((0.05, False), (0.15, True)):
        cues = classes_query(model, "Speech", threshold=threshold, condition="mask")(audio)
        assert (cues[0]["Speech"].condition is None) is silent
    tree = {name: {"name": name} for name in ("corpus", "query_net", "embedding", "separator")}
    recipe = parse_recipe({**tree, "training": {**FIT, "precision": "bf16"}}, "tests")
    assert recipe.training.precision == "bf16"
    with pytest.raises(UserError, match=r"unknown key 'training\.resume_step'"):
        parse_recipe({**tree, "training": {**FIT, "resume_step": 1}}, "tests")


IMPORT_ALL = """
import importlib, os, pkgutil, socket, subprocess

def refuse(*arguments, **options):
    raise AssertionError(f"called at import: {arguments}")

socket.socket.connect = socket.create_connection = os.system = refuse
import uss_plugins, registry
for package in (uss_plugins, registry):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""


def test_10_nothing_is_downloaded_at_import_and_weights_fit_exactly(tmp_path: Path) -> None:
    imported = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False
    )
    assert imported.returncode == 0, imported.stderr
    save_weights(nn.Linear(2, 2), tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match=r"bias is not known"):
        load_weights(nn.Linear(2, 2, bias=False), tmp_path / "weights.safetensors")


def test_11_a_metric_knows_its_estimate_from_its_reference() -> None:
    reference = noise(1, 800)
    torch.testing.assert_close(sdr(0.5 * reference, reference), torch.tensor([6.0206]))
    torch.testing.assert_close(sdr(reference, 0.5 * reference), torch.tensor([0.0]))


def test_12_training_can_take_the_condition_from_the_mixture_as_separation_does() -> None:
    model = model_of(SoftEmbedding(3))
    audio = noise(2, 800)
    mixture = Mixture(audio.sum(0, keepdim=True), audio[:1], audio[None, 1:], torch.ones(1, 1), 0)
    wanted = torch.tensor([[0.0, 1.0, 0.0]])
    found = {}
    for origin in ("clean", "mixture"):
        section = TrainingSection.model_validate({**FIT, "condition_from": origin})
        system = SeparationSystem(model, sdr, section, MixingSection(), 0)
        found[origin] = system.condition(mixture, wanted)
    at_separation = classes_query(model, NAMES[1], condition="mask")(mixture.mixture)
    torch.testing.assert_close(found["mixture"][0], at_separation[0][NAMES[1]].condition)
    assert not torch.equal(found["clean"], found["mixture"])
