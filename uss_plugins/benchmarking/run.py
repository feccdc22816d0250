"""Runs a grid: plans it, makes what its cells share, runs the cells, gathers the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from registry.errors import UserError
from uss_plugins.benchmarking.grid import Grid
from uss_plugins.benchmarking.launch import Slots, each_alone, only_run_in
from uss_plugins.benchmarking.machine import all_versions, this_machine
from uss_plugins.benchmarking.plan import Plan, plan_grid
from uss_plugins.benchmarking.results import (
    OUTCOME,
    SCHEMA_VERSION,
    GridResults,
    Outcome,
    Row,
    now,
    read_outcome,
    to_json,
)
from uss_plugins.benchmarking.scheduling import run_phase
from uss_plugins.benchmarking.work import Work, phases_of
from uss_plugins.evaluation.summary import interval_method
from uss_plugins.files import write_text
from uss_plugins.launched import Place, launched_place

JSON, MARKDOWN, PAGE = "grid.json", "grid.md", "grid.html"


@dataclass(frozen=True)
class Listener:
    """Who hears how a run goes on.

    planned: called with the plan before anything is read or written. ended: with each piece of work that
    ends here, its outcome, and how many of all are done and how many there are.
    """

    planned: Callable[[Plan], None] = lambda plan: None
    ended: Callable[[Work, Outcome, int, int], None] = lambda work, outcome, done, total: None


def run_grid(
    grid: Grid,
    exp_dir: Path,
    *,
    slots: Slots | None = None,
    retry_failed: bool = False,
    listener: Listener | None = None,
) -> GridResults | None:
    """Run what has not run yet, and write `grid.json`, `grid.md` and `grid.html`; also when interrupted.

    Of processes that were launched together, the first waits for all, writes, and returns the results; the
    others return None.

    retry_failed: run what failed once more.

    Raises:
        UserError: `plan_grid`'s reasons, another run is at work in the folder, or several processes were
            launched and failures are to be run once more.
    """
    slots, listener = slots or Slots(), listener or Listener()
    place = launched_place()
    if retry_failed and place.world_size > 1:
        raise UserError(
            f"--retry-failed: this is one of {place.world_size} processes, and another may be at work on what"
            " it would forget; run it once without torchrun, srun or mpirun"
        )
    plan = plan_grid(grid)
    if place.rank == 0:
        listener.planned(plan)
    phases = phases_of(plan, exp_dir)
    works = [work for phase in phases for work in phase]
    with only_run_in(exp_dir, place), each_alone():
        if retry_failed:
            forget_failures(works)

        def report(work: Work, outcome: Outcome) -> None:
            done = sum(read_outcome(one.folder) is not None for one in works)
            listener.ended(work, outcome, done, len(works))

        try:
            for phase in phases:
                run_phase(phase, slots, place, report)
        finally:
            results = gather(plan, phases, exp_dir, slots, place)
            if place.rank == 0:
                write_results(results, exp_dir)
    return results if place.rank == 0 else None


def forget_failures(works: list[Work]) -> None:
    """Let work that failed run again."""
    for work in works:
        outcome = read_outcome(work.folder)
        if outcome is not None and outcome.error is not None:
            (work.folder / OUTCOME).unlink()


def gather(
    plan: Plan, phases: list[list[Work]], exp_dir: Path, slots: Slots, place: Place
) -> GridResults:
    """The results as far as they are stored."""
    *shared, cells = phases
    rows = [
        row_of(work, exp_dir, cell.labels) for work, cell in zip(cells, plan.cells, strict=True)
    ]
    rows += [Row(one.labels, "impossible", one.reason) for one in plan.impossible]
    return GridResults(
        schema_version=SCHEMA_VERSION,
        created=now(),
        grid=plan.grid.path.name,
        budget=plan.budget,
        axes={
            axis: tuple(option.label for option in options)
            for axis, options in plan.grid.axes.items()
        },
        jobs=slots.jobs,
        processes=place.world_size,
        machine=this_machine(),
        versions=all_versions(),
        interval_method=interval_method(plan.cells[0].recipe.evaluation.bootstrap_samples),
        stages=tuple(
            outcome
            for phase in shared
            for work in phase
            if (outcome := read_outcome(work.folder)) is not None
        ),
        rows=tuple(sorted(rows, key=lambda row: place_of(row, plan))),
    )


def row_of(work: Work, exp_dir: Path, labels: dict[str, str]) -> Row:
    """The row of a cell."""
    folder = work.folder.relative_to(exp_dir).as_posix()
    outcome = read_outcome(work.folder)
    if outcome is None:
        return Row(labels, "not run", folder=folder)
    return Row(
        labels,
        "failed" if outcome.cell is None else "done",
        reason=outcome.error,
        folder=folder,
        figures=outcome.cell,
        machine=outcome.machine,
        versions=outcome.versions,
    )


def place_of(row: Row, plan: Plan) -> tuple[int, ...]:
    """Where a row stands in the order of the axes."""
    return tuple(
        [option.label for option in plan.grid.axes[axis]].index(label)
        for axis, label in row.labels.items()
    )


def write_results(results: GridResults, exp_dir: Path) -> None:
    """Write the three files."""
    from uss_plugins.benchmarking.markdown import markdown
    from uss_plugins.benchmarking.page import render_page

    write_text(exp_dir / JSON, to_json(results))
    write_text(exp_dir / MARKDOWN, markdown(results))
    write_text(exp_dir / PAGE, render_page(results, exp_dir))
