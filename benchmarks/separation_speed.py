"""How much faster the prepared separator is than the plainest form of the paper's system, in one run.

    python benchmarks/separation_speed.py [--model MODEL_DIR] [--output DIR] [--rows NAME,...] [--device cuda]

Each row is measured in a process of its own, plain and prepared in turns there, so that both meet the same
machine. Prints the table, and writes it as `separation_speed.json` and `separation_speed.md`, or, of a GPU,
as `separation_speed_cuda.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
import torch
from baseline import PlainResUNet, PlainTagger, separate_class, separate_node
from machine_and_versions import machine_and_versions
from torch import Tensor

from uss_plugins.benchmarking.measures import giga_macs
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.labels.audioset import classes
from uss_plugins.query_nets.panns import cnn14
from uss_plugins.recipe import MixingSection, TrainingSection
from uss_plugins.separation.hierarchy.conditions import NodeConditions
from uss_plugins.separation.hierarchy.detection import listen_to_recording
from uss_plugins.separation.hierarchy.nodes import model_nodes
from uss_plugins.separation.hierarchy.plan import Plan, Selection, make_plan, nodes_of
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.precision import choose_precision
from uss_plugins.separation.queries import classes_query
from uss_plugins.separation.recording import Settings, separate_recording
from uss_plugins.separators.resunet import ResUNet, resunet30
from uss_plugins.training.batches import SegmentBatch
from uss_plugins.training.losses import l1_waveform
from uss_plugins.training.memory import keep_freed_memory
from uss_plugins.training.systems import SeparationSystem

RATE, SEGMENT_SECONDS = 32000, 10
RECORDING_SECONDS = 64
"""Seven segments of 10 s that overlap by 1 s, four times eight of 2 s: neither side fills up with zeros."""

WALK_SECONDS, WALK_SAMPLED_SECONDS, ACTIVE_NODES = 60, 12, 40
BATCH_SIZE = 4
MATRIX_SIZE = 4096
ROUNDS = 3
DEVICE = torch.device("cpu")
"""Where the networks of both sides are; of each process, set by its options."""


def seconds_of(*calls: Callable[[], object], rounds: int = ROUNDS, warm_up: int = 1) -> list[float]:
    """Median seconds of each of several calls, taken in turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(warm_up + rounds):
        for call, own in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            if DEVICE.type == "cuda":
                torch.cuda.synchronize()
            if number >= warm_up:
                own.append(time.perf_counter() - start)
    return [median(own) for own in taken]


def make_separator(class_count: int) -> ResUNet:
    """`resunet30` with batch norms as far from 1 and 0 as a training leaves them."""
    torch.manual_seed(0)
    net = resunet30(condition_size=class_count)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
    return net.eval().to(DEVICE)


def make_model() -> UniversalSeparator:
    """The paper's system: Cnn14, soft conditions, ResUNet30."""
    names = tuple(one.name for one in classes())
    separator = make_separator(len(names))
    ids = [one.machine_id for one in classes()]
    model = UniversalSeparator(
        cnn14(RATE, names), SoftEmbedding(len(names)), separator, class_ids=ids
    )
    return model.eval().to(DEVICE)


def plain_parts(model: UniversalSeparator) -> tuple[PlainTagger, PlainResUNet]:
    """The baseline's networks, with the weights of a model of ours."""
    tagger, separator = PlainTagger(model.query_net), PlainResUNet(model.separator)  # type: ignore[arg-type]
    return tagger.to(DEVICE), separator.to(DEVICE)


def noise(*shape: int) -> Tensor:
    """In the processor's memory, as what is read from files."""
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def relative_error(estimate: Tensor, exact: Tensor) -> float:
    return float((estimate - exact).norm() / exact.norm())


