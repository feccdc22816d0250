"""`uss-plugins fetch`, which reaches for the network only when it is asked to."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import RunCli

from uss_plugins.weights.catalogue import published

UNREACHABLE = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")


def test_the_table() -> None:
    by_name = {one.name: one for one in published()}
    assert {name: one.bytes for name, one in by_name.items()} == {
        "cnn14": 327428481,
        "cnn14_decision_level_max": 327428481,
        "uss_soft": 1121024828,
        "uss_latent": None,
    }
    assert all(one.url.startswith("https://") and one.licence and one.file for one in published())


def test_without_a_name_it_lists(run_cli: RunCli, tmp_path: Path) -> None:
    run = run_cli("fetch", env={**UNREACHABLE, "USS_PLUGINS_CACHE": str(tmp_path / "cache")})
    assert (run.returncode, run.stderr) == (0, "")
    for one in published():
        assert f"{one.name}: {one.summary}" in run.stdout
        assert one.url in run.stdout
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cnn15"], "no published weights are called 'cnn15'; did you mean cnn14"),
        (["cnn14"], "zenodo.org: cannot be reached (no answer); go online, or get https://zenodo"),
        (["cnn14", "--from-file", "missing.pth"], "missing.pth: no such file"),
        (["cnn14", "--from-file", __file__], "327428481 were published; it is not Cnn14_mAP"),
        (["--from-file", "some.pth"], "--from-file needs the NAME"),
    ],
)
def test_what_goes_wrong_takes_one_line(
    arguments: list[str], says: str, run_cli: RunCli, tmp_path: Path
) -> None:
    environment = {
        **UNREACHABLE,
        "NO_PROXY": "",
        "no_proxy": "",
        "USS_PLUGINS_CACHE": str(tmp_path),
    }
    run = run_cli("fetch", *arguments, env=environment)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert says in run.stderr
