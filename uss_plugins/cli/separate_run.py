"""From the options of the verb `separate` to a model that is ready, and what it does with one recording."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from registry.errors import UserError
from uss_plugins.cli.separate_choice import make_conditions
from uss_plugins.cli.separate_files import Outcome, failure
from uss_plugins.cli.separate_options import CUDA_BATCH_SIZE, NOT_OF_RESULTS, SeparateOptions

if TYPE_CHECKING:
    from uss_plugins.cli.separate_files import Progress, SeparateOne
    from uss_plugins.launched import Place
    from uss_plugins.separation.hierarchy.plan import Selection
    from uss_plugins.separation.many.listing import Task
    from uss_plugins.separation.model import UniversalSeparator
    from uss_plugins.separation.recording import Separation, Settings


class SeparateTask:
    """Separates one recording, unless that is done already, and says what came of it.

    Args:
        separate_one: see `SeparateOne`.
        options: where it goes, and whether what is there is made again.
        settings: hash of all that decides the result, see `settings_digest`.
    """

    def __init__(self, separate_one: SeparateOne, options: SeparateOptions, settings: str) -> None:
        self._separate_one, self._options, self._settings = separate_one, options, settings

    def __call__(self, task: Task, progress: Progress | None = None) -> Outcome:
        """What came of it; what was wrong with it, or with the code, is told and stops nothing."""
        from uss_plugins.separation.many.done import describe_source, finished_report

        source: dict[str, Any] = {}
        try:
            if not self._options.overwrite:
                earlier = finished_report(task.folder, task.path, self._settings)
                if earlier is not None:
                    return self._tell(task, earlier, [f"{task.path}: done already"])
            source = describe_source(task.path)
            report, warnings = self._separate(task, source, progress)
        except UserError as error:
            return failure(task, self._options, source, str(error))
        except Exception as error:
            if _wants_traceback():
                raise
            message = f"{task.path}: internal error: {type(error).__name__}: {error}"
            return failure(task, self._options, source, message)
        return self._tell(task, report, None, warnings)

    def _separate(
        self, task: Task, source: dict[str, Any], progress: Progress | None
    ) -> tuple[dict[str, Any], list[str]]:
        """The report, and warnings."""
        from uss_plugins.separation.many.done import claimed
        from uss_plugins.separation.report import describe, warnings, write_report

        with claimed(task.folder, task.path):
            separation, pages = self._separate_one(task.path, task.folder, progress)
            report = {
                **describe(separation),
                "pages": {
                    what: page.relative_to(task.folder).as_posix() for what, page in pages.items()
                },
                "source": source,
                "settings": self._settings,
                "finished": True,
            }
            write_report(report, task.folder)
        return report, [f"warning: {line}" for line in warnings(separation)]

    def _tell(
        self,
        task: Task,
        report: dict[str, Any],
        lines: list[str] | None,
        warnings: Sequence[str] = (),
    ) -> Outcome:
        from uss_plugins.separation.report import manifest_entry, summarise

        folder, pages = task.folder, report["pages"]
        if lines is None:
            lines = [summarise(report, folder), *(f"  {page}" for page in pages.values())]
        shown = {what: str((folder / page).resolve()) for what, page in pages.items()}
        entry = manifest_entry(
            report["input"], report["source"], self._options.output_dir, folder, report
        )
        result = {**report, "folder": str(folder.resolve()), **shown}
        return Outcome(result, entry, lines, list(warnings))


def prepare_work(worker: int, *, options: SeparateOptions, place: Place) -> SeparateTask:
    """Get ready to separate recordings, as one of `options.jobs` processes. Raises as `open_separator`."""
    from uss_plugins.separation.folder import model_files
    from uss_plugins.separation.many.devices import device_for
    from uss_plugins.separation.many.done import settings_digest

    if options.jobs > 1:
        _share_cores(options.jobs)
    options = replace(options, device=device_for(options.device, worker, place))
    separate_one = open_separator(options)
    examples = (*options.query_files, *options.not_query_files)
    files = [*model_files(options.model_dir), *examples]
    return SeparateTask(separate_one, options, settings_digest(_of_results(options), files))


def _of_results(options: SeparateOptions) -> dict[str, Any]:
    """What decides the results, but for files: as it is in effect, since defaults may change."""
    from uss_plugins.separation.precision import choose_precision
    from uss_plugins.separation.queries import DETECTION_THRESHOLD

    settings = _settings(options)
    precision = choose_precision(options.precision, options.device)  # type: ignore[arg-type]
    values = {
        **asdict(options),
        **asdict(settings),
        "overlap_seconds": settings.fade_seconds,
        "precision": str(precision),
    }
    detected = options.classes is None and not (options.query_files or options.texts)
    if detected and options.threshold is None:
        values["threshold"] = DETECTION_THRESHOLD
    return {name: one for name, one in values.items() if name not in NOT_OF_RESULTS}


def _wants_traceback() -> bool:
    """Whether `--debug` was given to this process's command."""
    context = click.get_current_context(silent=True)
    return bool(context and getattr(context.obj, "debug", False))


def _share_cores(jobs: int) -> None:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(max(1, min(torch.get_num_threads(), (cores or 1) // jobs)))


def open_separator(options: SeparateOptions, stream: BinaryIO | None = None) -> SeparateOne:
    """Load the model and prepare the query, once for all recordings.

    `stream`: gets the only part of the only recording, instead of a file.

    Raises:
        UserError: a model, a class, a query or settings that do not work, whatever the recording.
    """
    from uss_plugins.separation.recording import check_stream, separate_recording

    settings, model = _settings(options), _model(options)
    if options.by_nodes:
        from uss_plugins.cli.separate_nodes import nodes_separator

        return nodes_separator(model, _selection(options), settings)
    conditions = make_conditions(model, options)
    if stream:
        check_stream(conditions, settings)

    def separate_one(
        path: Path, folder: Path, progress: Progress | None
    ) -> tuple[Separation, dict[str, Path]]:
        made = separate_recording(
            model, path, conditions, folder, settings, progress, stream=stream
        )
        return made, {}

    return separate_one


def plan_all(files: Sequence[Path], options: SeparateOptions) -> int:
    """Say what would be separated of each recording; nothing is written. The exit code."""
    from uss_plugins.cli.separate_nodes import plan_nodes
    from uss_plugins.separation.many.listing import list_tasks

    paths = [task.path for task in list_tasks(files, options.output_dir)]
    settings, model = _settings(options), _model(options)
    return plan_nodes(paths, model, _selection(options), settings, options.as_json)


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
        channels=options.channels,  # type: ignore[arg-type]  # checked by click
        residual=options.residual or options.consistent,
        consistent=options.consistent,
        format=options.format_,  # type: ignore[arg-type]
        peak=options.peak,  # type: ignore[arg-type]
    )


def _model(options: SeparateOptions) -> UniversalSeparator:
    """The model, on its device, for settings that fit it."""
    from uss_plugins.cli.evaluate import check_device
    from uss_plugins.separation.folder import load_model
    from uss_plugins.separation.precision import choose_precision
    from uss_plugins.separation.recording import make_segmenter

    check_device(options.device)
    model = load_model(options.model_dir, options.device)
    make_segmenter(_settings(options), model.sample_rate)
    model.prepare(choose_precision(options.precision, options.device))  # type: ignore[arg-type]
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