def segment_row(precision: torch.dtype) -> dict[str, Any]:
    """One class of one segment: separator alone. Errors are those against the module itself, in float32.

    In turns with both, a product of large bfloat16 matrices: what the machine reaches meanwhile.
    """
    net = make_separator(len(classes()))
    plain, prepared = PlainResUNet(net).to(DEVICE), net.prepare(precision)
    mixture = noise(1, 1, SEGMENT_SECONDS * RATE).to(DEVICE)
    condition = torch.rand(1, len(classes())).to(DEVICE)
    with torch.inference_mode():
        exact = net(mixture, condition)
        plain_error = relative_error(plain(mixture, condition), exact)
        error = relative_error(prepared(mixture, condition), exact)
        matrix = torch.randn(MATRIX_SIZE, MATRIX_SIZE).bfloat16().to(DEVICE)
        *seconds, matrix_seconds = seconds_of(
            lambda: plain(mixture, condition),
            lambda: prepared(mixture, condition),
            lambda: matrix @ matrix,
            # On a card the second call of a shape is recorded, and later ones are replayed.
            warm_up=1 if DEVICE.type == "cpu" else 3,
        )
        macs = giga_macs(lambda: plain(mixture, condition))
    found = ratio(*seconds, error=error, plain_error=plain_error, giga_macs=macs)
    found["giga_macs_per_second"] = macs / found["seconds"]
    found["matrix_giga_macs_per_second"] = MATRIX_SIZE**3 / matrix_seconds / 1e9
    return found


def default_row(bank: bool) -> dict[str, Any]:
    """One class of a recording, from file to file, as `uss-plugins separate --classes` does by default.

    bank: with the query bank of a trained model; without, as of imported weights, the tagger is asked for the
        condition.
    """
    model = make_model()
    if bank:
        model.query_bank.copy_(torch.eye(len(model.class_names)))
    tagger, plain = plain_parts(model)
    precision = choose_precision("auto", DEVICE)
    model.prepare(precision)
    sought = most_probable(tagger)
    with tempfile.TemporaryDirectory() as folder:
        path, written = Path(folder) / "recording.wav", Path(folder) / "plain.wav"
        soundfile.write(path, noise(RECORDING_SECONDS * RATE).numpy(), RATE)

        def run_plain() -> None:
            audio = torch.from_numpy(soundfile.read(path, dtype="float32")[0]).to(DEVICE)
            estimate = separate_class(tagger, plain, audio, [sought])
            soundfile.write(written, estimate.cpu().numpy(), RATE)

        def run() -> None:
            conditions = classes_query(model, model.class_ids[sought])
            separate_recording(model, path, conditions, Path(folder) / "out")

        seconds = seconds_of(run_plain, run, rounds=2, warm_up=0)
    return ratio(*seconds, precision=str(precision), recording_seconds=RECORDING_SECONDS)


def most_probable(tagger: PlainTagger) -> int:
    """The class that an untrained tagger hears most of in noise: surely over the threshold."""
    with torch.no_grad():
        return int(tagger(noise(1, 2 * RATE).to(DEVICE)).argmax())


def walk_row() -> dict[str, Any]:
    """Levels 1 to 3 with some active nodes: each side measured in part, and multiplied.

    The plain walk tags each segment for each node of the tree, and separates it if the node is active. Both
    are timed for one node and segment, and multiplied by how often it does them. Ours runs over a part of
    the recording as a whole, from listening to the written files.
    """
    model = make_model()
    tagger, plain = plain_parts(model)
    model.prepare(choose_precision("auto", DEVICE))
    nodes = model_nodes(model.class_names, model.class_ids, first_parent=True).values()
    in_tree = sum(node.level <= 3 for node in nodes)
    segments = WALK_SECONDS // 2
    segment = noise(2 * RATE).to(DEVICE)
    everything = list(range(len(model.class_names)))
    with torch.inference_mode():
        separating, tagging = seconds_of(
            lambda: separate_node(tagger, plain, segment, everything),
            lambda: tagger(segment[None]),
        )
    plain_seconds = segments * (ACTIVE_NODES * separating + (in_tree - ACTIVE_NODES) * tagging)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.wav"
        soundfile.write(path, noise(WALK_SAMPLED_SECONDS * RATE).numpy(), RATE)
        settings = Settings(segment_seconds=2.0, overlap_seconds=0.0)
        plans: list[Plan] = []

        def run() -> None:
            plans.append(plan_of(model, path, settings))
            conditions = NodeConditions(model, plans[-1])
            out = Path(folder) / "out"
            separate_recording(model, path, conditions, out, settings, places=plans[-1].places)

        (sampled,) = seconds_of(run, rounds=1, warm_up=0)
    times = WALK_SECONDS / WALK_SAMPLED_SECONDS
    return ratio(
        plain_seconds,
        sampled * times,
        nodes_in_tree=in_tree,
        active_nodes=len(plans[-1].outputs),
        estimates=round(sum(plans[-1].estimate_counts()) * times),
        plain_separating_seconds=separating,
        plain_tagging_seconds=tagging,
        measured_part_seconds=WALK_SAMPLED_SECONDS,
    )


