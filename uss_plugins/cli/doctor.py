"""`uss-plugins doctor`: whether this installation can do what it should."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import click

from registry import BrokenComponentError, load_plugins
from registry.plugins import describe_collision, import_factory, one_line


class Check(NamedTuple):
    """What was looked at, and what is wrong with it; "" if nothing is."""

    subject: str
    problem: str = ""


@click.command("doctor")
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check Python, PyTorch and its devices, Asteroid, SpeechBrain, extras and every plug-in.

    Exits with code 1 if something is wrong.
    """
    healthy = True
    for check in _checks():
        healthy &= not check.problem
        line = (
            f"FAIL  {check.subject}: {check.problem}" if check.problem else f"ok    {check.subject}"
        )
        click.echo(line)
    context.exit(0 if healthy else 1)


def _checks() -> Iterator[Check]:
    from uss_plugins.ecosystems import (
        import_asteroid,
        import_speechbrain,
        import_torchmetrics,
        import_transformers,
    )

    yield Check(f"Python {platform.python_version()}")
    torch = _check_import("torch", lambda: importlib.import_module("torch"))
    yield torch
    if torch.problem:
        return  # nothing else can be told
    yield Check(_processor())
    yield from (Check(device) for device in _cuda_devices())
    yield _check_import("torchmetrics", import_torchmetrics)
    yield _check_import("asteroid", lambda: import_asteroid("asteroid.engine"))
    yield _check_import("speechbrain", import_speechbrain)
    yield _check_extra("transformers", import_transformers)
    yield from _check_plugins()


def _check_import(distribution: str, load: Callable[[], object]) -> Check:
    try:
        subject = f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return Check(distribution, "it is not installed; install uss-plugins again")
    try:
        load()
    except Exception as error:  # whatever stops an import is what the user wants to see
        return Check(subject, one_line(error))
    return Check(subject)


def _check_extra(extra: str, load: Callable[[], object]) -> Check:
    """An optional distribution, of the extra of its name: being absent is no fault."""
    if importlib.util.find_spec(extra) is None:
        return Check(
            f"without {extra}, which some components need: pip install 'uss-plugins[{extra}]'"
        )
    return _check_import(extra, load)


def _processor() -> str:
    """Whether bf16, which halves the time of a training step, is native to the processor."""
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):
        return "CPU: this PyTorch does not tell whether bf16 is native"
    capabilities = torch.cpu.get_capabilities()
    native = sorted(name for name, has in capabilities.items() if has is True and "bf16" in name)
    bf16 = f"native ({', '.join(native)})" if native else "emulated, so fp32 is faster"
    return f"CPU {capabilities.get('cpu_name', '')}: bf16 {bf16}"


def _cuda_devices() -> list[str]:
    import torch

    count = torch.cuda.device_count()
    names = [f"CUDA device {index}: {torch.cuda.get_device_name(index)}" for index in range(count)]
    return names or ["no CUDA device"]


def _check_plugins() -> Iterator[Check]:
    """Every plug-in loads, no name is claimed twice, and every factory imports."""
    plugins = load_plugins()
    for entry in plugins.broken:
        yield Check(str(entry.plugin), entry.reason)
    for claims in plugins.collisions():
        yield Check("names", describe_collision(claims))
    working: dict[str, int] = {}
    for spec in plugins.specs():
        try:
            import_factory(spec)
            working[str(spec.source)] = working.get(str(spec.source), 0) + 1
        except BrokenComponentError as error:
            yield Check(f"{spec.kind} {spec.name}", str(error))
    for plugin, count in working.items():
        yield Check(f"{plugin}: components that can be built: {count}")
    for switched_off in plugins.disabled:
        yield Check(f"{switched_off} is switched off")
