"""CLAP: a query net that hears audio and reads text, both into one space of embeddings.

Wu et al. 2023, "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
augmentation" (arXiv 2211.06687), as Hugging Face's transformers has it: the extra `transformers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.contracts import QueryOutput
from registry.errors import UserError
from registry.plugins import one_line
from uss_plugins.ecosystems import import_transformers
from uss_plugins.query_nets.clap_features import ClapFeatures
from uss_plugins.query_nets.hub import find_source, make_settings, quiet, refuse_settings
from uss_plugins.query_nets.resampling import Resample
from uss_plugins.query_nets.windows import windows


class Clap(nn.Module):
    """CLAP's embedding, of unit length, of audio and of text. It tags no classes.

    Audio that is longer than the net's 10 s is heard whole: with feature fusion as CLAP does it, without as
    the mean over the fewest windows that cover it, of unit length again. Shorter audio is repeated, as in the
    net's training. What only text, CLAP's loss or the fusion of long audio needs is never trained here.

    Args:
        sample_rate: Hz, of the audio it takes; resampled within to the rate it was trained at, 48 kHz.
        pretrained: its weights, settings and tokeniser: a local folder in the hub's layout, or a repository
            OWNER/NAME[@REVISION] of the hub, such as laion/clap-htsat-unfused, which is then downloaded. None
            for random weights without a tokeniser.
        config: of random weights, by the names of ClapConfig, with `audio_config` and `text_config`.
        feature_extractor: settings of the front end of random weights, by the names of ClapFeatureExtractor.
        files: a folder that `save_files` wrote. The net is built from it, with random weights, and neither
            `pretrained` nor the settings are looked at: the weights come from the model's folder.

    Raises:
        UserError: transformers is not installed, the files cannot be had, or the settings make no CLAP.
    """

    class_names: tuple[str, ...] = ()
    frames_per_second: float | None = None

    def __init__(
        self,
        sample_rate: int = 48000,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        feature_extractor: dict[str, Any] | None = None,
        files: Path | None = None,
    ) -> None:
        super().__init__()
        transformers = import_transformers()
        self.tokenizer: Any = None
        self.sample_rate = sample_rate
        place = files or pretrained
        if place is None:
            settings = make_settings("clap", "config", transformers.ClapConfig, config)
            extractor = transformers.ClapFeatureExtractor
            truncation = "fusion" if settings.audio_config.enable_fusion else "rand_trunc"
            given = {"truncation": truncation, **(feature_extractor or {})}
            self.extractor = make_settings("clap", "feature_extractor", extractor, given)
            self.model = fresh(transformers.ClapModel, settings)
        else:
            if files is None:
                refuse_settings("clap", config, feature_extractor)
            source = find_source("clap", place)
            self.extractor = source.read(transformers.ClapFeatureExtractor.from_pretrained)
            if files is not None:
                settings = source.read(transformers.ClapConfig.from_pretrained)
                self.model = fresh(transformers.ClapModel, settings)
            else:
                self.model = source.read_net(transformers.ClapModel)
            if files is None or has_tokenizer(files):
                self.tokenizer = source.read(transformers.AutoTokenizer.from_pretrained)
        self.embedding_size: int | None = int(self.model.config.projection_dim)
        fusion = bool(self.model.config.audio_config.enable_fusion)
        self.features = ClapFeatures(self.extractor, fusion=fusion)
        self.resample = Resample(sample_rate, self.features.sample_rate)
        self.requires_grad_()
        if place is None:
            try_out("clap", self)

    def requires_grad_(self, requires_grad: bool = True) -> Clap:
        """As for any module, but never of what only text, CLAP's loss or the fusion of long audio needs."""
        super().requires_grad_(False)
        for side in (self.model.audio_model, self.model.audio_projection):
            side.requires_grad_(requires_grad)
        if self.features.fusion:
            patches = self.model.audio_model.audio_encoder.patch_embed
            for part in (patches.fusion_model, patches.mel_conv2d):
                part.requires_grad_(False)
        return self

    def forward(self, audio: Tensor) -> QueryOutput:
        """The embedding (batch, embedding_size), float32, of audio (batch, samples) of any length."""
        audio = self.resample(audio)
        if self.features.fusion:
            return QueryOutput(embedding=self._embed(audio))
        heard = [self._embed(window) for window in windows(audio, self.features.max_samples)]
        return QueryOutput(embedding=F.normalize(torch.stack(heard).mean(0), dim=1))

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """The embedding (texts, embedding_size), float32, of some texts, such as "a dog barking".

        Raises:
            UserError: the net has no tokeniser, or a text is longer than it reads.
        """
        if self.tokenizer is None:
            raise UserError(
                "query net 'clap': it was built with random weights and without a tokeniser; give"
                " 'pretrained' a folder or a repository that has one"
            )
        with quiet():
            tokens = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        text_config = self.model.config.text_config
        # RoBERTa counts its positions from behind the padding's index.
        longest = text_config.max_position_embeddings - text_config.pad_token_id - 1
        if tokens["input_ids"].shape[1] > longest:
            raise UserError(
                f"query net 'clap': a text of {tokens['input_ids'].shape[1]} tokens is more than the"
                f" {longest} it reads; shorten it"
            )
        device = self.model.device
        pooled = self.model.text_model(
            input_ids=tokens["input_ids"].to(device),
            attention_mask=tokens["attention_mask"].to(device),
        ).pooler_output
        return F.normalize(self.model.text_projection(pooled).float(), dim=1)

    def save_files(self, folder: Path) -> None:
        """Write settings and tokeniser, in the hub's layout and without weights."""
        self.model.config.save_pretrained(folder)
        self.extractor.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)

    def _embed(self, audio: Tensor) -> Tensor:
        """Unit vectors (batch, embedding_size) of audio at the net's own rate."""
        features, is_longer = self.features(audio)
        pooled = self.model.audio_model(
            input_features=features.to(self.model.dtype), is_longer=is_longer
        ).pooler_output
        return F.normalize(self.model.audio_projection(pooled).float(), dim=1)


def fresh(net_class: Any, settings: Any) -> Any:
    """A net with random weights.

    Raises:
        UserError: its settings do not fit together.
    """
    try:
        with quiet():
            return net_class(settings)
    except Exception as error:  # a shape, a division, a missing key: whatever the settings lead to
        raise UserError(
            f"{net_class.__name__}: its config makes no net ({one_line(error)}); mend it"
        ) from error


def try_out(name: str, net: nn.Module) -> None:
    """Have a net with random weights hear a sample.

    Raises:
        UserError: its settings make a net that does not take the features of its front end.
    """
    parameter = next(net.parameters())
    if parameter.is_meta:
        return
    try:
        with torch.no_grad():
            net.eval()(parameter.new_zeros(1, 1))
    except Exception as error:  # whatever a shape that does not fit leads to
        raise UserError(
            f"query net {name!r}: its config does not fit its feature extractor ({one_line(error)}); mend one"
        ) from error
    finally:
        net.train()


def has_tokenizer(folder: Path) -> bool:
    """Whether `save_files` wrote a tokeniser."""
    return (folder / "tokenizer_config.json").is_file()
