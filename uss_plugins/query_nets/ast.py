"""AST: a tagger of AudioSet's 527 classes, with an embedding, and without frames.

Gong, Chung and Glass 2021, "AST: Audio Spectrogram Transformer" (arXiv 2104.01778), as Hugging Face's
transformers has it: the extra `transformers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.ecosystems import import_transformers
from uss_plugins.labels.audioset import classes
from uss_plugins.query_nets.ast_features import AstFeatures
from uss_plugins.query_nets.clap import fresh, try_out
from uss_plugins.query_nets.hub import find_source, make_settings, refuse_settings
from uss_plugins.query_nets.resampling import Resample
from uss_plugins.query_nets.windows import windows

FOLLOWS = ("num_labels", "id2label", "label2id", "num_mel_bins", "max_length")
"""Settings of the net that follow from its classes and its front end."""


class Ast(nn.Module):
    """Clip probabilities and embedding, float32, of audio of any length of at least one sample.

    Shorter audio than the net's 10.2 s is filled as in its training. Longer audio is heard in the fewest
    windows that cover it: of the probabilities the largest counts, for a class is in a clip if it is anywhere
    in it; the embedding, the hidden state before the classifier, is the mean.

    Args:
        sample_rate: Hz, of the audio it takes; resampled within to the rate it was trained at, 16 kHz.
        class_names: the classes it tags, in order; of `pretrained` weights, any that they know. None for all
            they know, or of random weights for AudioSet's 527.
        pretrained: its weights and settings: a local folder in the hub's layout, or a repository
            OWNER/NAME[@REVISION] of the hub, such as MIT/ast-finetuned-audioset-10-10-0.4593, which is then
            downloaded. None for random weights.
        config: of random weights, by the names of ASTConfig.
        feature_extractor: settings of the front end of random weights, by the names of ASTFeatureExtractor.
        files: a folder that `save_files` wrote. The net is built from it, with random weights, and neither
            `pretrained` nor the settings are looked at: the weights come from the model's folder.

    Raises:
        UserError: transformers is not installed, the files cannot be had, the weights do not know a class, or
            the settings make no AST.
    """

    frames_per_second: float | None = None

    def __init__(
        self,
        sample_rate: int = 16000,
        class_names: Sequence[str] | None = None,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        feature_extractor: dict[str, Any] | None = None,
        files: Path | None = None,
    ) -> None:
        super().__init__()
        transformers = import_transformers()
        net_class = transformers.ASTForAudioClassification
        self.sample_rate = sample_rate
        place = files or pretrained
        if place is None:
            extractor_class = transformers.ASTFeatureExtractor
            self.extractor = make_settings(
                "ast", "feature_extractor", extractor_class, feature_extractor
            )
            names = audioset_names() if class_names is None else tuple(class_names)
            settings = self._settings(transformers.ASTConfig, names, config)
            self.model = fresh(net_class, settings)
        else:
            if files is None:
                refuse_settings("ast", config, feature_extractor)
            source = find_source("ast", place)
            self.extractor = source.read(transformers.ASTFeatureExtractor.from_pretrained)
            if files is not None:
                settings = source.read(transformers.ASTConfig.from_pretrained)
                self.model = fresh(net_class, settings)
            else:
                self.model = source.read_net(net_class)
            known = names_of(self.model.config, source.name)
            names = known if class_names is None else tuple(class_names)
            keep_classes(self.model, known, names, source.name)
        self.class_names = names
        self.embedding_size: int | None = int(self.model.config.hidden_size)
        self.features = AstFeatures(self.extractor)
        self.resample = Resample(sample_rate, self.features.sample_rate)
        if place is None:
            try_out("ast", self)

    def _settings(
        self, config_class: Any, names: tuple[str, ...], given: dict[str, Any] | None
    ) -> Any:
        """The configuration of a net with random weights."""
        for key in FOLLOWS:
            if key in (given or {}):
                remedy = "class_names" if "label" in key else f"feature_extractor.{key}"
                raise UserError(f"query net 'ast': config.{key} follows from {remedy}; give that")
        if not names:
            raise UserError("query net 'ast': class_names is empty; name a class, or leave it out")
        settings = make_settings("ast", "config", config_class, given)
        name_classes(settings, names)
        settings.num_mel_bins = int(self.extractor.num_mel_bins)
        settings.max_length = int(self.extractor.max_length)
        return settings

    def forward(self, audio: Tensor) -> QueryOutput:
        """What is heard in `audio`: (batch, samples)."""
        logits, hidden = zip(
            *map(self._hear, windows(self.resample(audio), self.features.max_samples)), strict=True
        )
        return QueryOutput(
            clip_probabilities=torch.stack(logits).amax(0).sigmoid(),
            embedding=torch.stack(hidden).mean(0),
        )

    def save_files(self, folder: Path) -> None:
        """Write the settings, in the hub's layout and without weights."""
        self.model.config.save_pretrained(folder)
        self.extractor.save_pretrained(folder)

    def _hear(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, classes) and hidden state (batch, embedding_size) of a window."""
        features = self.features(audio).to(self.model.dtype)
        pooled = self.model.audio_spectrogram_transformer(features).pooler_output
        return self.model.classifier(pooled).float(), pooled.float()


def audioset_names() -> tuple[str, ...]:
    """AudioSet's 527 classes."""
    return tuple(one.name for one in classes())


def name_classes(settings: Any, names: tuple[str, ...]) -> None:
    """Write the classes of a net into its configuration."""
    settings.id2label = dict(enumerate(names))
    settings.label2id = {name: index for index, name in enumerate(names)}


def names_of(settings: Any, where: str) -> tuple[str, ...]:
    """The classes of a net, in order: its labels.

    527 labels are AudioSet's classes in AudioSet's order, whether they are spelt as here or have no names.

    Raises:
        UserError: 527 labels, but in another order.
    """
    labels = tuple(str(settings.id2label[index]) for index in range(len(settings.id2label)))
    names = audioset_names()
    if len(labels) != len(names):
        return labels
    place = {name.casefold(): index for index, name in enumerate(names)}
    for index, label in enumerate(labels):
        if place.get(label.casefold(), index) != index:
            raise UserError(
                f"query net 'ast': {where} has {label!r} as class {index}, which AudioSet has as"
                f" {place[label.casefold()]}; give weights with AudioSet's classes in their order"
            )
    return names


def keep_classes(model: Any, known: tuple[str, ...], names: tuple[str, ...], where: str) -> None:
    """Reduce the classifier to the rows of some classes, in their order.

    Raises:
        UserError: there are none, or the net does not know them.
    """
    if names == known:
        name_classes(model.config, names)
        return
    place = {name.casefold(): index for index, name in enumerate(known)}
    missing = [name for name in names if name.casefold() not in place]
    if missing or not names:
        raise UserError(
            f"query net 'ast': {where} does not tag {len(missing)} of {len(names)} classes"
            f"{f', such as {missing[0]!r}' if missing else ''}; give weights that do, or another tagger"
        )
    rows = torch.tensor([place[name.casefold()] for name in names])
    dense = model.classifier.dense
    kept = nn.Linear(dense.in_features, len(rows), device=dense.weight.device)
    with torch.no_grad():
        kept.weight.copy_(dense.weight[rows])
        kept.bias.copy_(dense.bias[rows])
    model.classifier.dense = kept
    model.num_labels = len(rows)
    name_classes(model.config, names)
