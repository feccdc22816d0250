"""A recipe: one YAML file that says which components, which corpus, and how they are trained and judged.

A recipe may `extend` another, relative to its own place; mappings are merged key by key, everything else is
replaced, and a component of another name replaces the whole component with its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from registry.errors import UserError, nearest
from uss_plugins.evaluation.section import EvaluationSection

Positive = Annotated[int, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Range = tuple[float, float]


class Section(BaseModel):
    """A part of a recipe: a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Component(BaseModel):
    """A plug-in by name; every other key is a parameter of its factory, checked when it is built."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The factory's parameters."""
        return dict(self.model_extra or {})


class NetSection(Component):
    """A query net or a separator, with fresh weights or with given ones."""

    weights: Path | None = None
    """A tagger's folder, as stage 1 or `uss-plugins import` leaves it, whose weights the net takes; for a net
    that can read them, another toolkit's file or folder. For a separator, a separator's folder, as `import`
    makes of AudioSep's; training starts from its weights."""

    @property
    def has_foreign_weights(self) -> bool:
        """Whether the weights are not in a folder of our own, with its recipe."""
        return self.weights is not None and not (self.weights / "recipe.yaml").is_file()

    @property
    def brings_weights(self) -> bool:
        """Whether the net itself gets weights, by a parameter of its own that names them."""
        return self.parameters.get("pretrained") is not None


class CorpusSection(Component):
    """A corpus plug-in. `splits` holds what differs between train, valid and test."""

    splits: dict[Literal["train", "valid", "test"], dict[str, Any]] = {}
    cache: bool = False
    """Keep each clip, once rendered or decoded, as 16-bit samples in the experiment's folder."""

    def split_parameters(self, split: str) -> dict[str, Any]:
        """The factory's parameters for one split."""
        differing = {str(name): parameters for name, parameters in self.splits.items()}
        return {**self.parameters, **differing.get(split, {}), "split": split}


class OptimiserSection(Section):
    """AdamW; the defaults are the paper's."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    amsgrad: bool = True


class ScheduleSection(Component):
    """Learning-rate factor over steps: a schedule of `training/schedules.py` and its parameters."""

    name: str = "none"


class FitSection(Section):
    """What both stages of training share."""

    steps: Positive
    batch_size: Positive = 16
    validate_every: Positive = 1000
    """Steps between validations; a checkpoint is written at each."""
    validation_batches: Positive = 10
    optimiser: OptimiserSection = OptimiserSection()
    schedule: ScheduleSection = ScheduleSection()
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient; None does not clip."""
    precision: Literal["32", "bf16"] = "32"
    workers: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def whole_epochs(self) -> FitSection:
        """Validation closes every training, so its interval must divide the steps."""
        if self.steps % self.validate_every:
            raise ValueError(
                f"steps={self.steps} must be a multiple of validate_every={self.validate_every}"
            )
        return self


class TaggerSection(FitSection):
    """Stage 1: the query net learns to tag, and by that to detect, from weak labels."""


class AnchorSection(Section):
    """Where in a clip its class is taken to sound (paper, section III-B)."""

    segment_seconds: Annotated[float, Field(gt=0)] = 2.0
    method: Literal["largest_area", "sliding", "random"] = "largest_area"
    """By a detector's frames; by a tagger that hears one segment after the other; or anywhere."""
    batch_size: Positive = 32
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that read clips beside the one that listens."""
    exclusive: Probability | None = None
    """Train only on anchors in which the tagger hears no other class with more than this probability; None
    takes all. A class that would lose all its anchors keeps them."""


class MixingSection(Section):
    """How anchor segments become mixtures (paper, section III-D)."""

    sources: Annotated[int, Field(ge=2)] = 2
    match_energy: bool = True
    gain_range_db: Range = (0.0, 0.0)
    """Random gain of each interferer, relative to matched energy."""
    disjoint: bool = True
    """Never mix in what carries, or is tagged with, the target's class."""
    disjoint_threshold: Probability = 0.5
    """Probability from which an interferer counts as tagged with a class."""

    @model_validator(mode="after")
    def ordered_range(self) -> MixingSection:
        """A range goes up."""
        low, high = self.gain_range_db
        if low > high:
            raise ValueError(f"gain_range_db={[low, high]} must go from the lower to the higher")
        return self


