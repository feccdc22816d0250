"""One process, one piece of work: what runs in the processes that a grid starts."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import Any

import torch

from registry.plugins import one_line
from uss_plugins.benchmarking.cell import pairs_of, run_cell
from uss_plugins.benchmarking.machine import all_versions, this_machine
from uss_plugins.benchmarking.mixtures import store_mixtures
from uss_plugins.benchmarking.results import Kind, Outcome, now, store_outcome
from uss_plugins.benchmarking.work import GridExperiment, Work
from uss_plugins.compose import build_corpus
from uss_plugins.training.devices import Devices
from uss_plugins.training.stages.anchors import mine
from uss_plugins.training.stages.tagger import train_tagger

LOG = "log.txt"
ORPHANED = 3


def run_work(work: Work, device: str, device_index: int | None, threads: int | None) -> None:
    """Do a piece of work and store how it ended; what it prints goes to `log.txt` in its folder.

    device: "cpu", "cuda" or "auto". device_index: of the CUDA devices that it may see; None sees all.
    threads: of torch; None leaves its default.
    """
    end_with_parent()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent, which ends this process
    log_to(work)
    if device_index is not None:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        seen_devices = seen.split(",") if seen else None
        os.environ["CUDA_VISIBLE_DEVICES"] = (
            seen_devices[device_index] if seen_devices else str(device_index)
        )
    if threads is not None:
        torch.set_num_threads(threads)
    started = time.monotonic()
    error, found = None, {}
    try:
        found = DO[work.kind](work, device)
    except Exception as problem:
        traceback.print_exc()
        error = one_line(problem)
    store_outcome(
        work.folder,
        Outcome(
            kind=work.kind,
            name=work.name,
            error=error,
            seconds=round(time.monotonic() - started, 1),
            finished=now(),
            machine=this_machine(),
            versions=all_versions(),
            **found,
        ),
    )


def end_with_parent() -> None:
    """End this process at once when the one that started it has ended, however it ended."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


def log_to(work: Work) -> None:
    """Send what this process prints, C libraries included, to the work's log."""
    work.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(work.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def experiment_of(work: Work, device: str) -> GridExperiment:
    """The experiment of a shared stage."""
    return GridExperiment(work.recipe, work.folder, work.shared, Devices(device), resume=True)


def render_corpus(work: Work, device: str) -> dict[str, Any]:
    """Fill the cache of all splits."""
    experiment = experiment_of(work, device)
    clips = {split: len(experiment.corpus(split)) for split in ("train", "valid", "test")}
    return {"figures": {"clips": clips}}


def make_tagger(work: Work, device: str) -> dict[str, Any]:
    """Stage 1."""
    return {"figures": train_tagger(experiment_of(work, device))}


def make_anchors(work: Work, device: str) -> dict[str, Any]:
    """Mining."""
    return {"figures": mine(experiment_of(work, device))}


def make_mixtures(work: Work, device: str) -> dict[str, Any]:
    """The evaluation set."""
    corpus = build_corpus(work.recipe, "test")
    seconds = work.recipe.evaluation.segment_seconds
    return {"figures": store_mixtures(corpus, pairs_of(work), seconds, work.folder)}


DO: dict[Kind, Callable[[Work, str], dict[str, Any]]] = {
    "corpus": render_corpus,
    "tagger": make_tagger,
    "anchors": make_anchors,
    "mixtures": make_mixtures,
    "cell": lambda work, device: {"cell": run_cell(work, device)},
}
"""Kind of work -> what does it, and gives fields of its outcome."""
