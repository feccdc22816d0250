"""The check of a corpus: its labels, and the audio of its first clips."""

from __future__ import annotations

from typing import Any

import numpy as np

from registry.conformance.report import Report
from registry.contracts import ClipUnreadableError, KnowsTruth
from registry.plugins import one_line

_CLIPS_READ = 3
_CLIP_REMEDY = "give a clip's audio, or raise ClipUnreadableError naming its file"


def check_corpus(corpus: Any, report: Report) -> None:
    count, class_count = len(corpus), len(corpus.class_names)
    report.expect(count > 0, "it has no clips", "raise a UserError when it is opened")
    report.expect(
        len(corpus.class_ids) == class_count,
        f"it has {class_count} class_names and {len(corpus.class_ids)} class_ids",
        "give every class both",
    )
    labels = getattr(corpus, "labels", None)
    if not report.expect(
        isinstance(labels, np.ndarray)
        and labels.dtype == np.bool_
        and labels.shape == (count, class_count),
        f"labels is {type(labels).__name__} of shape {getattr(labels, 'shape', None)}",
        f"make it a bool array of shape ({count}, {class_count})",
    ):
        return
    for index in range(min(count, _CLIPS_READ)):
        try:
            _check_clip(corpus, index, report)
        except ClipUnreadableError:
            continue  # the contract provides for it
        except Exception as error:
            report.expect(False, f"clip({index}) raised {one_line(error)}", _CLIP_REMEDY)


def _check_clip(corpus: Any, index: int, report: Report) -> None:
    clip = corpus.clip(index)
    if not report.expect(
        isinstance(clip, np.ndarray) and clip.dtype == np.float32 and clip.ndim == 1,
        f"a clip is {type(clip).__name__} {getattr(clip, 'dtype', '')} "
        f"of shape {getattr(clip, 'shape', None)}",
        "make it a float32 array of shape (samples,)",
    ):
        return
    report.expect(clip.size > 0, "a clip has no samples", _CLIP_REMEDY)
    report.expect(
        bool(np.all(np.abs(clip) <= 1)), "a clip leaves [-1, 1] or holds NaN", "scale or refuse it"
    )
    report.expect(
        np.array_equal(clip, corpus.clip(index)),
        "a clip differs when read again",
        "seed what is random from the split's seed and the index",
    )
    labels = set(np.flatnonzero(corpus.labels[index]))
    if isinstance(corpus, KnowsTruth):
        report.expect(
            {event.class_index for event in corpus.events(index)} == labels,
            "the events of a clip and its labels name different classes",
            "give every label at least one event, and every event its label",
        )
