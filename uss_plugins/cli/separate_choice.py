"""What the verb `separate` is asked to extract: contradicting options are refused, others make a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.separation.model import UniversalSeparator
    from uss_plugins.separation.queries import Conditions


def check_nodes_choice(
    by_nodes: bool, others: Mapping[str, object], only_nodes: Mapping[str, object]
) -> None:
    """Refuse `others`, options given beside --levels or --node, and `only_nodes`, given without them."""
    for option in (name for name, given in others.items() if given and by_nodes):
        raise UserError(f"{option} does not go with --levels and --node; leave one of them out")
    for option in (name for name, given in only_nodes.items() if given and not by_nodes):
        raise UserError(f"{option} is about nodes of the ontology; give --levels or --node, too")


def check_choice(
    classes: str | None, query_files: Sequence[Path], together: bool, threshold: float | None
) -> None:
    """Refuse options that contradict each other."""
    if classes is not None and query_files:
        raise UserError("--classes and --query both say what to extract; give one of them")
    if together and classes is None:
        raise UserError("--together joins the classes of --classes; name them")
    if threshold is not None and query_files:
        raise UserError("--threshold is about classes, and --query has none; leave it out")


def make_conditions(
    model: UniversalSeparator,
    classes: str | None,
    query_files: Sequence[Path],
    together: bool,
    threshold: float | None,
    condition: Any,
) -> Conditions:
    """The query that the options describe."""
    from uss_plugins.separation.queries import classes_query, detected_query
    from uss_plugins.separation.query_audio import audio_query

    if query_files:
        return audio_query(model, query_files)
    if classes is None:
        return detected_query(model, threshold=threshold, condition=condition)
    return classes_query(
        model, classes, together=together, threshold=threshold, condition=condition
    )
