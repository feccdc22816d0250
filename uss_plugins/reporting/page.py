"""The frame of a report's page. No script, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from string import Template

_FRAME = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<p class="kicker">$kicker</p>
<h1>$heading</h1>
<p>$lead</p>
</header>
<main>
$main
</main>
</body>
</html>
"""
)


def frame(*, title: str, kicker: str, heading: str, lead: str, style: str, main: str) -> str:
    """A page. `lead` and `main` are HTML, `title`, `kicker` and `heading` plain text."""
    return _FRAME.substitute(
        title=escape(title),
        kicker=escape(kicker),
        heading=escape(heading),
        lead=lead,
        style=style,
        main=main,
    )
