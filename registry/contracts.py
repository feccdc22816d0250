"""What a component of each kind is: the typed contracts that plug-ins keep.

A contract is a Protocol, so a plug-in inherits nothing. Shapes are written with these letters:

    batch     items processed together
    channels  audio channels
    samples   audio samples at the component's own sample rate
    frames    time steps of a query net's detector
    classes   the classes a query net was trained on, in the order of its `class_names`

A factory may declare any of the parameters in `COMPOSED_PARAMETERS`. Whoever composes components fills them
in from the neighbours, so that a recipe need not repeat what follows from its other parts; a value given
explicitly wins, and is then compared with the neighbours'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, dtype

COMPOSED_PARAMETERS: dict[str, tuple[str, ...]] = {
    "query_net": ("sample_rate", "class_names", "files"),
    "embedding": ("class_count", "embedding_size"),
    "separator": ("sample_rate", "condition_size"),
    "corpus": (),
}
"""Kind -> the factory parameters that composition fills in when the factory declares them."""


@dataclass(frozen=True)
class QueryOutput:
    """What a query net hears in a batch of audio; None for what it cannot give.

    clip_probabilities: (batch, classes), in [0, 1].
    frame_probabilities: (batch, frames, classes), in [0, 1].
    embedding: (batch, embedding_size).
    """

    clip_probabilities: Tensor | None = None
    frame_probabilities: Tensor | None = None
    embedding: Tensor | None = None


@runtime_checkable
class QueryNet(Protocol):
    """Turns audio into a query. A `torch.nn.Module`.

    sample_rate: Hz, of the audio it takes.
    class_names: names of the classes it tags, in order; empty if it tags none.
    embedding_size: length of its embedding, or None.
    frames_per_second: rate of its frame probabilities, or None.
    """

    sample_rate: int
    class_names: tuple[str, ...]
    embedding_size: int | None
    frames_per_second: float | None

    def __call__(self, audio: Tensor) -> QueryOutput:
        """`audio`: (batch, samples), mono, any length of at least one sample."""
        ...


@runtime_checkable
class LoadsPretrained(Protocol):
    """A query net that reads weights which another toolkit trained, in that toolkit's files.

    Without them, or training, it is of no use.
    """

    class_names: tuple[str, ...]

    def load_pretrained(self, path: Path) -> None:
        """Fill the net from a file, or from a folder that holds it; nothing is downloaded.

        Raises:
            UserError: the file cannot be read, or holds the weights of another net.
        """
        ...


@runtime_checkable
class TakesText(Protocol):
    """A query net that also reads: text becomes a query in the space of its embedding of audio."""

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Embedding (texts, embedding_size) of each text.

        Raises:
            UserError: it cannot read, or not so long a text.
        """
        ...


@runtime_checkable
class KeepsFiles(Protocol):
    """A query net that is built from files, beside its parameters: of a tokeniser, say.

    Who saves a model has them written beside its weights. Who builds the model anew gives that folder to the
    factory's parameter `files`, so that the net needs nothing from elsewhere.
    """

    def save_files(self, folder: Path) -> None:
        """Write the files into a folder, which is there and empty. Its weights are kept elsewhere."""
        ...


@runtime_checkable
class EmbeddingStrategy(Protocol):
    """Turns a query into the condition vector that a separator follows. A `torch.nn.Module`.

    condition_size: length of the condition.
    class_indexed: whether dimension k of the condition means class k, so that classes can be masked.
    needs_classes: whether it needs to be told the classes of the query.
    """

    condition_size: int
    class_indexed: bool
    needs_classes: bool

    def __call__(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        """Condition (batch, condition_size); `classes`: (batch, classes) in {0, 1}, or None."""
        ...


@runtime_checkable
class Separator(Protocol):
    """Extracts from a mixture what a condition describes. A `torch.nn.Module`.

    sample_rate: Hz, of the audio it takes and gives.
    channels: audio channels it takes and gives.
    condition_size: length of the condition it follows.
    """

    sample_rate: int
    channels: int
    condition_size: int

    def __call__(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Estimate (batch, channels, samples) from `mixture` of that shape and (batch, condition_size)."""
        ...


@runtime_checkable
class PreparableQueryNet(Protocol):
    """A query net that has a faster form for inference. One that has none is used as it is."""

    def prepare(self) -> Callable[[Tensor], QueryOutput]:
        """That form: called as the net is, in evaluation and without gradients; in float32, for tags decide.

        It must not change the net, and must follow when the net's weights change or move to another device.
        """
        ...


@runtime_checkable
class Preparable(Protocol):
    """A separator that has a faster form for inference. One that has none is used as it is."""

    def prepare(self, precision: dtype) -> Callable[[Tensor, Tensor], Tensor]:
        """That form: called as the separator is, with the same weights, in evaluation and without gradients.

        `precision`: torch.float32 or bfloat16, of what it computes in; the estimate is float32. It must not
        change the separator, and must follow when the separator's weights change or move to another device.
        """
        ...


@dataclass(frozen=True)
class Event:
    """One sounding of a class: times in seconds from the start of the clip."""

    class_index: int
    start_seconds: float
    end_seconds: float


@runtime_checkable
class Corpus(Protocol):
    """Weakly labelled clips of one split, all resampled to one rate and mixed to mono.

    sample_rate: Hz, of the audio that `clip` gives.
    class_names, class_ids: names of the classes and their ids (AudioSet's machine ids where they have
        one), in order.
    labels: (clips, classes) bool, which classes are somewhere in each clip. No times.
    """

    sample_rate: int
    class_names: tuple[str, ...]
    class_ids: tuple[str, ...]
    labels: NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of clips."""
        ...

    def clip(self, index: int) -> NDArray[np.float32]:
        """Audio of a clip: (samples,), in [-1, 1]. Clips may differ in length.

        Raises:
            ClipUnreadableError: the clip's file cannot be read; callers skip, count and name it.
        """
        ...


class ClipUnreadableError(Exception):
    """A clip of a corpus that cannot be read. The message names the file and the reason."""


@runtime_checkable
class KnowsTruth(Protocol):
    """A corpus that knows what its weak labels hide. Used to judge, never to train."""

    def events(self, index: int) -> Sequence[Event]:
        """The true times of the classes in a clip."""
        ...

    def source(self, class_index: int, index: int, seconds: float) -> NDArray[np.float32]:
        """Isolated sound number `index` of one class, sounding from near its start: (samples,)."""
        ...


CONTRACTS: dict[str, type[Any]] = {
    "query_net": QueryNet,
    "embedding": EmbeddingStrategy,
    "separator": Separator,
    "corpus": Corpus,
}
"""Kind of component -> its contract."""