def plan_of(model: UniversalSeparator, path: Path, settings: Settings) -> Plan:
    """What is heard, with other probabilities than the untrained tagger's: a set number of nodes sounds.

    Classes all over the tree are raised over the threshold, one after the other.
    """
    heard = listen_to_recording(model, path, settings)
    selection = Selection(levels=(1, 2, 3))
    members = [set(n.classes) for n in nodes_of(model, selection).values() if n.level <= 3]
    loud: set[int] = set()
    for index in np.random.default_rng(0).permutation(len(model.class_names)).tolist():
        more = loud | {index}
        if sum(bool(own & more) for own in members) <= ACTIVE_NODES:
            loud = more
    heard.probabilities[:] = 0.01
    heard.probabilities[:, sorted(loud)] = 0.5
    return make_plan(model, heard, selection)


def training_row(mine: bool) -> dict[str, Any]:
    """A step of `resunet30`: the recipe's own system as `fit` runs it, or the plain one in float32."""
    if mine:
        keep_freed_memory()
    model = make_model().train()
    section = TrainingSection.model_validate(
        {"steps": 1, "validate_every": 1, "batch_size": BATCH_SIZE}
    )
    system: Any = SeparationSystem(model, l1_waveform, section, MixingSection(), seed=0).to(DEVICE)
    count = len(model.class_names)
    batch = SegmentBatch(
        noise(BATCH_SIZE, 2 * RATE).to(DEVICE),
        torch.arange(BATCH_SIZE).to(DEVICE),
        torch.eye(count)[:BATCH_SIZE].bool().to(DEVICE),
        torch.zeros(BATCH_SIZE, count).to(DEVICE),
        unreadable=0,
    )
    tagger, plain = plain_parts(model)
    optimiser = torch.optim.AdamW(model.separator.parameters())
    if mine:
        system.to(memory_format=torch.channels_last)
        optimiser = system.optimizer

    def loss() -> Tensor:
        if mine:
            with torch.autocast(DEVICE.type, torch.bfloat16):
                return system.common_step(batch, 0)
        with torch.no_grad():
            condition = tagger(batch.segments)
        mixture = batch.segments + batch.segments.roll(1, 0)
        estimate = plain(mixture[:, None], condition)[:, 0]
        return (estimate - batch.segments).abs().mean()

    def step() -> None:
        loss().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return {"seconds": seconds_of(step, rounds=4, warm_up=2)[0]}


def quality_row(model_dir: str) -> dict[str, Any]:
    """SDRi of a trained model on its own test split, with its separator as it is and prepared."""
    from uss_plugins.compose import build_corpus
    from uss_plugins.evaluation.protocol import evaluation_pairs
    from uss_plugins.evaluation.run import evaluate
    from uss_plugins.recipe import load_recipe
    from uss_plugins.separation.folder import load_model

    recipe = load_recipe(Path(model_dir) / "recipe.yaml")
    section = recipe.evaluation.model_copy(
        update={"pairs_per_class": 8, "absent_per_class": 0, "bootstrap_samples": 10}
    )
    corpus = build_corpus(recipe, "test")
    pairs = evaluation_pairs(corpus, section)
    found: dict[str, Any] = {"pairs": len(pairs)}
    for name, precision in (("as it is", None), ("fp32", torch.float32), ("bf16", torch.bfloat16)):
        model = load_model(model_dir, str(DEVICE))
        if precision is not None:
            model.prepare(precision)
        results = evaluate(model, corpus, pairs, section)
        found[name] = results.bank["sdr_improvement"].value
    found["difference_db"] = abs(found["bf16"] - found["as it is"])
    return found


