"""Plug-ins of all fates, to be installed by tests: see `distributions`."""

from __future__ import annotations

from textwrap import dedent

from distributions import Distribution


def _plugin(hooks: str) -> str:
    return f"from registry import hookimpl\n\n{dedent(hooks)}"


DISTRIBUTIONS = (
    Distribution(
        "good-nets",
        "1.2",
        {
            "good_nets.py": _plugin("""
                @hookimpl
                def register_separators(register):
                    register("echo", "good_nets_modules:Echo", summary="gives the mixture back")
                    register("lost", "good_nets_missing:Lost", summary="is not where it should be")

                @hookimpl
                def register_corpora(register):
                    register("dictionary", "builtins:dict", summary="tells no parameters")
                """),
            "good_nets_modules.py": """
                from __future__ import annotations

                import torch


                class Echo(torch.nn.Module):
                    '''Gives the mixture back, louder.'''

                    def __init__(
                        self, condition_size: int, sample_rate: int = 8000, gain: float = 1.0
                    ) -> None:
                        super().__init__()
                        self.sample_rate, self.channels = sample_rate, 1
                        self.condition_size = condition_size
                        self.gain = gain

                    def forward(self, mixture, condition):
                        return self.gain * mixture
                """,
        },
        {"good": "good_nets"},
    ),
    Distribution(
        "raising-nets",
        "0.3",
        {"raising_nets.py": "raise RuntimeError('no licence\\nfound')\n"},
        {"raising": "raising_nets"},
    ),
    Distribution(
        "mistyped-nets",
        "0.1",
        {
            "mistyped_nets.py": _plugin("""
                @hookimpl
                def register_seperators(register):
                    register("never", "mistyped_nets:Never", summary="is never registered")
                """)
        },
        {"mistyped": "mistyped_nets"},
    ),
    Distribution(
        "hookless-nets",
        "0.1",
        {"hookless_nets.py": "def register_separators(register):\n    pass\n"},
        {"hookless": "hookless_nets"},
    ),
    Distribution(
        "twin-a",
        "1.0",
        {
            "twin_a.py": _plugin("""
                @hookimpl
                def register_separators(register):
                    register("twin", "twin_a:Twin", summary="the twin of a")
                    register("only_a", "twin_a:Twin", summary="nobody else's")

                class Twin:
                    pass
                """)
        },
        {"a": "twin_a"},
    ),
    Distribution(
        "twin-b",
        "2.0",
        {
            "twin_b.py": _plugin("""
                @hookimpl
                def register_separators(register):
                    register("twin", "twin_b:Twin", summary="the twin of b")
                    register("resunet30", "twin_b:Twin", summary="claims a built-in name")
                """)
        },
        {"b": "twin_b"},
    ),
)
