"""Asteroid's command `asteroid-infer`, in a process that knows exported models.

python -m uss_plugins.exporting.asteroid_infer out.pth --files mixture.wav --resample

Asteroid looks a model's class up among its own, and a file of weights cannot bring any code along, so whoever
loads an exported file must have imported the class before. Asteroid's command has no place to say so. This
one imports it, and then runs whatever the installed Asteroid has registered as `asteroid-infer`; it takes its
arguments. It also starts where torchaudio does not load by itself, see `uss_plugins.ecosystems`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points

COMMAND = "asteroid-infer"


def main() -> None:
    """Run Asteroid's command with this process's arguments."""
    import_module("uss_plugins.exporting.asteroid_model")
    (command,) = entry_points(group="console_scripts", name=COMMAND)
    sys.argv[0] = COMMAND
    sys.exit(command.load()())


if __name__ == "__main__":
    main()
