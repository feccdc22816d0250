"""Makes a folder of this project from a checkpoint of another: `import_checkpoint`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import cast

from torch import nn

from registry.errors import UserError
from uss_plugins.compose import build_component, build_model, build_query_net
from uss_plugins.files import write_text
from uss_plugins.labels.audioset import classes
from uss_plugins.recipe import Component, Recipe, dump_recipe, load_recipe
from uss_plugins.separation.folder import (
    CLASSES,
    RECIPE,
    WEIGHTS,
    save_model,
    save_weights,
    write_classes,
)
from uss_plugins.separation.importing.accounts import Accounts
from uss_plugins.separation.importing.kernels import drop_smoothing
from uss_plugins.separation.importing.names import same
from uss_plugins.separation.importing.parts import fill_bank, fill_query_net, fill_separator
from uss_plugins.separation.importing.recipes import SAMPLE_RATE, recipe_of, with_query_net
from uss_plugins.separation.importing.recognise import (
    ADAPTOR,
    DESCRIPTIONS,
    DETECTOR,
    QUERY_NET,
    SCORER,
    SEPARATOR,
    Contents,
    recognise,
)
from uss_plugins.separation.importing.report import DETECTOR_FOLDER, Imported, sha256
from uss_plugins.separation.importing.separator_folder import save_separator
from uss_plugins.versions import versions
from uss_plugins.weights.reading import read_checkpoint

REPORT = "imported.json"


def import_checkpoint(
    path: Path, output: Path, *, recipe: Path | None = None, query_net: str | None = None
) -> Imported:
    """Make a model's, a tagger's or a separator's folder of a checkpoint, whole or not at all.

    Args:
        path: a training checkpoint of the released USS, a PANNs file, or one with AudioSep's separator.
        output: the folder to make; it must not be there, or be empty. A checkpoint's sound event detector
            goes to `output/detector`.
        recipe: whose components and training the folder gets; None takes the released system's, at the sizes
            that the checkpoint has.
        query_net: name of the component that a PANNs file is for, where its name does not say.

    Raises:
        UserError: the checkpoint cannot be read, is not known, or one of its keys has no place.
    """
    check_free(output)
    checkpoint = read_checkpoint(path)
    contents = recognise(checkpoint)
    if query_net is not None:
        contents = with_choice(contents, query_net, recipe)
    settled = recipe_of(contents) if recipe is None else load_recipe(recipe)
    accounts = Accounts(checkpoint)
    with folder_made_aside(output) as folder:
        if contents.kind == "system":
            components, bank = import_system(accounts, settled, contents, folder)
        elif contents.kind == "separator":
            components, bank = import_separator(accounts, settled, contents, folder), None
        else:
            components, bank = import_query_net(accounts, settled, "", folder), None
        accounts.settle()
        imported = Imported(
            source=path.name,
            bytes=path.stat().st_size,
            sha256=sha256(path),
            kind=DESCRIPTIONS[contents.kind],
            components=components,
            used=len(accounts.used),
            dropped={reason: len(keys) for reason, keys in accounts.dropped.items()},
            beside=checkpoint.beside,
            query_bank=bank,
            notes=tuple(notes(contents, recipe)),
        )
        report = {**asdict(imported), "versions": versions()}
        write_text(folder / REPORT, json.dumps(report, indent=1) + "\n")
    return imported


def import_system(
    accounts: Accounts, recipe: Recipe, contents: Contents, folder: Path
) -> tuple[dict[str, str], str]:
    """The composed model into `folder`, its detector into a folder below."""
    names, ids = audioset_classes()
    components = {}
    if contents.detector:
        detector = with_query_net(recipe, "cnn14_decision_level_max")
        drop_smoothing(accounts, SCORER)
        found = import_query_net(accounts, detector, DETECTOR, folder / DETECTOR_FOLDER)
        components["detector"] = found["query net"]
    model = build_model(recipe, names, ids)
    fill_query_net(accounts, model.query_net, QUERY_NET)
    accounts.fill(model.embedding, ADAPTOR, same)
    fill_separator(accounts, model.separator)
    accounts.settle()
    bank = fill_bank(model)
    save_model(model, folder, recipe)
    parts = {
        "query net": recipe.query_net,
        "strategy": recipe.embedding,
        "separator": recipe.separator,
    }
    return {kind: component.name for kind, component in parts.items()} | components, bank


def import_query_net(
    accounts: Accounts, recipe: Recipe, prefix: str, folder: Path
) -> dict[str, str]:
    """A query net into a folder such as stage 1 of training leaves, for a recipe's `query_net.weights`."""
    names, ids = audioset_classes()
    query_net = cast(nn.Module, build_query_net(recipe, names))
    fill_query_net(accounts, query_net, prefix)
    if not prefix:
        accounts.settle()
    write_text(folder / RECIPE, dump_recipe(recipe))
    write_classes(folder / CLASSES, tuple(names), tuple(ids))
    save_weights(query_net, folder / WEIGHTS)
    return {"query net": recipe.query_net.name}


def import_separator(
    accounts: Accounts, recipe: Recipe, contents: Contents, folder: Path
) -> dict[str, str]:
    """A separator alone; modules beside it in the file are of no use without the system they belong to."""
    assert contents.separator is not None
    known = {"sample_rate": SAMPLE_RATE, "condition_size": contents.separator["condition_size"]}
    component = Component(name=recipe.separator.name, **{**known, **recipe.separator.parameters})
    separator = build_component("separator", component, {})
    fill_separator(accounts, separator)
    for key in accounts.left():
        module = key.partition(".")[0]
        if f"{module}." != SEPARATOR:
            accounts.drop([key], f"module {module!r}, which is no part of the separator")
    accounts.settle()
    save_separator(separator, component, folder)
    return {"separator": component.name}


def audioset_classes() -> tuple[list[str], list[str]]:
    """Names and ids of the classes that all these checkpoints were trained on."""
    return [one.name for one in classes()], [one.machine_id for one in classes()]


def with_choice(contents: Contents, query_net: str, recipe: Path | None) -> Contents:
    """The contents of a PANNs file, told which net it is for."""
    if contents.kind != "query net" or recipe is not None:
        reason = (
            "--recipe names it"
            if recipe is not None
            else "this checkpoint says itself what it holds"
        )
        raise UserError(
            f"--query-net tells the nets of PANNs files apart, and {reason}; leave it out"
        )
    return Contents("query net", query_net={"name": query_net})


def notes(contents: Contents, recipe: Path | None) -> Iterator[str]:
    """What whoever uses the folder should know."""
    if recipe is None:
        if contents.note:
            yield contents.note
        if contents.kind != "separator":
            yield "recipe.yaml: its corpus is a placeholder, its training the paper's"
    if contents.kind == "separator":
        yield "nothing here makes its conditions, so it cannot separate by itself; it is a start for training"


def check_free(output: Path) -> None:
    """Refuse an output that would be overwritten."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(f"{output}: is there already; name another --output, or remove it first")


@contextmanager
def folder_made_aside(output: Path) -> Iterator[Path]:
    """A folder beside `output` that takes its name when the block ends well, and is removed if not."""
    aside = output.with_name(f".{output.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        aside.replace(output)
    except OSError as error:
        raise UserError(
            f"{output}: cannot be written ({error.strerror}); check folder and disk"
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
