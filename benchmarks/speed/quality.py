"""What a precision costs a trained model in SDRi."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from uss_plugins.compose import build_corpus
from uss_plugins.evaluation.protocol import evaluation_pairs
from uss_plugins.evaluation.run import evaluate
from uss_plugins.recipe import load_recipe
from uss_plugins.separation.folder import load_model

FORMS = {"as it is": None, "fp32": torch.float32, "bf16": torch.bfloat16}


def quality_row(model_dir: str, device: torch.device) -> dict[str, Any]:
    """SDRi of a trained model on its own test split, with its separator as it is and prepared."""
    recipe = load_recipe(Path(model_dir) / "recipe.yaml")
    section = recipe.evaluation.model_copy(
        update={"pairs_per_class": 8, "absent_per_class": 0, "bootstrap_samples": 10}
    )
    corpus = build_corpus(recipe, "test")
    pairs = evaluation_pairs(corpus, section)
    found: dict[str, Any] = {"pairs": len(pairs)}
    for name, precision in FORMS.items():
        model = load_model(model_dir, str(device))
        if precision is not None:
            model.prepare(precision)
        results = evaluate(model, corpus, pairs, section)
        found[name] = results.bank["sdr_improvement"].value
    found["difference_db"] = abs(found["bf16"] - found["as it is"])
    return found
