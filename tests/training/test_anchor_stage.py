"""Stage 1b: what it needs, and the random anchors that mined ones are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.tiny_recipe import write_tiny_recipe
from training.two_tones import TwoTones, anchors_of

from registry.errors import UserError
from uss_plugins.cli.recipe_options import open_experiment
from uss_plugins.training.stages.anchors import mine, random_anchors


def test_without_a_tagger_the_remedy_is_to_train_one(tmp_path: Path) -> None:
    recipe = write_tiny_recipe(tmp_path)
    with pytest.raises(UserError, match=r"exp/tagger: no tagger yet.*; run train-tagger first"):
        mine(open_experiment(recipe, tmp_path / "exp", None, (), False, "cpu", 1))


def test_random_anchors_pass_over_clips_that_became_unreadable() -> None:
    whole, damaged = TwoTones(clips=6), TwoTones(clips=6, unreadable=[1, 4])
    table = anchors_of(whole)
    drawn = random_anchors(table, damaged, seed=0)
    assert drawn.clip.tolist() == [0, 2, 3, 5]
    assert drawn.class_index.tolist() == [0, 0, 1, 1]
    assert np.array_equal(drawn.probabilities, table.probabilities[[0, 2, 3, 5]])
    lengths = np.array([len(whole.clip(clip)) for clip in drawn.clip.tolist()])
    assert (drawn.start_samples >= 0).all()
    assert (drawn.start_samples + table.segment_samples <= lengths).all()
    assert len(random_anchors(table, TwoTones(clips=6, unreadable=range(6)), seed=0)) == 0
