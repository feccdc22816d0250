"""Mining: a pass over a corpus that finds the anchor of every label and tags it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from registry.contracts import ClipUnreadableError, Corpus, QueryNet, QueryOutput
from registry.errors import UserError
from uss_plugins.corpora.anchors import AnchorTable, cut_segment, largest_area_start, random_start

logger = logging.getLogger(__name__)

Audio = NDArray[np.float32]
Method = Literal["largest_area", "sliding", "random"]
STEPS_PER_SEGMENT = 2  # of a sliding window


def mine_anchors(
    corpus: Corpus,
    query_net: QueryNet | None,
    *,
    segment_seconds: float = 2.0,
    method: Method = "largest_area",
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    seed: int = 0,
    clips: Sequence[int] | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> AnchorTable:
    """One anchor for every clip and label of `corpus`, in the order of the clips.

    query_net: is moved to `device` and put in evaluation mode. Its classes may be more than the
        corpus's, and in another order. None for random anchors that nobody tags.
    method: the segment with the largest area under the detector's frames; of segments that slide by half
        their length, the one in which the tagger finds the class most probable; or one anywhere.
    batch_size: clips, and then anchor segments, that the query net hears at once.
    seed: of the random anchors.
    clips: the clips to mine; all by default.
    workers: processes that read clips beside this one.
    progress: called with the clips done and the clips in all after each batch.

    Clips that cannot be read are skipped, named in a warning and listed in the table.

    Raises:
        UserError: the query net cannot find the corpus's classes.
    """
    miner = _Miner(
        corpus, query_net, segment_seconds, method, batch_size, torch.device(device), seed
    )
    wanted = range(len(corpus)) if clips is None else clips
    labelled = [index for index in wanted if corpus.labels[index].any()]
    rows, unreadable, done = [], [], 0
    for batch in _read(corpus, labelled, batch_size, workers):
        readable = [(index, audio) for index, audio in batch if isinstance(audio, np.ndarray)]
        for index, reason in batch:
            if isinstance(reason, str):
                logger.warning("clip %d skipped: %s", index, reason)
                unreadable.append(index)
        if readable:
            rows.append(miner.mine(readable))
        done += len(batch)
        if progress is not None:
            progress(done, len(labelled))
    if unreadable:
        logger.warning("%d of %d clips could not be read", len(unreadable), len(labelled))
    return miner.table(rows, unreadable)


Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float16]]


class _Miner:
    """Finds and tags the anchors of a batch of clips."""

    def __init__(
        self,
        corpus: Corpus,
        query_net: QueryNet | None,
        segment_seconds: float,
        method: Method,
        batch_size: int,
        device: torch.device,
        seed: int,
    ) -> None:
        module: object = query_net
        if isinstance(module, nn.Module):
            module.to(device).eval()
        self.corpus, self.query_net, self.method = corpus, query_net, method
        self.segment_seconds, self.batch_size, self.device = segment_seconds, batch_size, device
        self.segment_samples = round(segment_seconds * corpus.sample_rate)
        self.tagged_class = _tagged_classes(query_net, corpus)
        self.generator = torch.Generator().manual_seed(seed)

    def mine(self, clips: Sequence[tuple[int, Audio]]) -> Rows:
        """The table's rows for readable, labelled clips: clip, class, start, probabilities."""
        indices = np.array([index for index, _ in clips])
        item, class_index = np.nonzero(self.corpus.labels[indices])
        lengths = torch.tensor([len(audio) for _, audio in clips])[item]
        audio = [samples for _, samples in clips]
        if self.method == "random":
            start = random_start(lengths, self.segment_samples, self.generator)
        elif self.method == "sliding":
            start = self._most_probable(audio, item, class_index)
        else:
            start = self._largest_area(audio, item, class_index, lengths)
        segments = [
            cut_segment(audio[row], first, self.segment_samples)
            for row, first in zip(item.tolist(), start.tolist(), strict=True)
        ]
        return indices[item], class_index, start.cpu().numpy(), self._tag(segments)

    def table(self, rows: Sequence[Rows], unreadable: Sequence[int]) -> AnchorTable:
        """All rows as one table."""
        nothing = np.zeros(0, np.int64)
        empty = (nothing, nothing, nothing, np.zeros((0, len(self.corpus.class_names)), np.float16))
        clip, class_index, start, probabilities = zip(*(rows or [empty]), strict=True)
        return AnchorTable(
            clip=np.concatenate(clip),
            class_index=np.concatenate(class_index),
            start_samples=np.concatenate(start),
            probabilities=np.concatenate(probabilities),
            sample_rate=self.corpus.sample_rate,
            segment_samples=self.segment_samples,
            unreadable_clips=np.array(unreadable, np.int64),
        )

    def _largest_area(
        self,
        audio: Sequence[Audio],
        item: NDArray[np.int64],
        class_index: NDArray[np.int64],
        lengths: Tensor,
    ) -> Tensor:
        """First samples of the anchors: (anchors,) long."""
        rate = None if self.query_net is None else self.query_net.frames_per_second
        frames = None if rate is None else self._listen(audio).frame_probabilities
        if frames is None or rate is None:  # frames: (clips, frames, tagged classes)
            raise UserError(
                "the query net gives no frame probabilities, which largest-area anchors need; "
                "choose one that detects, or sliding or random anchors"
            )
        return largest_area_start(
            frames[item, :, self.tagged_class[class_index]],
            frames_per_second=rate,
            segment_seconds=self.segment_seconds,
            clip_samples=lengths.to(frames.device),
            sample_rate=self.corpus.sample_rate,
        )

    def _most_probable(
        self, audio: Sequence[Audio], item: NDArray[np.int64], class_index: NDArray[np.int64]
    ) -> Tensor:
        """First samples of the segments in which a class is most probable: (anchors,) long."""
        if not len(self.tagged_class):
            raise UserError(
                "the query net tags no classes, which sliding anchors need; choose one that does, or random"
                " anchors"
            )
        starts = [sliding_starts(len(clip), self.segment_samples) for clip in audio]
        tagged = [
            self._tag([cut_segment(clip, start, self.segment_samples) for start in own])
            for clip, own in zip(audio, starts, strict=True)
        ]
        pairs = zip(item.tolist(), class_index.tolist(), strict=True)
        return torch.tensor([starts[row][int(tagged[row][:, one].argmax())] for row, one in pairs])

    def _tag(self, segments: Sequence[Audio]) -> NDArray[np.float16]:
        """Probabilities of the corpus's classes: (anchors, classes), or (anchors, 0)."""
        tagged = []
        if not len(self.tagged_class):
            return np.zeros((len(segments), 0), np.float16)
        for first in range(0, len(segments), self.batch_size):
            output = self._listen(segments[first : first + self.batch_size]).clip_probabilities
            assert output is not None  # it has classes, so it gives their probabilities
            tagged.append(output[:, self.tagged_class].float().cpu().numpy().astype(np.float16))
        return np.concatenate(tagged)

    @torch.inference_mode()
    def _listen(self, audio: Sequence[Audio]) -> QueryOutput:
        """The query net's output for mono audio at the corpus's rate, zero-padded to one length."""
        assert self.query_net is not None
        rate = self.query_net.sample_rate
        if rate != self.corpus.sample_rate:
            audio = [soxr.resample(clip, self.corpus.sample_rate, rate) for clip in audio]
        longest = max(len(clip) for clip in audio)
        batch = np.stack([cut_segment(clip, 0, longest) for clip in audio])
        return self.query_net(torch.from_numpy(batch).to(self.device))


