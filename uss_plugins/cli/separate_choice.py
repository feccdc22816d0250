"""What the verb `separate` is asked to extract: contradicting options are refused, others make a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.cli.separate_options import SeparateOptions
    from uss_plugins.separation.model import UniversalSeparator
    from uss_plugins.separation.queries import Conditions


def check_choice(options: SeparateOptions) -> None:
    """Refuse options that contradict each other."""
    if options.classes is not None and options.query_files:
        raise UserError("--classes and --query both say what to extract; give one of them")
    if options.together and options.classes is None:
        raise UserError("--together joins the classes of --classes; name them")
    if options.threshold is not None and options.query_files:
        raise UserError("--threshold is about classes, and --query has none; leave it out")
    not_with_nodes = {
        "--classes": options.classes is not None,
        "--query": options.query_files,
        "--condition": options.condition != "auto",
    }
    only_with_nodes = {
        "--top": options.top is not None,
        "--min-seconds": options.min_seconds is not None,
        "--consistent": options.consistent,
        "--first-parent": options.first_parent,
        "--plan": options.plan,
    }
    if options.by_nodes:
        for option in (name for name, given in not_with_nodes.items() if given):
            raise UserError(f"{option} does not go with --levels and --node; leave one of them out")
    else:
        for option in (name for name, given in only_with_nodes.items() if given):
            raise UserError(
                f"{option} is about nodes of the ontology; give --levels or --node, too"
            )


def make_conditions(model: UniversalSeparator, options: SeparateOptions) -> Conditions:
    """The query that the options describe."""
    from uss_plugins.separation.queries import classes_query, detected_query
    from uss_plugins.separation.query_audio import audio_query

    if options.query_files:
        return audio_query(model, options.query_files)
    condition, threshold = options.condition, options.threshold
    if options.classes is None:
        return detected_query(model, threshold=threshold, condition=condition)  # type: ignore[arg-type]
    return classes_query(
        model,
        options.classes,
        together=options.together,
        threshold=threshold,
        condition=condition,  # type: ignore[arg-type]  # checked by click
    )
