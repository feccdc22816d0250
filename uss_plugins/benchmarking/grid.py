"""A grid: one YAML file that says which components are combined, and what each combination may cost.

    extends: demo.yaml                  # the recipe that all combinations start from, relative to this file
    recipe: {...}                       # changes to it, as a recipe's own sections
    budget: {steps: 400}                # or {seconds: 20}; the same for all combinations
    query_nets: [cnn_small, ...]        # components by name, or as mappings with parameters; each of the
    embeddings: [soft, latent, ...]     # three lists may be left out, for the recipe's own component
    separators: [...]
    axes: {training.loss: [...]}        # any other key of a recipe, with its values
    example_class: Siren                # whose first mixture every combination's player plays

A component's mapping may hold a `label`, which stands for it in tables, and `recipe`, further changes that
come with it. All combinations share the corpus, so neither it nor the budget can be an axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from registry.errors import UserError
from uss_plugins.recipe import Component, Positive, Section, describe, merge, read_tree, read_yaml

COMPONENT_AXES = {"query_net": "query_nets", "embedding": "embeddings", "separator": "separators"}
"""Axis, which is a section of the recipe -> the grid's key that lists its choices."""
SHARED_KEYS = ("corpus", "training.steps", "training.validate_every")
"""What all combinations have in common: one corpus, one budget."""


class Budget(Section):
    """What each combination may spend on training: steps, or seconds of steps and validations.

    Seconds become steps by a short trial before the training, whose result is kept with the combination, so
    that its schedule fits and the training can be repeated exactly. Its `warm_up_steps`
    are a tenth of it at most.
    """

    steps: Positive | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    validations: Positive = 4
    """How often a training is validated, at equal distances, its end included."""

    @model_validator(mode="after")
    def one_of_the_two(self) -> Budget:
        """Steps or seconds, and steps that the validations divide."""
        if (self.steps is None) == (self.seconds is None):
            raise ValueError("give either steps or seconds")
        if self.steps is not None and self.steps % self.validations:
            raise ValueError(
                f"steps={self.steps} must be a multiple of validations={self.validations}"
            )
        return self

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps else f"{self.seconds:g} s"


class Choice(Component):
    """A component of one axis: its name, or a mapping of name, parameters, `label` and `recipe`."""

    label: str = ""
    recipe: dict[str, Any] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def from_name(cls, given: Any) -> Any:
        """A name alone stands for the component with its defaults."""
        return {"name": given} if isinstance(given, str) else given


class GridFile(Section):
    """The schema of the file; see the head of this module."""

    extends: Path
    recipe: dict[str, Any] = Field(default={})
    budget: Budget
    query_nets: tuple[Choice, ...] = ()
    embeddings: tuple[Choice, ...] = ()
    separators: tuple[Choice, ...] = ()
    axes: dict[str, tuple[Any, ...]] = Field(default={})
    example_class: str | None = None


class Option(Section):
    """One place on an axis: its label, and what it changes in the recipe."""

    label: str
    changes: dict[str, Any]


class Grid(Section):
    """A grid that was read: the base recipe's tree, and the axes' options in their order."""

    path: Path
    base: dict[str, Any]
    budget: Budget
    axes: dict[str, tuple[Option, ...]]
    example_class: str | None


def load_grid(path: str | Path) -> Grid:
    """Read a grid with the recipe it extends.

    Raises:
        UserError: naming the file and what is wrong in it.
    """
    path = Path(path)
    tree = read_yaml(path)
    if not isinstance(tree, Mapping):
        raise UserError(
            f"{path}: a grid is a mapping with the keys {', '.join(GridFile.model_fields)}"
        )
    try:
        file = GridFile.model_validate(tree)
    except ValidationError as error:
        lines = [describe(problem, GridFile) for problem in error.errors()]
        raise UserError(f"{path}: " + "; ".join(lines)) from None
    base = merge(read_tree(path.parent / file.extends), file.recipe)
    axes = {axis: options_of(file, axis, base) for axis in COMPONENT_AXES}
    for key, values in file.axes.items():
        axes[key] = tuple(
            Option(label=str(value), changes=nested(key.split("."), value)) for value in values
        )
    check_axes(path, file, axes)
    return Grid(
        path=path,
        base=base,
        budget=file.budget,
        axes=axes,
        example_class=file.example_class,
    )


def options_of(file: GridFile, axis: str, base: Mapping[str, Any]) -> tuple[Option, ...]:
    """The options of a component's axis; the recipe's own component, if the grid lists none."""
    choices: Sequence[Choice] = getattr(file, COMPONENT_AXES[axis])
    if not choices:
        own = base.get(axis)
        label = str(own.get("name", "-")) if isinstance(own, Mapping) else "-"
        return (Option(label=label, changes={}),)
    return tuple(
        Option(
            label=choice.label or choice.name,
            changes=merge({axis: {"name": choice.name, **choice.parameters}}, choice.recipe),
        )
        for choice in choices
    )


def nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    """A tree with one value: keys a, b and value 1 to {a: {b: 1}}."""
    return {keys[0]: nested(keys[1:], value) if len(keys) > 1 else value}


def check_axes(path: Path, file: GridFile, axes: Mapping[str, tuple[Option, ...]]) -> None:
    """Refuse axes that are empty or ambiguous, or that change what all combinations share."""
    problems = []
    for axis, options in axes.items():
        if not options:
            problems.append(f"axis '{axis}' has no values")
        if axis in file.axes and axis in COMPONENT_AXES:
            problems.append(f"axis '{axis}' is a list of its own: '{COMPONENT_AXES[axis]}'")
        labels = [option.label for option in options]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        problems += [
            f"axis '{axis}' has two choices {label!r}; give one a label" for label in twice
        ]
        for option in options:
            problems += [
                f"'{key}' of {option.label!r} is the same for all combinations; set it under"
                f" '{'budget' if key.startswith('training') else 'recipe'}'"
                for key in SHARED_KEYS
                if holds(option.changes, key.split("."))
            ]
    if problems:
        raise UserError(f"{path}: " + "; ".join(problems))


def holds(tree: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Whether a tree has something at a key."""
    if keys[0] not in tree:
        return False
    inner = tree[keys[0]]
    return len(keys) == 1 or (isinstance(inner, Mapping) and holds(inner, keys[1:]))