def sliding_starts(clip_samples: int, segment_samples: int) -> list[int]:
    """First samples of segments at steps of half their length, the last of them at the clip's end."""
    last = max(0, clip_samples - segment_samples)
    step = max(1, segment_samples // STEPS_PER_SEGMENT)
    return [*range(0, last, step), last]


def _tagged_classes(query_net: QueryNet | None, corpus: Corpus) -> NDArray[np.int64]:
    """Each class of the corpus among the query net's: (classes,); empty if it tags none."""
    if query_net is None or not query_net.class_names:
        return np.zeros(0, np.int64)
    known = {name: index for index, name in enumerate(query_net.class_names)}
    missing = [name for name in corpus.class_names if name not in known]
    if missing:
        raise UserError(
            f"the query net does not tag {len(missing)} of the corpus's classes "
            f"({', '.join(missing[:5])}{', ...' if missing[5:] else ''}); train a tagger on it"
        )
    return np.array([known[name] for name in corpus.class_names], np.int64)


class _Clips(Dataset[tuple[int, "Audio | str"]]):
    """Clips of a corpus by place in a list: (clip index, audio, or why it cannot be read)."""

    def __init__(self, corpus: Corpus, indices: Sequence[int]) -> None:
        self.corpus, self.indices = corpus, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> tuple[int, Audio | str]:
        index = self.indices[place]
        try:
            return index, self.corpus.clip(index)
        except ClipUnreadableError as error:
            return index, str(error)


def _read(
    corpus: Corpus, indices: Sequence[int], batch_size: int, workers: int
) -> Iterator[list[tuple[int, Audio | str]]]:
    """Batches of clips, in order."""
    yield from DataLoader(
        _Clips(corpus, indices),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=list,
        # A process that drives a GPU must not fork.
        multiprocessing_context="forkserver" if workers else None,
    )
