"""A model on disk: a folder of plain files, none of them a pickle.

recipe.yaml          the whole recipe, defaults written out
weights.safetensors  all parameters and buffers, the query bank among them
classes.csv          index, id, name of each class
query_net/           settings and tokeniser of a query net that is built from files; without weights
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from registry.contracts import KeepsFiles
from registry.errors import UserError
from uss_plugins.compose import build_model, build_query_net
from uss_plugins.files import write_text, written_aside
from uss_plugins.recipe import Recipe, dump_recipe, load_recipe
from uss_plugins.separation.model import UniversalSeparator

RECIPE, WEIGHTS, CLASSES = "recipe.yaml", "weights.safetensors", "classes.csv"
QUERY_NET_FILES = "query_net"
SEPARATOR = "separator.yaml"  # of a separator's own folder, see importing/separator_folder.py


def save_model(model: UniversalSeparator, folder: Path, recipe: Recipe) -> None:
    """Write a model folder. The weights come last: a folder that has them is whole."""
    write_text(folder / RECIPE, dump_recipe(recipe))
    write_classes(folder / CLASSES, model.class_names, model.class_ids)
    save_query_net_files(model.query_net, folder)
    save_weights(model, folder / WEIGHTS)


def load_model(folder: str | Path, device: str = "cpu") -> UniversalSeparator:
    """The model of a folder, in evaluation mode. Its weights stay in the file until they are used.

    Raises:
        UserError: no model folder, a part of it is broken, or a component is not installed.
    """
    folder = Path(folder)
    recipe, names, ids = read_head(folder)
    model = build_model(recipe, names, ids, query_net_files(folder))
    load_weights(model, folder / WEIGHTS, mapped=True)
    return model.eval().to(device)


def model_files(folder: Path) -> list[Path]:
    """The files that make the model; what else is in its folder, such as an evaluation, is about it."""
    files = query_net_files(folder)
    below = sorted(path for path in files.rglob("*") if path.is_file()) if files else []
    return [*(folder / name for name in (RECIPE, WEIGHTS, CLASSES)), *below]


def load_query_net(folder: str | Path, device: str = "cpu") -> nn.Module:
    """The query net of a tagger's folder, in evaluation mode. Raises as `load_model`."""
    folder = Path(folder)
    recipe, names, _ = read_head(folder)
    query_net = build_query_net(recipe, names, query_net_files(folder))
    assert isinstance(query_net, nn.Module)
    load_weights(query_net, folder / WEIGHTS)
    return query_net.eval().to(device)


def query_net_files(folder: Path) -> Path | None:
    """The files that the query net of a model's or a tagger's folder is built from, if it needs any."""
    files = folder / QUERY_NET_FILES
    return files if files.is_dir() else None


def save_query_net_files(query_net: object, folder: Path) -> None:
    """Write the files that a query net is built from, all of them or none."""
    if not isinstance(query_net, KeepsFiles):
        return
    files, aside = folder / QUERY_NET_FILES, folder / f"{QUERY_NET_FILES}.{os.getpid()}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    query_net.save_files(aside)
    shutil.rmtree(files, ignore_errors=True)
    aside.rename(files)


def read_head(folder: Path) -> tuple[Recipe, list[str], list[str]]:
    """The recipe, and the names and ids of the classes, of a model's or a tagger's folder."""
    if (folder / SEPARATOR).is_file():
        raise UserError(
            f"{folder}: holds a separator without a query net, which separates nothing by itself; train"
            " a model from it, by separator.weights in a recipe"
        )
    for name in (RECIPE, CLASSES, WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder}: not a model folder ({name} is missing); give one that 'train' has finished"
            )
    try:
        with (folder / CLASSES).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{folder / CLASSES}: not a CSV in UTF-8 ({error}); copy it again"
        ) from None
    if not all(row.get("name") and row.get("id") for row in rows):
        raise UserError(f"{folder / CLASSES}: needs the columns index, id and name in every row")
    return (
        load_recipe(folder / RECIPE),
        [row["name"] for row in rows],
        [row["id"] for row in rows],
    )


def write_classes(path: Path, names: tuple[str, ...], ids: tuple[str, ...]) -> None:
    """The table of classes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("index", "id", "name"))
    writer.writerows((index, *pair) for index, pair in enumerate(zip(ids, names, strict=True)))
    write_text(path, text.getvalue())


def save_weights(module: nn.Module, path: Path) -> None:
    """All persistent parameters and buffers of a module."""
    state = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    with written_aside(path) as aside:
        save_file(state, aside)


def load_weights(module: nn.Module, path: Path, *, mapped: bool = False) -> None:
    """Fill a module from a file that holds exactly its keys and shapes.

    mapped: leave the values in the file, from where the system fetches them when they are used and only then,
        as those of a query net that nobody asks. The file may be replaced or removed meanwhile, as all
        writers of this project do it, but not be written over. What the module changes stays in its memory.

    Raises:
        UserError: the file cannot be read, or holds other keys or shapes; the first few are named.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: cannot read the weights ({error}); train or copy it again"
        ) from None
    wanted = module.state_dict()
    wrong = [f"{key} is missing" for key in wanted if key not in state]
    wrong += [f"{key} is not known" for key in state if key not in wanted]
    wrong += [
        f"{key} is {tuple(state[key].shape)}, not {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(
            f"{path}: does not fit its recipe: {'; '.join(wrong[:3])}{more};"
            " the recipe or the weights were changed since they were written"
        )
    with torch.no_grad():
        module.load_state_dict(
            {key: value.to(wanted[key].dtype) for key, value in state.items()},
            assign=mapped and not _shares_memory(wanted),
        )


def _shares_memory(state: Mapping[str, Tensor]) -> bool:
    """Whether some tensors are the same under several names, which assigning one by one would end."""
    places = [value.data_ptr() for value in state.values() if value.numel()]
    return len(set(places)) < len(places)
