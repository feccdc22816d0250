"""The command line, `uss-plugins`: one file per verb, imported when that verb is called."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import click

from registry.errors import UserError, nearest

EXIT_BUG = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class Verb(NamedTuple):
    """Where a verb's click command is, "module:attribute" in this package, and its line of help."""

    command: str
    summary: str


VERBS: dict[str, Verb] = {
    "list": Verb("list_components:list_components", "List the installed components and plug-ins."),
    "show": Verb("show:show", "Show a component's parameters, documentation and source."),
    "check": Verb("check:check", "Check that components keep their contracts."),
    "new": Verb("new:new", "Write the package of a new plug-in."),
    "doctor": Verb("doctor:doctor", "Check this installation."),
    "pack": Verb("pack:pack", "Pack AudioSet's files into one HDF5."),
    "pack-index": Verb("pack:pack_index", "Join packed files under an index."),
    "train-tagger": Verb("train_tagger:train_tagger", "Train a query net on weak labels."),
    "mine-anchors": Verb("mine_anchors:mine_anchors", "Find where in each clip its classes sound."),
    "train": Verb("train:train", "Train a separator from a recipe."),
    "import": Verb(
        "import_checkpoint:import_checkpoint", "Make a model of a released system's checkpoint."
    ),
    "fetch": Verb("fetch:fetch", "Download published weights."),
    "make-pairs": Verb("make_pairs:make_pairs", "Write evaluation mixtures as files."),
    "evaluate": Verb("evaluate:evaluate", "Measure how well a model separates."),
    "compare": Verb("compare:compare", "Tabulate evaluated experiments side by side."),
    "benchmark": Verb("benchmark:benchmark", "Train and measure a grid of components."),
    "separate": Verb("separate:separate", "Separate recordings with a trained model."),
    "export": Verb("export:export", "Write a trained model for another toolkit."),
    "score": Verb("score:score", "Score an estimate against a reference that one has."),
}


@dataclass
class Session:
    """What the options before or after the verb say about the whole call."""

    debug: bool = False


def _set_debug(context: click.Context, _parameter: click.Parameter, debug: bool) -> None:
    context.ensure_object(Session).debug |= debug


DEBUG_OPTION = click.Option(
    ["--debug"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_debug,
    help="Show the traceback of an error.",
)


class LazyGroup(click.Group):
    """A group whose help is in a table, so that only the verb that is called gets imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order people use them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb, and let it take `--debug` too."""
        if cmd_name not in VERBS:
            raise click.UsageError(
                f"no verb is called {cmd_name!r}; {nearest(cmd_name, VERBS)}", ctx
            )
        module, _, attribute = VERBS[cmd_name].command.partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"uss_plugins.cli.{module}"), attribute
        )
        if DEBUG_OPTION not in command.params:
            command.params.append(DEBUG_OPTION)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs' lines of help."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.group(
    cls=LazyGroup,
    params=[DEBUG_OPTION],
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="uss-plugins", message="%(package)s %(version)s")
def cli() -> None:
    """Universal sound source separation from weak labels, with every component a plug-in."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit: 2 on a user's error, 1 on a bug, 130 when interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(arguments or ["--help"]))


def _run(arguments: list[str]) -> int:
    session = Session()
    try:
        result = cli.main(arguments, "uss-plugins", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left; nothing may be written when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BUG
    except (click.Abort, KeyboardInterrupt):
        return _report("interrupted", EXIT_INTERRUPTED, session)
    except click.ClickException as error:
        return _report(f"error: {_usage_message(error)}", EXIT_USER_ERROR, session)
    except UserError as error:
        return _report(f"error: {error}", EXIT_USER_ERROR, session)
    except OSError as error:
        if error.filename is None:
            return _report_bug(error, session)
        message = (
            f"error: {error.filename}: {error.strerror}; check the path, its rights and its disk"
        )
        return _report(message, EXIT_USER_ERROR, session)
    except Exception as error:
        return _report_bug(error, session)
    return result if isinstance(result, int) else 0


def _report_bug(error: Exception, session: Session) -> int:
    message = f"internal error: {type(error).__name__}: {error}"
    return _report(f"{message} (run again with --debug for the traceback)", EXIT_BUG, session)


def _report(message: str, exit_code: int, session: Session) -> int:
    if session.debug:
        traceback.print_exc()
    else:
        click.echo(" ".join(message.split()), err=True)
    return exit_code


def _usage_message(error: click.ClickException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    return f"{message} (see {context.command_path} --help)" if context else message
