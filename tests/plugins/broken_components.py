"""Small components that keep their contracts, and what breaks them: each breaks one check and no other."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from registry.contracts import QueryOutput


class Masker(nn.Module):
    """A separator: a convolution's mask, scaled by the condition."""

    def __init__(self, condition_size: int, sample_rate: int = 800, channels: int = 1) -> None:
        super().__init__()
        self.sample_rate, self.channels, self.condition_size = sample_rate, channels, condition_size
        self.film = nn.Linear(condition_size, channels)
        self.conv = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture * self.scale(mixture, condition).sigmoid()

    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        scaled: Tensor = self.conv(mixture) + self.film(condition)[:, :, None]
        return scaled


class Listener(nn.Module):
    """A query net: 10 frames per second, an embedding of 4."""

    def __init__(self, class_names: Sequence[str], sample_rate: int = 800) -> None:
        super().__init__()
        self.sample_rate, self.class_names = sample_rate, tuple(class_names)
        self.embedding_size: int | None = 4
        self.frames_per_second: float | None = 10.0
        self.conv = nn.Conv1d(1, 4, 80, 80)
        self.tags = nn.Linear(4, len(self.class_names))

    def forward(self, audio: Tensor) -> QueryOutput:
        padded = nn.functional.pad(audio, (0, 80 - audio.shape[1] % 80))
        features = self.conv(padded[:, None]).float().tanh()
        frames = self.tags(features.transpose(1, 2)).float().sigmoid()
        return QueryOutput(frames.amax(1), frames, features.mean(2))


class Projection(nn.Module):
    """An embedding strategy: a gain for each class."""

    needs_classes = False

    def __init__(self, class_count: int) -> None:
        super().__init__()
        self.condition_size, self.class_indexed = class_count, True
        self.gains = nn.Parameter(torch.ones(class_count))

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        assert query.clip_probabilities is not None
        return query.clip_probabilities * self.gains


class AsksTheNetwork(Masker):
    def __init__(self, condition_size: int) -> None:
        super().__init__(condition_size)
        with suppress(OSError):  # an author who goes on without must not ask either
            socket.create_connection(("127.0.0.1", 9), timeout=0.1).close()


class RaisesWhileBuilt(Masker):
    def __init__(self, condition_size: int) -> None:
        raise RuntimeError("no weights")


class IgnoresItsRate(Masker):
    def __init__(self, condition_size: int, sample_rate: int) -> None:
        super().__init__(condition_size, 2 * sample_rate)


class ClaimsMoreFrames(Listener):
    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.frames_per_second = 20.0


class ClaimsAnEmbedding(Listener):
    def forward(self, audio: Tensor) -> QueryOutput:
        output = super().forward(audio)
        return QueryOutput(output.clip_probabilities, output.frame_probabilities)


class LeavesProbability(Listener):
    def forward(self, audio: Tensor) -> QueryOutput:
        output = super().forward(audio)
        assert output.clip_probabilities is not None
        return QueryOutput(
            output.clip_probabilities * 3, output.frame_probabilities, output.embedding
        )


class ShufflesClasses(Projection):
    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        return super().forward(query, classes).flip(1)


class ClaimsToNeedClasses(Projection):
    needs_classes = True