class TrainingSection(FitSection):
    """Stage 2: the separator, and what the embedding strategy trains, learn on mixed anchors."""

    loss: str | Component = "l1_waveform"
    """A loss of `training/losses.py`, or one of Asteroid's as "asteroid.NAME"; a section where it takes
    parameters."""
    condition_from: Literal["clean", "mixture", "both", "another"] = "clean"
    """What the query net hears: the target alone, as in the paper; the mixture, as at separation, where a
    class-indexed strategy keeps the target's class; either, drawn for each mixture; or another anchor of the
    target's class, as a voice sample is another recording of its speaker."""
    train_query_net: bool = False
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of the exponential moving average of the weights; None keeps none."""
    bank_anchors_per_class: Positive | None = None
    """Training anchors behind each row of the query bank; None takes all."""


class Recipe(Section):
    """The whole of an experiment."""

    seed: int = 0
    corpus: CorpusSection
    query_net: NetSection
    detector: NetSection | None = None
    """The net that mines the anchors, if it is not the query net."""
    embedding: Component
    separator: NetSection
    tagger: TaggerSection | None = None
    """None where the net that mines the anchors has its weights already."""
    anchors: AnchorSection = AnchorSection()
    mixing: MixingSection = MixingSection()
    training: TrainingSection
    evaluation: EvaluationSection = EvaluationSection()

    @model_validator(mode="after")
    def enough_to_mix(self) -> Recipe:
        """Interferers come from the target's batch."""
        sources, batch_size = self.mixing.sources, self.training.batch_size
        if batch_size < sources:
            raise ValueError(
                f"training.batch_size={batch_size} is too small to mix mixing.sources={sources} of it"
            )
        return self

    def of_tagger(self) -> Recipe:
        """The recipe whose query net is the one that stage 1 trains and that mines the anchors."""
        if self.detector is None:
            return self
        return self.model_copy(update={"query_net": self.detector, "detector": None})


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe with what it extends, apply `a.b=c` overrides, and check it.

    Raises:
        UserError: naming the file and everything that is wrong in it.
    """
    path = Path(path)
    tree = read_tree(path)
    for override in names_first(overrides):
        apply_override(tree, override)
    return parse_recipe(tree, str(path))


def parse_recipe(tree: Mapping[str, Any], where: str) -> Recipe:
    """Check a recipe's tree; `where` names it in errors."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [describe(problem) for problem in error.errors()]
        raise UserError(f"{where}: " + "; ".join(lines)) from None


def describe(problem: Mapping[str, Any], root: type[BaseModel] = Recipe) -> str:
    """One of pydantic's findings on a file of the schema `root`, in the words of the file."""
    place = [str(part) for part in problem["loc"]]
    key = ".".join(place)
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}' ({nearest(place[-1], known_keys(place[:-1], root))})"
    if problem["type"] == "missing":
        return f"missing key '{key}'"
    message: str = problem["msg"].removeprefix("Value error, ")
    if not key:
        return message
    return f"'{key}': {message}" + (
        "" if problem["type"] == "value_error" else f", not {problem['input']!r}"
    )


def known_keys(place: Sequence[str], root: type[BaseModel] = Recipe) -> list[str]:
    """The keys that the section at `place` of the schema `root` knows."""
    section = root
    for part in place:
        if part not in section.model_fields:
            return []
        annotation = section.model_fields[part].annotation
        sections = [
            choice
            for choice in (get_args(annotation) or (annotation,))  # a section may be "or None"
            if isinstance(choice, type) and issubclass(choice, BaseModel)
        ]
        if not sections:
            return []
        section = sections[0]
    return list(section.model_fields)


def read_tree(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe's YAML with its `extends` resolved."""
    if path.resolve() in seen:
        raise UserError(f"{path}: extends itself; remove 'extends' from one file of the circle")
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise UserError(f"{path}: a recipe is a mapping of sections, such as 'corpus:'")
    base = tree.pop("extends", None)
    if base is None:
        return tree
    return merge(read_tree(path.parent / str(base), (*seen, path.resolve())), tree)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        UserError: it cannot be read, or is not YAML; the line is named.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"{path}: cannot read the recipe: {reason}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise UserError(f"{path}{line}: {problem}; mend the YAML") from None


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        if both and value.get("name", old.get("name")) == old.get("name"):  # type: ignore[union-attr]
            value = merge(old, value)  # type: ignore[arg-type]
        merged[key] = value
    return merged


def names_first(overrides: Sequence[str]) -> list[str]:
    """Overrides in an order in which a component's name comes before its parameters."""
    return sorted(overrides, key=lambda one: not one.partition("=")[0].endswith(".name"))


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Change one value in place: `a.b=c`, with c in YAML. Another name drops the old one's parameters."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"--set {override}: write a key and a value, such as training.steps=1000")
    *path, last = key.split(".")
    for depth, part in enumerate(path):
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise UserError(f"--set {override}: '{'.'.join(path[: depth + 1])}' has no keys")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--set {override}: the value is not YAML; quote it") from None
    if last == "name" and tree.get("name", value) != value:
        tree.clear()
    tree[last] = value


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML with every default written out; `load_recipe` reads it back."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
