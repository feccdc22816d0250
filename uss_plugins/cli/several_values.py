"""Options that take several values at once: `--query a.wav b.wav`, `--levels 1 2 3`."""

from __future__ import annotations

from collections.abc import Callable

import click

SEVERAL: dict[str, Callable[[str], bool]] = {
    "--query": lambda value: True,
    "--not-query": lambda value: True,
    "--levels": str.isdecimal,
}
"""Option -> which of the arguments after its first value belong to it, too; up to the next option."""


class SeveralValuesCommand(click.Command):
    """A command whose options in `SEVERAL` may be followed by several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each further value, which is how click takes several."""
        spelt_out: list[str] = []
        option = ""
        values = 0
        for argument in args:
            if argument.startswith("-") and argument != "-":
                option, values = argument, 0
            elif values and not SEVERAL[option](argument):
                option, values = "", 0
            elif option in SEVERAL:
                if values:
                    spelt_out.append(option)
                values += 1
            spelt_out.append(argument)
        return super().parse_args(ctx, spelt_out)
