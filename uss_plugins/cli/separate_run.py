"""From the options of the verb `separate` to a model that is ready, and what it does with one recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uss_plugins.cli.separate_choice import make_conditions
from uss_plugins.cli.separate_options import CUDA_BATCH_SIZE, SeparateOptions

if TYPE_CHECKING:
    from uss_plugins.cli.separate_files import Progress, SeparateOne
    from uss_plugins.separation.hierarchy.plan import Selection
    from uss_plugins.separation.model import UniversalSeparator
    from uss_plugins.separation.recording import Separation, Settings


def open_separator(options: SeparateOptions) -> SeparateOne:
    """Load the model and prepare the query, once for all recordings.

    Raises:
        UserError: a model, a class, a query or settings that do not work, whatever the recording.
    """
    from uss_plugins.separation.recording import separate_recording

    settings, model = _settings(options), _model(options)
    if options.by_nodes:
        from uss_plugins.cli.separate_nodes import nodes_separator

        return nodes_separator(model, _selection(options), settings)
    conditions = make_conditions(model, options)

    def separate_one(
        path: Path, folder: Path, progress: Progress | None
    ) -> tuple[Separation, dict[str, Path]]:
        return separate_recording(model, path, conditions, folder, settings, progress), {}

    return separate_one


def plan_all(files: Sequence[Path], options: SeparateOptions) -> int:
    """Say what would be separated of each recording; nothing is written. The exit code."""
    from uss_plugins.cli.separate_nodes import plan_nodes

    settings, model = _settings(options), _model(options)
    return plan_nodes(files, model, _selection(options), settings, options.as_json)


def _settings(options: SeparateOptions) -> Settings:
    from uss_plugins.separation.hierarchy.walk import SEGMENT_SECONDS
    from uss_plugins.separation.recording import Settings

    default_seconds = SEGMENT_SECONDS if options.by_nodes else Settings.segment_seconds
    return Settings(
        segment_seconds=(
            default_seconds if options.segment_seconds is None else options.segment_seconds
        ),
        overlap_seconds=options.overlap_seconds,
        batch_size=options.batch_size or (1 if options.device == "cpu" else CUDA_BATCH_SIZE),
        pad_last=options.pad_last,
        residual=options.residual or options.consistent,
        consistent=options.consistent,
        format=options.format_,  # type: ignore[arg-type]  # checked by click
        peak=options.peak,  # type: ignore[arg-type]
    )


def _model(options: SeparateOptions) -> UniversalSeparator:
    """The model, on its device, for settings that fit it."""
    from uss_plugins.cli.evaluate import check_device
    from uss_plugins.separation.folder import load_model
    from uss_plugins.separation.recording import make_segmenter

    check_device(options.device)
    model = load_model(options.model_dir, options.device)
    make_segmenter(_settings(options), model.sample_rate)
    return model


def _selection(options: SeparateOptions) -> Selection:
    from uss_plugins.separation.hierarchy.plan import Selection
    from uss_plugins.separation.queries import DETECTION_THRESHOLD

    return Selection(
        levels=tuple(sorted(set(options.levels))),
        names=options.node_names,
        threshold=DETECTION_THRESHOLD if options.threshold is None else options.threshold,
        top=options.top,
        min_seconds=options.min_seconds or 0.0,
        first_parent=options.first_parent,
    )
