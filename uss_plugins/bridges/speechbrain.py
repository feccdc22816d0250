"""A model folder as one of SpeechBrain's pretrained interfaces.

separation = Separation.from_hparams("exp/soft/model")
parts = separation.separate_file("street.wav", classes=["Speech", "Siren"])  # (1, samples, 2)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from registry.errors import UserError
from uss_plugins.ecosystems import import_speechbrain
from uss_plugins.labels.lookup import find_in
from uss_plugins.separation.folder import load_model
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import bank_condition
from uss_plugins.separation.query_audio import audio_query

if TYPE_CHECKING:
    from torch.nn import Module as Pretrained
else:
    Pretrained = import_speechbrain("speechbrain.inference.interfaces").Pretrained


class Separation(Pretrained):
    """Extracts from mixtures what classes or example recordings describe.

    Called as SpeechBrain's `SepformerSeparation` is, with what to extract beside it. Levels are kept, not
    scaled to full scale, so that a sound that is not there comes out as near silence.
    """

    MODULES_NEEDED = ("model",)
    HPARAMS_NEEDED = ("sample_rate",)

    @classmethod
    def from_hparams(
        cls, source: str | Path, hparams_file: str = "hyperparams.yaml", **kwargs: Any
    ) -> Separation:
        """Load a local model folder, or, as any `Pretrained`, what SpeechBrain's hyper-parameters describe.

        kwargs: of `Pretrained`, such as `run_opts={"device": "cuda"}`; those of fetching, such as `savedir`,
            have nothing to do for a folder.

        Raises:
            UserError: the model folder is broken.
        """
        if not (Path(source) / "recipe.yaml").is_file():
            found: Separation = super().from_hparams(source, hparams_file, **kwargs)  # type: ignore[misc]
            return found
        kept = ("run_opts", "freeze_params")
        model = load_model(source)
        normaliser = import_speechbrain("speechbrain.dataio.preprocess").AudioNormalizer
        return cls(
            modules={"model": model},
            hparams={
                "sample_rate": model.sample_rate,
                "audio_normalizer": normaliser(sample_rate=model.sample_rate),
            },
            **{name: value for name, value in kwargs.items() if name in kept},
        )

    @property
    def model(self) -> UniversalSeparator:
        """The model, on its device."""
        model: UniversalSeparator = self.mods["model"]  # type: ignore[index,assignment]
        return model

    def separate_batch(
        self,
        mix: Tensor,
        classes: Sequence[str] | None = None,
        query: str | Path | Sequence[str | Path] | None = None,
    ) -> Tensor:
        """Extract from `mix` (batch, samples), at the model's rate: (batch, samples, sources).

        classes: names or ids; a source for each. query: files of example audio; one source like them. Without
        either, a source for each of the model's classes, in their order. A class that had no anchors in
        training has no mean condition: where conditions are classes it is asked for by what the query net
        hears of it; elsewhere it cannot be asked for, and is left out of the model's classes.

        Raises:
            UserError: the model knows no such class, or has no condition for it, or a file cannot be read.
        """
        mix = mix.to(self.model.query_bank.device)
        with torch.no_grad():
            audio = mix.unsqueeze(1).expand(-1, self.model.channels, -1)
            sources = [
                self.model(audio, condition).mean(1)
                for condition in self._conditions(mix, classes, query)
            ]
        return torch.stack(sources, dim=2)

    def separate_file(
        self,
        path: str | Path,
        savedir: str | Path | None = None,
        classes: Sequence[str] | None = None,
        query: str | Path | Sequence[str | Path] | None = None,
    ) -> Tensor:
        """Extract from a recording, mixed to mono at the model's rate, in one piece: (1, samples, sources).

        path: of the recording, or as SpeechBrain fetches it. For what else see `separate_batch`.
        """
        audio: Tensor = self.load_audio(str(path), savedir)  # type: ignore[operator]
        return self.separate_batch(audio.unsqueeze(0), classes, query)

    def forward(self, mix: Tensor, **chosen: Any) -> Tensor:
        """See `separate_batch`."""
        return self.separate_batch(mix, **chosen)

    def _conditions(
        self,
        mix: Tensor,
        classes: Sequence[str] | None,
        query: str | Path | Sequence[str | Path] | None,
    ) -> list[Tensor]:
        """The condition (batch, condition_size) of each source."""
        if query is None:
            return self._class_conditions(mix, self._indices(classes))
        if classes is not None:
            raise UserError("classes and query both say what to extract; give one of them")
        paths = [query] if isinstance(query, (str, Path)) else query
        (condition,) = audio_query(self.model, [Path(path) for path in paths]).conditions.values()
        return [condition.expand(len(mix), -1)]

    def _indices(self, classes: Sequence[str] | None) -> list[int]:
        """The classes that are asked for, or all; those that there is a condition for."""
        model = self.model
        wanted = list(range(len(model.class_names)))
        if classes is not None:
            found = (find_in(model.class_names, model.class_ids, name) for name in classes)
            wanted = list(dict.fromkeys(found))
        known = [index for index in wanted if model.class_indexed or model.query_bank[index].any()]
        if classes is not None and (unknown := set(wanted) - set(known)):
            names = ", ".join(model.class_names[index] for index in sorted(unknown))
            raise UserError(
                f"the model has no condition for {names}, which had no anchors in training; give a query"
            )
        if not known:
            raise UserError("nothing to extract: the model knows no classes; give a query")
        return known

    def _class_conditions(self, mix: Tensor, indices: Sequence[int]) -> list[Tensor]:
        """Of each class its mean in training, or without one what the query net hears of it in `mix`."""
        model = self.model
        heard = None
        conditions = []
        for index in indices:
            if model.query_bank[index].any():
                conditions.append(bank_condition(model, [index]).expand(len(mix), -1))
                continue
            heard = model.listen(mix) if heard is None else heard
            mask = torch.zeros(len(mix), len(model.class_names), device=mix.device)
            mask[:, index] = 1.0
            conditions.append(model.condition_from_mask(heard, mask))
        return conditions
