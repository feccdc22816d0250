"""The `evaluation` section of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EvaluationSection(BaseModel):
    """How a model is judged. Every key has a default, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pairs_per_class: int = Field(
        default=20, ge=1, description="Two-source mixtures that hold the target, for each class."
    )
    absent_per_class: int = Field(
        default=10, ge=0, description="Mixtures without the target, for each class: what leaks."
    )
    mixture_query: bool = Field(
        default=False,
        description="Also query by what is heard of the class in the mixture, as at separation.",
    )
    segment_seconds: float = Field(default=2.0, gt=0, description="Length of a mixture (s).")
    segments: Literal["true", "mined"] = Field(
        default="true",
        description="Where segments come from: the corpus's isolated sources, or mined anchors.",
    )
    batch_size: int = Field(default=32, ge=1, description="Mixtures separated together.")
    bootstrap_samples: int = Field(
        default=1000, ge=1, description="Resamplings behind each 95 % interval."
    )
    examples: int = Field(
        default=24, ge=0, description="Most examples, one for a class, in the report."
    )
    seed: int = Field(default=0, ge=0, description="Of the pairing and of the bootstrap.")
