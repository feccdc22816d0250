"""Writes a trained model with fixed queries as a file of Asteroid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from registry.errors import UserError
from uss_plugins.ecosystems import import_torchmetrics
from uss_plugins.files import written_aside
from uss_plugins.separation.folder import load_model, read_head
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import bank_condition, resolve_classes
from uss_plugins.separation.query_audio import condition_from_file


def export_asteroid(
    model_dir: Path, out: Path, *, classes: str | None = None, query_files: Sequence[Path] = ()
) -> list[str]:
    """Write the model of a folder, asked always for the same, as a file for Asteroid.

    classes: each is a source of its own, with its mean condition in training.
    query_files: recordings; what sounds like them is the one source.

    Gives the names of the sources.

    Raises:
        UserError: no model folder, no such class, or the model's bank does not know it.
    """
    if (classes is None) == (not query_files):
        raise UserError("the query is fixed in an export; give either --classes or --query")
    model = load_model(model_dir)
    conditions = fixed_conditions(model, classes, query_files)
    conf = asteroid_conf(model, read_head(model_dir)[0].separator, conditions)
    with written_aside(out) as aside:
        torch.save(conf, aside)
    return list(conditions)


@torch.no_grad()
def fixed_conditions(
    model: UniversalSeparator, classes: str | None, query_files: Sequence[Path]
) -> dict[str, Tensor]:
    """Source -> condition (condition_size,)."""
    if classes is None:
        heard = torch.stack([condition_from_file(model, path) for path in query_files])
        return {"query" if len(query_files) > 1 else query_files[0].stem: heard.mean(0)}
    indices = resolve_classes(model.class_names, model.class_ids, classes)
    return {model.class_names[index]: bank_condition(model, [index]) for index in indices}


def asteroid_conf(
    model: UniversalSeparator, separator: Any, conditions: dict[str, Tensor]
) -> dict[str, Any]:
    """What Asteroid's `from_pretrained` takes: plain values and tensors, in the layout of its `serialize`."""
    from uss_plugins.exporting.asteroid_model import FixedQuerySeparator

    fixed: Any = FixedQuerySeparator(
        {"name": separator.name, **separator.parameters},
        list(conditions),
        model.condition_size,
        model.sample_rate,
    )
    fixed.separator.load_state_dict(model.separator.state_dict())
    fixed.conditions.copy_(torch.stack(list(conditions.values())))
    import_torchmetrics()  # imported by what Asteroid imports to name versions
    conf: dict[str, Any] = fixed.serialize()
    versions = conf["infos"]["software_versions"]
    conf["infos"]["software_versions"] = {name: str(version) for name, version in versions.items()}
    return conf
