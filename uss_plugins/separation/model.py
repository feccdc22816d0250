"""The composed model: a query net, an embedding strategy and a separator in one module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from registry.contracts import (
    EmbeddingStrategy,
    Preparable,
    PreparableQueryNet,
    QueryNet,
    QueryOutput,
    Separator,
    TakesText,
)
from registry.errors import UserError


class UniversalSeparator(nn.Module):
    """Extracts from a mixture what a query describes, for training, evaluation and separation alike.

    Args:
        query_net, embedding, separator: components that keep their contracts and fit each other.
        class_names: names of the classes that the bank knows; the query net's, if it tags any.
        class_ids: their ids, in order; their names where they have no ids.
        freeze_query_net: keep the query net in evaluation mode and without gradients.

    Attributes:
        query_bank: (classes, condition_size), the mean condition of each class over training anchors
            (paper, section IV-C). Zeros until it is filled.

    Raises:
        UserError: two components that do not fit, both named.
    """

    query_bank: Tensor

    def __init__(
        self,
        query_net: QueryNet,
        embedding: EmbeddingStrategy,
        separator: Separator,
        *,
        class_names: Sequence[str] = (),
        class_ids: Sequence[str] | None = None,
        freeze_query_net: bool = True,
    ) -> None:
        super().__init__()
        check_fit(query_net, embedding, separator)
        self.query_net = cast(nn.Module, query_net)
        self.embedding = cast(nn.Module, embedding)
        self.separator = cast(nn.Module, separator)
        self.sample_rate = separator.sample_rate
        self.channels = separator.channels
        self.condition_size = separator.condition_size
        self.class_indexed = embedding.class_indexed
        self.class_names = tuple(query_net.class_names) or tuple(class_names)
        self.class_ids = tuple(class_ids or self.class_names)
        self.freeze_query_net = freeze_query_net
        self.query_net.requires_grad_(not freeze_query_net)
        bank = torch.zeros(len(self.class_names), self.condition_size)
        self.register_buffer("query_bank", bank)
        # In a tuple, lest a form that is a module become a part of this one.
        self._prepared: tuple[Callable[[Tensor, Tensor], Tensor], ...] = ()
        self._prepared_query_net: tuple[Callable[[Tensor], QueryOutput], ...] = ()
        self.train(self.training)

    def prepare(self, precision: torch.dtype = torch.float32) -> bool:
        """Use forms for inference that components have, where gradients are off and the mode is evaluation.

        precision: what the separator's computes in, see `uss_plugins.separation.precision`. Returns False if
            the separator has no such form; it then stays as it is.
        """
        if isinstance(self.query_net, PreparableQueryNet):
            self._prepared_query_net = (self.query_net.prepare(),)
        if isinstance(self.separator, Preparable):
            self._prepared = (self.separator.prepare(precision),)
        return bool(self._prepared)

    def train(self, mode: bool = True) -> UniversalSeparator:
        """As for any module, except that a frozen query net stays in evaluation mode."""
        super().train(mode)
        self.query_net.train(mode and not self.freeze_query_net)
        return self

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Estimate (batch, channels, samples) from `mixture` of that shape and (batch, condition_size)."""
        if self._prepared and not self.training and not torch.is_grad_enabled():
            return self._prepared[0](mixture, condition)
        return cast(Tensor, self.separator(mixture, condition))

    def listen(self, audio: Tensor) -> QueryOutput:
        """What the query net hears in `audio` (batch, samples)."""
        with_gradients = torch.is_grad_enabled() and not self.freeze_query_net
        if self._prepared_query_net and not with_gradients and not self.query_net.training:
            return self._prepared_query_net[0](audio)
        with torch.set_grad_enabled(with_gradients):
            return cast(QueryOutput, self.query_net(audio))

    def condition_from_audio(self, audio: Tensor, classes: Tensor | None = None) -> Tensor:
        """Condition (batch, condition_size) from example audio (batch, samples).

        `classes`: (batch, classes) in {0, 1}, for strategies that need to be told; without it they are told
        the most probable class.
        """
        query = self.listen(audio)
        if self.embedding.needs_classes and classes is None:
            if query.clip_probabilities is None:
                raise UserError(
                    "the query net tags no classes, and the embedding strategy needs them"
                )
            best = query.clip_probabilities.argmax(1)
            classes = nn.functional.one_hot(best, len(self.class_names)).float()
        return cast(Tensor, self.embedding(query, classes))

    def condition_from_text(self, texts: Sequence[str]) -> Tensor:
        """Conditions (len(texts), condition_size) of what some texts say, such as "a dog barking".

        Raises:
            UserError: the query net does not read, or the embedding strategy follows classes only.
        """
        net: object = self.query_net
        if not isinstance(net, TakesText):
            raise UserError(
                f"the model's query net, {type(net).__name__}, reads no text; query by --query or --classes,"
                " or train a model with query_net.name=clap, which does"
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_query_net):
            query = QueryOutput(embedding=net.embed_text(texts))
        return cast(Tensor, self.embedding(query, None))

    def condition_from_classes(self, indices: Sequence[int]) -> Tensor:
        """The bank's rows: (len(indices), condition_size)."""
        return self.query_bank[torch.as_tensor(indices, device=self.query_bank.device)]

    def condition_from_mask(self, query: QueryOutput, mask: Tensor) -> Tensor:
        """Condition (batch, condition_size) of `mask`'s classes (batch, classes), as far as `query` has them.

        A class-indexed strategy gets the query's probabilities, zero outside the mask (paper, section III-F).
        For any other the dimensions of a condition are no classes, so the bank's rows stand in, weighted by
        the probabilities within the mask.
        """
        probabilities = query.clip_probabilities
        if probabilities is None:
            raise UserError(
                "the query net tags no classes, so classes cannot be masked; query by audio"
            )
        kept = probabilities * mask
        if self.class_indexed:
            return cast(Tensor, self.embedding(QueryOutput(clip_probabilities=kept), mask))
        return kept @ self.query_bank / kept.sum(1, keepdim=True).clamp(min=1e-8)


def check_fit(query_net: QueryNet, embedding: EmbeddingStrategy, separator: Separator) -> None:
    """Refuse components that disagree, naming both and what they say."""
    names = [type(part).__name__ for part in (query_net, embedding, separator)]
    if query_net.sample_rate != separator.sample_rate:
        raise UserError(
            f"query net {names[0]} works at {query_net.sample_rate} Hz and separator {names[2]} at"
            f" {separator.sample_rate} Hz; give both the same sample_rate"
        )
    if embedding.condition_size != separator.condition_size:
        raise UserError(
            f"embedding {names[1]} makes conditions of {embedding.condition_size} and separator"
            f" {names[2]} takes {separator.condition_size}; give both the same condition_size"
        )
    if embedding.class_indexed and embedding.condition_size != len(query_net.class_names):
        raise UserError(
            f"embedding {names[1]} has {embedding.condition_size} classes and query net {names[0]}"
            f" {len(query_net.class_names)}; its conditions are made of classes, so both must agree"
        )