def ratio(plain_seconds: float, seconds: float, **more: Any) -> dict[str, Any]:
    """Figures of a row."""
    times = plain_seconds / seconds
    return {"plain_seconds": plain_seconds, "seconds": seconds, "times": times, **more}


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "fp32": lambda: segment_row(torch.float32),
    "bf16": lambda: segment_row(torch.bfloat16),
    "default": lambda: default_row(bank=True),
    "default_without_bank": lambda: default_row(bank=False),
    "walk": walk_row,
    "training_plain": lambda: training_row(mine=False),
    "training": lambda: training_row(mine=True),
}


def run_row(name: str, model_dir: str | None, runner: list[str]) -> dict[str, Any]:
    """Measure a row in a process of its own."""
    given = ["--model", model_dir] if model_dir else []
    given += ["--device", str(DEVICE)]
    command = [*runner, sys.executable, __file__, "--only", name, *given]
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(found: dict[str, Any]) -> str:
    """The rows against what they should reach, as Markdown."""

    def times(row: dict[str, Any]) -> str:
        return f"{row['times']:.2f}x ({row['plain_seconds']:.3g} s plain, {row['seconds']:.3g} s prepared)"

    lines = ["| what | at least | measured |", "| --- | --- | --- |"]

    def add(what: str, least: str, measured: str) -> None:
        lines.append(f"| {what} | {least} | {measured} |")

    if "fp32" in found:
        row = found["fp32"]
        add(
            "one class, 10-s segment, fp32, error <= 1e-5",
            "1.9x",
            f"{times(row)}, error {row['error']:.1e}",
        )
    if "bf16" in found:
        row = found["bf16"]
        quality = found.get("quality")
        sdri = f", {quality['difference_db']:.3f} dB SDRi" if quality else ""
        add(
            "one class, 10-s segment, bf16, error <= 2e-2 and <= 0.05 dB SDRi",
            "4x",
            f"{times(row)}, error {row['error']:.1e}{sdri}",
        )
    if "default" in found:
        add(
            "one class, default settings against eight 2-s segments at a time",
            "5.5x",
            times(found["default"]),
        )
    if "default_without_bank" in found:
        add(
            "the same, of imported weights, which have no query bank",
            "",
            times(found["default_without_bank"]),
        )
    if "walk" in found:
        add(
            f"levels 1-3 of a 60-s recording with {found['walk']['active_nodes']} active nodes",
            "7x",
            times(found["walk"]),
        )
    if {"training", "training_plain"} <= set(found):
        row = ratio(found["training_plain"]["seconds"], found["training"]["seconds"])
        add("training step of `resunet30`, batch 4 x 2 s, bf16", "2x", times(row))
    if "bf16" in found:
        row = found["bf16"]
        rate, most = row["giga_macs_per_second"], row["matrix_giga_macs_per_second"]
        add(
            "share of the machine's bf16 matrix-product rate reached in the separator",
            "60 %",
            f"{rate / most:.0%} ({rate:.0f} of {most:.0f} GMAC/s)",
        )
    return "\n".join(lines)


def main() -> None:
    """See the module."""
    global DEVICE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", help="a trained model's folder: what bf16 costs in SDRi")
    parser.add_argument("--output", type=Path, help="folder for the JSON and the Markdown")
    parser.add_argument("--rows", default=",".join(MEASURED), help="which to measure")
    parser.add_argument("--runner", default="", help="a command to run each row's process by")
    parser.add_argument("--device", type=torch.device, default=DEVICE, help="cpu or cuda")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    DEVICE = options.device
    torch.backends.cudnn.allow_tf32 = False  # float32 is float32, on both sides
    if options.only:
        row = quality_row(options.model) if options.only == "quality" else MEASURED[options.only]()
        print(json.dumps(row))
        return
    names = options.rows.split(",") + (["quality"] if options.model else [])
    runner = shlex.split(options.runner)
    found = {name: run_row(name, options.model, runner) for name in names}
    print(table(found))
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        whole = {
            "machine": machine_and_versions(),
            "threads": torch.get_num_threads(),
            "rows": found,
        }
        name = "separation_speed" + ("" if DEVICE.type == "cpu" else f"_{DEVICE.type}")
        (options.output / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")
        (options.output / f"{name}.md").write_text(table(found) + "\n")


if __name__ == "__main__":
    main()
