"""What a plan says that a separation takes is what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from band_models import KeepsBands
from ontology_models import AMBULANCE, SPEECH, VIOLIN, ontology_model, tones, write

from uss_plugins.separation.hierarchy.conditions import NodeConditions
from uss_plugins.separation.hierarchy.cost import estimate_cost
from uss_plugins.separation.hierarchy.plan import Selection
from uss_plugins.separation.hierarchy.walk import plan_recording
from uss_plugins.separation.recording import Settings, separate_recording


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"overlap_seconds": 0.0},
        {"pad_last": True},
        {"segment_seconds": 2.0},
        {"segment_seconds": 2.0, "overlap_seconds": 0.0},
    ],
    ids=["default", "no overlap", "padded", "2 s", "2 s, no overlap"],
)
@pytest.mark.parametrize("seconds", [0.5, 3.0, 10.23, 12.0, 25.0])
def test_the_batches_of_a_plan_are_those_of_the_separation(
    tmp_path: Path, seconds: float, settings: dict[str, float], batch_size: int
) -> None:
    separator = KeepsBands()
    model = ontology_model(separator)
    parts = ((SPEECH, 0.5, 0.0, 2.5), (AMBULANCE, 0.4, 0.0, seconds), (VIOLIN, 0.4, 1.0, seconds))
    path = write(tmp_path / "street.wav", tones(*parts, seconds=seconds))
    made = Settings(**settings, batch_size=batch_size)  # type: ignore[arg-type]
    plan = plan_recording(model, path, Selection(levels=(1, 2, 3), threshold=0.01), made)
    cost = estimate_cost(model, plan, made)
    timed = {samples for _, _, samples in separator.shapes}
    separator.shapes.clear()
    separate_recording(
        model, path, NodeConditions(model, plan), tmp_path / "out", made, places=plan.places
    )
    assert cost.batches == len(separator.shapes) > 0
    assert cost.estimates == sum(items for items, _, _ in separator.shapes)
    assert timed == {samples for _, _, samples in separator.shapes}


def test_nothing_heard_takes_no_batch(tmp_path: Path) -> None:
    model = ontology_model(KeepsBands())
    path = write(tmp_path / "silence.wav", tones(seconds=3.0))
    settings = Settings()
    plan = plan_recording(model, path, Selection(levels=(1,)), settings)
    cost = estimate_cost(model, plan, settings)
    assert (cost.estimates, cost.batches, cost.separating_seconds) == (0, 0, 0.0)
