"""What the READMEs show is true: the plug-in works, and every verb, option and target exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from command_line import RunCli
from distributions import Distribution, install

from uss_plugins.cli import VERBS, cli

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
READMES = (
    "README.md",
    "registry/README.md",
    "recipes/synthetic/README.md",
    "recipes/audioset/README.md",
    "recipes/text/README.md",
    "recipes/speakers/README.md",
    "recipes/speechbrain/README.md",
    "benchmarks/README.md",
    "benchmarks/SEPARATION_SPEED.md",
)
COMPOSED = """
import sys
from registry.conformance import check
from uss_plugins.compose import build_model
from uss_plugins.recipe import load_recipe

model = build_model(load_recipe(sys.argv[1], ["separator.name=gain"]), ["Speech", "Rain"], ["/a", "/b"])
print(type(model.separator).__module__, model.separator.condition_size, check("separator", model.separator))
"""


def block(language: str) -> str:
    """The one block of a language that the main README has of a plug-in."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Write a plug-in\n(.*?)^## ", text, re.M | re.S)
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)
    return str(found)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The README's plug-in, installed as its pyproject.toml says."""
    project = tomllib.loads(block("toml"))["project"]
    plugins = project["entry-points"]["uss_plugins"]
    example = Distribution(
        project["name"], project["version"], {"my_plugin.py": block("python")}, plugins
    )
    site = install(tmp_path_factory.mktemp("readme") / "installed", example)
    return {"PYTHONPATH": str(site), "USS_PLUGINS_DISABLE": ""}


def test_the_plug_in_is_listed(run_cli: RunCli, environment: dict[str, str]) -> None:
    listing = json.loads(run_cli("list", "--json", env=environment).stdout)
    (gain,) = [one for one in listing["components"] if one["name"] == "gain"]
    assert (gain["kind"], gain["distribution"], gain["version"]) == (
        "separator",
        "my-plugin",
        "0.1.0",
    )
    assert listing["broken"] == []


def test_the_plug_ins_parameters_are_shown(run_cli: RunCli, environment: dict[str, str]) -> None:
    shown = json.loads(run_cli("show", "separator", "gain", "--json", env=environment).stdout)
    parameters = [(one["name"], one["type"], one["composed"]) for one in shown["parameters"]]
    assert parameters == [("condition_size", "int", True), ("sample_rate", "int", True)]
    assert shown["source"]["file"].endswith("my_plugin.py")


def test_a_recipe_composes_with_the_plug_in(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPOSED, ROOT / "recipes" / "synthetic" / "soft.yaml"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "my_plugin 2 []\n", done.stderr


def snippets(readme: str) -> Iterator[list[str]]:
    """The words of every line of shell and of every inline code of a README, comments left out."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    shell = "".join(body for language, body in blocks if language in ("sh", "bash"))
    for line in shell.replace("\\\n", " ").splitlines():
        yield line.partition(" #")[0].split()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from (code.split() for code in re.findall(r"`([^`\n]+)`", prose))


def options_of(verb: str) -> set[str]:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return {"--help", *(name for parameter in command.params for name in parameter.opts)}


def options_in(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--") and word != "--"}


def options_of_script(path: Path) -> set[str]:
    """The options that a shell script names, or that Python adds to a parser of argparse or pytest."""
    added = r'add(?:_argument|option)\(\s*"(--[a-z-]+)"'
    pattern = added if path.suffix == ".py" else r"--[a-z-]+"
    return set(re.findall(pattern, path.read_text(encoding="utf-8")))


def unknown_options(readme: str, words: list[str]) -> set[str]:
    """The options of a snippet that its verb, script or target does not have."""
    recipe_verb = options_of("train")
    if words[0].endswith("python") and len(words) > 1 and words[1].endswith(".py"):
        return options_in(words) - options_of_script(ROOT / words[1])
    if words[0].endswith("uss-plugins") and len(words) > 1 and words[1] != "VERB":
        assert words[1] in VERBS, (readme, words)
        return options_in(words) - options_of(words[1])
    if words[0] in VERBS:
        return options_in(words) - options_of(words[0])
    if words[0].endswith(".sh"):
        places = [ROOT / words[0], ROOT / Path(readme).parent / words[0]]
        (script,) = {place.resolve() for place in places if place.exists()}
        own, _, passed = " ".join(words).partition(" -- ")
        known = options_of_script(script)
        return (options_in(own.split()) - known) | (options_in(passed.split()) - recipe_verb)
    if words[0].startswith("--"):
        scripts = [*(ROOT / "recipes").glob("*/*.sh"), *(ROOT / readme).parent.glob("*.py")]
        known = set().union(*map(options_of_script, scripts), *map(options_of, VERBS))
        for hparams in (ROOT / "recipes").glob("*/hparams.yaml"):  # SpeechBrain's: keys are options
            keys = re.findall(r"^(\w+):", hparams.read_text(encoding="utf-8"), re.M)
            known |= {f"--{key}" for key in keys}
        return options_in(words) - known
    return set()


@pytest.mark.parametrize("readme", READMES)
def test_every_verb_and_option_exists(readme: str) -> None:
    for words in filter(None, snippets(readme)):
        assert unknown_options(readme, words) == set(), (readme, words)


@pytest.mark.parametrize("readme", READMES)
def test_every_target_and_file_exists(readme: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", makefile, re.M)
    variables = re.findall(r"^([A-Z_]+) \?=", makefile, re.M)
    for words in filter(None, snippets(readme)):
        if words[0] == "make":
            assert words[1] in targets, (readme, words)
            given = re.findall(r"\b([A-Z_]+)=", " ".join(words))
            assert set(given) <= set(variables), (readme, words)
        for word in words:
            if re.fullmatch(r"(recipes|benchmarks)/\S+\.(sh|yaml|py)", word):
                assert (ROOT / word).is_file(), (readme, words)
            if re.fullmatch(r"\w+\.py", word) and readme.startswith("benchmarks/"):
                assert (ROOT / readme).with_name(word).is_file(), (readme, words)
            if re.fullmatch(r"\w+\.yaml", word) and readme != "README.md":
                assert (ROOT / readme).with_name(word).is_file(), (readme, words)
