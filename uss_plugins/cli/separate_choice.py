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
    wanted = {
        "--classes": options.classes is not None,
        "--query": options.query_files,
        "--text": options.texts,
    }
    unwanted = {"--not-query": options.not_query_files, "--not-text": options.not_texts}
    asked = [name for name, given in wanted.items() if given]
    first = asked[0] if asked else ""
    if len(asked) > 1:
        raise UserError(f"{first} and {asked[1]} both say what to extract; give one of them")
    if options.together and first not in ("--classes", "--text"):
        raise UserError(
            "--together joins the classes of --classes or the texts of --text; give them"
        )
    if options.threshold is not None and first in ("--query", "--text"):
        raise UserError(f"--threshold is about classes, and {first} has none; leave it out")
    not_with_nodes = {
        **wanted,
        **unwanted,
        "--condition": options.condition != "auto",
        "--channels independent": options.channels != "shared",
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
        return
    for option in (name for name, given in unwanted.items() if given and not first):
        raise UserError(
            f"{option} takes away from what --classes, --query or --text asks for; give one of them, or for"
            " all but one sound --query with --residual"
        )
    for option in (name for name, given in only_with_nodes.items() if given):
        raise UserError(f"{option} is about nodes of the ontology; give --levels or --node, too")


def make_conditions(model: UniversalSeparator, options: SeparateOptions) -> Conditions:
    """The query that the options describe, less what they do not want."""
    from uss_plugins.separation.negation import take_away

    conditions = wanted_conditions(model, options)
    return take_away(
        model,
        conditions,
        options.not_query_files,
        options.not_texts,
        from_text=bool(options.texts),
    )


def wanted_conditions(model: UniversalSeparator, options: SeparateOptions) -> Conditions:
    """The query that the options describe."""
    from uss_plugins.separation.queries import classes_query, detected_query
    from uss_plugins.separation.query_audio import audio_query
    from uss_plugins.separation.query_text import text_query

    if options.query_files:
        return audio_query(model, options.query_files)
    if options.texts:
        return text_query(model, options.texts, together=options.together)
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
