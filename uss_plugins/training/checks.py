"""What can be said of a recipe before any audio is read: whether it can be trained at all."""

from __future__ import annotations

from registry.contracts import Corpus
from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.recipe import Recipe
from uss_plugins.training.losses import find_loss
from uss_plugins.training.pretrained import check_nets, check_rate
from uss_plugins.training.schedules import make_schedule


def checked(recipe: Recipe, corpus: Corpus) -> Recipe:
    """The recipe with the corpus's rate in its nets (`settle_sample_rate`), known to compose.

    corpus: a split of the recipe's corpus, whose classes and rate count.

    Raises:
        UserError: an unknown loss or schedule, nets without fitting weights, parameters that components
            refuse, or components that disagree.
    """
    find_loss(recipe.training.loss)
    for section in filter(None, (recipe.tagger, recipe.training)):
        make_schedule(section)
    recipe = settle_sample_rate(recipe, corpus.sample_rate)
    check_nets(recipe, corpus.class_names)
    check_rate(build_model(recipe, corpus.class_names, corpus.class_ids), corpus)
    return recipe