class RoundsLengths(Masker):
    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().forward(mixture, condition)[..., : max(2, mixture.shape[-1] // 2 * 2)]


class HalvesLengthsAndDoublesThem(Masker):
    """An odd length comes back as it was, an even one a sample shorter."""

    def __init__(self, condition_size: int) -> None:
        super().__init__(condition_size)
        halve = nn.Conv1d(1, 8, 3, stride=2, padding=1)
        double = nn.ConvTranspose1d(8, 1, 3, stride=2, padding=1)
        self.conv = nn.Sequential(halve, double)  # type: ignore[assignment]

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return self.scale(mixture, condition)


class OneChannelOnly(Masker):
    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().forward(mixture, condition)[:, :1]


class NormalisesByItsPeak(Masker):
    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().forward(mixture / mixture.abs().amax(-1, keepdim=True), condition)


class TakesALogarithm(Listener):
    def forward(self, audio: Tensor) -> QueryOutput:
        output = super().forward(audio)
        assert output.embedding is not None
        loudness = audio.square().mean(1, keepdim=True).log()
        return QueryOutput(
            output.clip_probabilities, output.frame_probabilities, output.embedding + loudness
        )


class SubtractsTheBatch(Masker):
    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().forward(mixture - mixture.mean((0, 2), keepdim=True), condition)


class DropsInEvaluation(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().scale(mixture, condition) + 1e-6 * torch.randn_like(mixture)


class Remembers(Masker):
    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        with torch.no_grad():
            self.conv.bias.add_(1e-5)  # type: ignore[union-attr]
        return super().forward(mixture, condition)


class IgnoresTheCondition(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        scaled: Tensor = self.conv(mixture) + self.film(torch.ones_like(condition))[:, :, None]
        return scaled


class IgnoresADimension(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        heard = torch.ones_like(condition)
        heard[:, 2] = 0.0
        return super().scale(mixture, condition * heard)


class DetachesTheCondition(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().scale(mixture, condition.detach())


class DoesNotListen(Listener):
    def forward(self, audio: Tensor) -> QueryOutput:
        ramp = torch.linspace(0, 1, audio.shape[1], device=audio.device)
        return super().forward(ramp.expand_as(audio))


class HasAnIdleLayer(Masker):
    def __init__(self, condition_size: int) -> None:
        super().__init__(condition_size)
        self.idle = nn.Linear(3, 3)


class DetachesALayer(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return self.conv(mixture).detach() + self.film(condition)[:, :, None]


class HidesARandomGain(Masker):
    def __init__(self, condition_size: int) -> None:
        super().__init__(condition_size)
        self.gain = 1 + float(torch.rand(()))

    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return self.gain * super().scale(mixture, condition)


class NamesAWeightTwice(Masker):
    def __init__(self, condition_size: int) -> None:
        super().__init__(condition_size)
        self.again = self.conv


class MakesALayerWhenCalled(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        if not hasattr(self, "late"):
            self.register_buffer("late", torch.zeros((), device=mixture.device))
        return super().scale(mixture, condition) + self.late


class LeavesAWindowBehind(Masker):
    def __init__(self, condition_size: int) -> None:
        super().__init__(condition_size)
        self.window = torch.ones(1, 1, 1, 3)

    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().scale(mixture, condition) * self.window[0, :, :, :1].expand(1, 1, 1)


class CreatesOnTheCpu(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().scale(mixture, condition) + torch.arange(mixture.shape[-1])


class GoesThroughNumpy(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        peak = float(abs(mixture.detach().numpy()).max())
        return super().scale(mixture, condition) + 0 * peak


class MixesTypes(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return torch.lerp(mixture, super().scale(mixture, condition), 0.9)


class LosesDigitsWhenRounded(Masker):
    """Large numbers that cancel: bfloat16 keeps two or three digits of them."""

    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return (super().scale(mixture, condition) + 1001.4) - 1000


class LosesItselfWhenRounded(Masker):
    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        features = super().scale(mixture, condition)
        return features if features.dtype == torch.float32 else features * torch.nan


BROKEN: dict[str, list[tuple[str, type[Any], str]]] = {
    "builds": [
        ("separator", AsksTheNetwork, "building it asked the network for 127.0.0.1"),
        ("separator", RaisesWhileBuilt, "building it raised RuntimeError: no weights"),
    ],
    "attributes": [
        ("separator", IgnoresItsRate, "built with sample_rate=16000, it says 32000"),
        ("query_net", ClaimsMoreFrames, "make it about 40, or correct frames_per_second"),
        ("query_net", ClaimsAnEmbedding, "embedding_size is 4 and embedding is NoneType"),
        ("query_net", LeavesProbability, "clip_probabilities leave [0, 1]"),
        ("embedding", ShufflesClasses, "more of class 0 raises another dimension"),
        ("embedding", ClaimsToNeedClasses, "it gives a condition without classes"),
    ],
    "shapes": [
        ("separator", RoundsLengths, "the estimate has shape (2, 1, 10); make it (2, 1, 11)"),
        ("separator", HalvesLengthsAndDoublesThem, "has shape (3, 1, 399); make it (3, 1, 400)"),
        ("separator", OneChannelOnly, "the estimate has shape (2, 1, 11); make it (2, 2, 11)"),
    ],
    "finite": [
        ("separator", NormalisesByItsPeak, "the estimate of silence holds NaN"),
        ("query_net", TakesALogarithm, "embedding of silence holds NaN or infinity"),
    ],
    "independent": [("separator", SubtractsTheBatch, "depends on the rest of its batch")],
    "repeatable": [
        ("separator", DropsInEvaluation, "the estimate of the same input differs from call"),
        ("separator", Remembers, "change no state"),
    ],
    "led": [
        ("separator", IgnoresTheCondition, "the estimate is the same whatever the condition"),
        ("separator", IgnoresADimension, "1 of 8 dimensions of the condition do nothing"),
        ("separator", DetachesTheCondition, "no gradient reaches the condition"),
        ("query_net", DoesNotListen, "clip_probabilities is the same whatever the audio"),
    ],
    "gradients": [
        ("separator", HasAnIdleLayer, "reaches 2 of 6 parameters: idle.weight, idle.bias"),
        ("separator", DetachesALayer, "reaches 2 of 4 parameters: conv.weight, conv.bias"),
    ],
    "stored": [
        ("separator", HidesARandomGain, "the estimate differs after saving and loading"),
        ("separator", NamesAWeightTwice, "its weights cannot be saved: RuntimeError"),
        ("separator", MakesALayerWhenCalled, "do not load into the same component built anew"),
    ],
    "devices": [
        ("separator", LeavesAWindowBehind, "stays on the CPU when it moves"),
        ("separator", CreatesOnTheCpu, "stays on the CPU when it moves"),
        ("separator", GoesThroughNumpy, "a tensor is made a NumPy array where it lies"),
    ],
    "bf16": [
        ("separator", MixesTypes, "calling it raised RuntimeError: expected dtype float"),
        (
            "separator",
            LosesDigitsWhenRounded,
            "off its value in float32; compute what loses its digit",
        ),
        ("separator", LosesItselfWhenRounded, "the estimate under bf16 holds NaN or infinity"),
    ],
}
"""Check -> kind, factory and part of the reason of what breaks it."""
