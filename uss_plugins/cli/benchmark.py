"""`uss-plugins benchmark`: a grid of components, trained, judged and measured alike."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.benchmarking.grid import Grid
    from uss_plugins.benchmarking.launch import Slots
    from uss_plugins.benchmarking.plan import Plan
    from uss_plugins.benchmarking.results import GridResults, Outcome
    from uss_plugins.benchmarking.run import Listener
    from uss_plugins.benchmarking.work import Work

EXIT_FAILED_CELLS = 1


@click.command("benchmark")
@click.argument("grid_file", metavar="[GRID.yaml]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--exp-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the grid; made if it is not there. What it holds already is not run again.",
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Cells that run at the same time.  [default: --devices]"
)
@click.option(
    "--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True
)
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Over how many of this machine's CUDA devices cells are dealt out.",
)
@click.option(
    "--dry-run", is_flag=True, help="Name what would run and what is impossible, and end."
)
@click.option("--retry-failed", is_flag=True, help="Run what failed once more.")
@click.option(
    "--compare",
    "compared",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="A B",
    help="Instead of running a grid, tabulate what run B has over run A: folders, or their grid.json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def benchmark(
    grid_file: Path | None,
    exp_dir: Path | None,
    jobs: int | None,
    device: str,
    devices: int,
    dry_run: bool,
    retry_failed: bool,
    compared: tuple[Path, Path] | None,
    as_json: bool,
) -> int:
    """Train every combination of the query nets, embeddings and separators in GRID.yaml, and measure it.

    Each cell runs in a process of its own and is stored when it ends. Run again, the command goes on where it
    was interrupted. Under torchrun or srun, the cells are dealt out over all processes. Writes grid.json,
    grid.md and grid.html to EXP_DIR. The exit code is 1 if a cell failed.
    """
    if compared is not None:
        if grid_file is not None:
            raise UserError("--compare: takes two runs and no GRID.yaml; leave one of the two out")
        print_comparison(compared, as_json)
        return 0
    if grid_file is None:
        raise UserError("give a GRID.yaml to run, or --compare A B")
    from uss_plugins.benchmarking.grid import load_grid

    grid = load_grid(grid_file)
    if dry_run:
        from uss_plugins.benchmarking.plan import plan_grid

        tell_plan(plan_grid(grid))
        return 0
    if exp_dir is None:
        raise UserError("--exp-dir: name the folder that the grid is to run in")
    from uss_plugins.benchmarking.launch import Slots

    check_cuda(device)
    results = run(grid, exp_dir, Slots(jobs or devices, device, devices), retry_failed)
    if results is None:  # the first of several processes tells
        return 0
    return tell_results(results, exp_dir, as_json)


def check_cuda(device: str) -> None:
    """Refuse CUDA where there is none."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine offers no CUDA device; use --device cpu")


def run(grid: Grid, exp_dir: Path, slots: Slots, retry_failed: bool) -> GridResults | None:
    """Run the grid, and say on standard error how it goes on."""
    from uss_plugins.benchmarking.run import run_grid

    return run_grid(grid, exp_dir, slots=slots, retry_failed=retry_failed, listener=listener())


def listener() -> Listener:
    """Says what a run does: the plan, then a line for each piece of work that ends, with the time to go."""
    import time

    from uss_plugins.benchmarking.run import Listener

    started = time.monotonic()
    ended_here = 0

    def ended(work: Work, outcome: Outcome, done: int, total: int) -> None:
        nonlocal ended_here
        ended_here += 1
        to_go = (time.monotonic() - started) / ended_here * (total - done)
        click.echo(f"{done} of {total}: {line_of(outcome)}; about {to_go:.0f} s to go", err=True)

    return Listener(lambda plan: tell_plan(plan, err=True), ended)


def line_of(outcome: Outcome) -> str:
    """How a piece of work ended."""
    if outcome.error is not None:
        return f"{outcome.name}: failed: {outcome.error}"
    figures = f", SDRi {outcome.cell.sdri} dB" if outcome.cell else ""
    return f"{outcome.name}: {outcome.seconds:.0f} s{figures}"


def tell_plan(plan: Plan, err: bool = False) -> None:
    """Name what will run, and what cannot and why."""
    from uss_plugins.benchmarking.plan import name_of

    click.echo(
        f"{len(plan.cells)} cells, {plan.budget} of training each;"
        f" {len(plan.impossible)} combinations are impossible",
        err=err,
    )
    for cell in plan.cells:
        click.echo(f"cell: {name_of(cell.labels)}", err=err)
    for one in plan.impossible:
        click.echo(f"impossible: {name_of(one.labels)}: {one.reason}", err=err)


def tell_results(results: GridResults, exp_dir: Path, as_json: bool) -> int:
    """Print the results, and give the exit code."""
    from uss_plugins.benchmarking.markdown import markdown
    from uss_plugins.benchmarking.results import to_json
    from uss_plugins.benchmarking.run import JSON, MARKDOWN, PAGE

    click.echo(to_json(results) if as_json else markdown(results))
    names = ", ".join(str(exp_dir / name) for name in (JSON, MARKDOWN, PAGE))
    click.echo(f"written: {names}", err=True)
    return EXIT_FAILED_CELLS if any(row.state == "failed" for row in results.rows) else 0


def print_comparison(compared: tuple[Path, Path], as_json: bool) -> None:
    """Print what the second run has over the first."""
    from uss_plugins.benchmarking.comparing import compare_grids, comparison_markdown
    from uss_plugins.benchmarking.results import read_grid_results

    first, second = (read_grid_results(path) for path in compared)
    comparison = compare_grids(first, second)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(comparison), indent=1))
        return
    click.echo(comparison_markdown(comparison, (str(compared[0]), str(compared[1]))))
