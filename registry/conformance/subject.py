"""The component that is checked: how it is called, on what, and how it is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from registry.contracts import QueryOutput

USUAL_SECONDS = 0.5
FRAME_COUNT = 10  # of the queries that embedding strategies are given
OUTPUTS = {"embedding": "the condition", "separator": "the estimate"}


@dataclass
class Subject:
    """A network under check.

    class_count, embedding_size: sizes of the queries that an embedding strategy was built for.
    make: makes it anew, with the given parameters changed; None if nobody knows how.
    takes: names of the parameters that `make` can change.
    """

    kind: str
    network: nn.Module
    class_count: int
    embedding_size: int
    make: Callable[..., nn.Module] | None = None
    takes: frozenset[str] = frozenset()

    @property
    def usual_samples(self) -> int:
        """An odd number of samples of about `USUAL_SECONDS`; of no meaning to an embedding strategy."""
        return round(USUAL_SECONDS * getattr(self.network, "sample_rate", 1)) | 1

    def inputs(
        self, batch_size: int, samples: int | None = None, seed: int = 0, level: float = 0.1
    ) -> tuple[Any, ...]:
        """What the network is called with: noise of a root mean square `level`."""
        generator = torch.Generator().manual_seed(seed)
        samples = self.usual_samples if samples is None else samples
        if self.kind == "embedding":
            return self.query(batch_size, generator)
        channels = (self.attribute("channels"),) if self.kind == "separator" else ()
        audio = level * torch.randn(batch_size, *channels, samples, generator=generator)
        if self.kind == "query_net":
            return (audio,)
        return audio, torch.rand(batch_size, self.attribute("condition_size"), generator=generator)

    def query(self, batch_size: int, generator: torch.Generator) -> tuple[QueryOutput, Tensor]:
        """A random query with everything that a query can have, and one random class for each item."""
        shape = batch_size, self.class_count
        classes = torch.randint(self.class_count, (batch_size,), generator=generator)
        query = QueryOutput(
            torch.rand(shape, generator=generator),
            torch.rand(batch_size, FRAME_COUNT, self.class_count, generator=generator),
            torch.randn(batch_size, self.embedding_size, generator=generator),
        )
        return query, nn.functional.one_hot(classes, self.class_count).float()

    def attribute(self, name: str) -> int:
        """A size that the network declares."""
        return int(getattr(self.network, name))

    def call(self, *inputs: Any) -> dict[str, Tensor]:
        """The network's output tensors by name."""
        return named_outputs(self.kind, self.network(*inputs))

    @contextmanager
    def altered(self, training: bool = False) -> Iterator[None]:
        """A block in which weights, buffers and mode may change; afterwards all is as it was.

        training: the mode within. Random numbers within are the same whenever it is entered.
        """
        modules = list(self.network.modules())
        modes = [module.training for module in modules]
        owners: list[dict[str, Any]] = []
        for module in modules:
            owners += [module._parameters, module._buffers]
        kept = [
            (owner, name, tensor, tensor.detach().clone())
            for owner in owners
            for name, tensor in owner.items()
            if tensor is not None
        ]
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                self.network.train(training)
                yield
        finally:
            with torch.no_grad():
                for owner, name, tensor, value in kept:
                    owner[name] = tensor.copy_(value)
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode

    def stir(self) -> None:
        """Move every parameter a little, so that no path is closed by a layer that starts at zero."""
        with torch.no_grad():
            for parameter in self.network.parameters():
                if parameter.is_floating_point():
                    scale = 0.1 * parameter.square().mean().sqrt()
                    scale = torch.where(scale > 0, scale, 0.02)
                    parameter.add_(scale * torch.randn_like(parameter))


def named_outputs(kind: str, output: Any) -> dict[str, Tensor]:
    """The tensors of an output; a query net's by their field, without those it does not give."""
    if kind == "query_net":
        return {name: value for name, value in vars(output).items() if value is not None}
    return {OUTPUTS[kind]: output}


def rows(inputs: Any, index: slice) -> Any:
    """Some items of a batch of inputs."""
    if isinstance(inputs, tuple):
        return tuple(rows(each, index) for each in inputs)
    if isinstance(inputs, QueryOutput):
        return QueryOutput(*(rows(each, index) for each in vars(inputs).values()))
    return None if inputs is None else inputs[index]
