"""The run of one separation: segments in, estimates by output, everything into the outputs' files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from registry.errors import UserError
from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.overlap_add import Segment, Segmenter
from uss_plugins.separation.channels import (
    ChannelItem,
    channel_items,
    listened_groups,
    mid_signal,
)
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
        self.groups = listened_groups(settings.channels, reader.channels, model.channels)
        self.samples = 0
        self.energy = 0.0
        self.probabilities: dict[str, float] = {}

    def run(self, segmenter: Segmenter) -> None:
        """From the first sample read to the last one written."""
        for name in self.conditions.always:
            self.outputs.open(name)
        rate, ahead = self.model.sample_rate, self.batch_size
        reading = read_segments(self.reader, rate, segmenter, self._take_original, ahead)
        with closing(reading) as segments:
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
        """Estimates (channels, samples) by output, for segments of equal length."""
        estimates: list[dict[str, NDArray[np.float32]]] = [{} for _ in segments]
        items: list[ChannelItem] = []
        heard = self._listen(segments)
        for segment, own, estimate in zip(segments, heard, estimates, strict=True):
            items += self._items(segment.audio, own, estimate)
        for start in range(0, len(items), self.batch_size):
            self._run_model(items[start : start + self.batch_size])
        if self.consistent:
            for segment, estimate in zip(segments, estimates, strict=True):
                self._share_out(segment.audio, estimate)
        return estimates

    def _items(
        self,
        audio: NDArray[np.float32],
        heard: Mapping[int, Mapping[str, Cue]],
        estimates: dict[str, NDArray[np.float32]],
    ) -> Iterator[ChannelItem]:
        """What there is to separate in a segment, and where its estimates go: arrays added to `estimates`.

        `heard`: cues by group of channels. Outputs that are told the very same conditions share one estimate.
        """
        made: dict[tuple[tuple[int, int], ...], NDArray[np.float32]] = {}
        wanted: dict[int, list[tuple[Tensor, NDArray[np.float32]]]] = {group: [] for group in heard}
        for name in dict.fromkeys(itertools.chain.from_iterable(heard.values())):
            conditions = {
                group: condition
                for group, cues in heard.items()
                if name in cues and (condition := cues[name].condition) is not None
            }
            if not conditions:
                continue
            told = tuple((group, id(condition)) for group, condition in conditions.items())
            if told not in made:
                target = made[told] = np.zeros_like(audio)
                for group, condition in conditions.items():
                    wanted[group].append((condition, target[self.groups[group]]))
            estimates[name] = made[told]
        for group, own in wanted.items():
            yield from channel_items(audio[self.groups[group]], own, self.model.channels)

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

    def _listen(self, segments: Sequence[Segment]) -> list[dict[int, dict[str, Cue]]]:
        """Cues of each segment, by group of channels; silent groups have none."""
        heard: list[dict[int, dict[str, Cue]]] = [{} for _ in segments]
        places = [
            (index, group)
            for index, segment in enumerate(segments)
            for group, own in enumerate(self.groups)
            if segment.audio[own].any()
        ]
        if not places:
            return heard
        mid = [mid_signal(segments[index].audio[self.groups[group]]) for index, group in places]
        with told_of_memory(self.reader.path):
            cues = self.conditions(self._tensor(np.stack(mid)))
        for (index, group), own_cues in zip(places, cues, strict=True):
            heard[index][group] = own_cues
            for name, cue in own_cues.items():
                if cue.probability is not None:
                    loudest = self.probabilities.get(name, 0.0)
                    self.probabilities[name] = max(loudest, cue.probability)
        return heard

    def _run_model(self, items: Sequence[ChannelItem]) -> None:
        mixture = self._tensor(np.stack([item.mixture for item in items]))
        condition = torch.stack([item.condition for item in items])
        with told_of_memory(self.reader.path):
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


@contextmanager
def told_of_memory(path: Path) -> Iterator[None]:
    """Say in one line that a model's batch does not fit into memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        out_of_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if out_of_memory or "can't allocate memory" in str(error):
            raise UserError(
                f"{path}: a segment does not fit into memory; lower --segment-seconds or --batch-size"
            ) from None
        raise
