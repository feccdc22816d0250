"""The run of one separation: segments in, estimates by output, everything into the outputs' files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from registry.errors import UserError
from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.overlap_add import Segment, Segmenter
from uss_plugins.separation.channels import ChannelItem, channel_items, mid_signal
from uss_plugins.separation.consistency import make_consistent
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.outputs import Outputs, Place
from uss_plugins.separation.queries import Conditions, Cue
from uss_plugins.separation.reading import read_segments

if TYPE_CHECKING:
    from uss_plugins.separation.recording import Settings


class Job:
    """The separation of one recording while it runs."""

    def __init__(
        self,
        model: UniversalSeparator,
        reader: AudioReader,
        conditions: Conditions,
        outputs: Outputs,
        settings: Settings,
        progress: Callable[[int, int], None] | None,
        places: Mapping[str, Place],
    ) -> None:
        self.model, self.reader, self.conditions, self.outputs = model, reader, conditions, outputs
        self.batch_size, self.consistent = settings.batch_size, settings.consistent
        self.progress, self.places = progress, places
        self.samples = 0
        self.energy = 0.0
        self.probabilities: dict[str, float] = {}

    def run(self, segmenter: Segmenter) -> None:
        """From the first sample read to the last one written."""
        for name in self.conditions.always:
            self.outputs.open(name)
        segments = read_segments(
            self.reader, self.model.sample_rate, segmenter, self._take_original
        )
        while batch := list(itertools.islice(segments, self.batch_size)):
            for segment, estimates in zip(batch, self._separate(batch), strict=True):
                fresh = {name: e[:, segment.fresh] for name, e in estimates.items()}
                self.outputs.push(fresh, segment.fresh_samples)
        self.outputs.finish(self.samples)

    def _take_original(self, block: NDArray[Any]) -> None:
        self.samples += block.shape[1]
        self.energy += float(np.square(block).sum())
        self.outputs.original(block)
        if self.progress:
            self.progress(self.samples, self.reader.samples)

    def _separate(self, segments: Sequence[Segment]) -> list[dict[str, NDArray[np.float32]]]:
        """Estimates (channels, samples) by output, for segments of equal length.

        Outputs that are told the very same condition share one estimate.
        """
        estimates: list[dict[str, NDArray[np.float32]]] = [{} for _ in segments]
        items: list[ChannelItem] = []
        sounding = [index for index, segment in enumerate(segments) if segment.audio.any()]
        for index, cues in zip(sounding, self._cues(segments, sounding), strict=True):
            audio = segments[index].audio
            made: dict[int, NDArray[np.float32]] = {}
            for name, cue in cues.items():
                if cue.condition is None:
                    continue
                if id(cue.condition) not in made:
                    target = made[id(cue.condition)] = np.zeros_like(audio)
                    items += channel_items(audio, target, cue.condition, self.model.channels)
                estimates[index][name] = made[id(cue.condition)]
        for start in range(0, len(items), self.batch_size):
            self._run_model(items[start : start + self.batch_size])
        if self.consistent:
            for segment, own in zip(segments, estimates, strict=True):
                self._share_out(segment.audio, own)
        return estimates

    def _share_out(
        self, mixture: NDArray[np.float32], estimates: dict[str, NDArray[np.float32]]
    ) -> None:
        """Make the estimates of each folder consistent with the mixture, in place of what they were."""
        folders: dict[str, list[str]] = {}
        for name in estimates:
            place = self.places.get(name, Place("", name))
            folders.setdefault(place.folder, []).append(name)
        for names in folders.values():
            own = [estimates[name] for name in names]
            shared = make_consistent(mixture, own, self.model.sample_rate)
            estimates.update(zip(names, shared, strict=True))

    def _cues(self, segments: Sequence[Segment], indices: Sequence[int]) -> list[dict[str, Cue]]:
        if not indices:
            return []
        mid = np.stack([mid_signal(segments[index].audio) for index in indices])
        cues = self.conditions(self._tensor(mid))
        for name, cue in itertools.chain.from_iterable(one.items() for one in cues):
            if cue.probability is not None:
                heard = self.probabilities.get(name, 0.0)
                self.probabilities[name] = max(heard, cue.probability)
        return cues

    def _run_model(self, items: Sequence[ChannelItem]) -> None:
        mixture = self._tensor(np.stack([item.mixture for item in items]))
        condition = torch.stack([item.condition for item in items])
        estimate = self.model(mixture, condition).float().cpu().numpy()
        if not np.isfinite(estimate).all():
            raise UserError(
                f"{self.reader.path}: the model's output is not finite; its weights are damaged,"
                " or its training diverged"
            )
        for item, one in zip(items, estimate, strict=True):
            item.target[:] = one[: len(item.target)]

    def _tensor(self, audio: NDArray[Any]) -> Tensor:
        return torch.from_numpy(audio).to(self.model.query_bank.device)
