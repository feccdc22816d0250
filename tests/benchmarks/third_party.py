"""A distribution of somebody else's, with a component of every kind and some that cannot be measured."""

from __future__ import annotations

from distributions import Distribution

SEPARATOR_RATE = 8000

DISTRIBUTION = Distribution(
    "third-party-sounds",
    "2.5",
    {
        "third_party_sounds.py": """
            from registry import hookimpl

            NETS = "third_party_sounds_nets"


            @hookimpl
            def register_separators(register):
                register("tp_conv", f"{NETS}:Conv", summary="two convolutions")
                register("tp_needy", f"{NETS}:Needy", summary="has a parameter without a default")
                register("tp_hungry", f"{NETS}:Hungry", summary="asks for more than there is")
                register("tp_missing", f"{NETS}_missing:Net", summary="needs what is not installed")
                register("tp_faulty", f"{NETS}:Faulty", summary="does not work")


            @hookimpl
            def register_query_nets(register):
                register("tp_ear", f"{NETS}:Ear", summary="tags and detects by energy")


            @hookimpl
            def register_embeddings(register):
                register("tp_first", f"{NETS}:First", summary="part of the embedding")


            @hookimpl
            def register_corpora(register):
                register("tp_beeps", f"{NETS}:Beeps", summary="beeps")
            """,
        "third_party_sounds_nets.py": f"""
            from __future__ import annotations

            import warnings

            import numpy as np
            import torch
            from torch import nn

            from registry.contracts import QueryOutput


            class Conv(nn.Module):
                sample_rate, channels = {SEPARATOR_RATE}, 1

                def __init__(self, condition_size: int, width: int = 4) -> None:
                    super().__init__()
                    self.condition_size = condition_size
                    self.first = nn.Conv1d(1, width, 5, padding=2)
                    self.film = nn.Linear(condition_size, width)
                    self.last = nn.Conv1d(width, 1, 1)

                def forward(self, mixture, condition):
                    warnings.warn("a component may warn", stacklevel=1)
                    return self.last(self.first(mixture) + self.film(condition)[:, :, None])


            class Needy(Conv):
                def __init__(self, condition_size: int, width: int) -> None:
                    super().__init__(condition_size, width)


            class Hungry(Conv):
                def forward(self, mixture, condition):
                    return mixture + torch.ones(1 << 48).sum()


            class Faulty(Conv):
                def forward(self, mixture, condition):
                    raise ZeroDivisionError("on purpose")


            class Ear(nn.Module):
                embedding_size, frames_per_second = 6, 10.0

                def __init__(self, class_names: list[str], sample_rate: int = 8000) -> None:
                    super().__init__()
                    self.class_names, self.sample_rate = tuple(class_names), sample_rate
                    self.tag = nn.Linear(1, len(class_names))

                def forward(self, audio):
                    frames = audio.unfold(1, self.sample_rate // 10, self.sample_rate // 10)
                    probabilities = self.tag(frames.square().mean(2, keepdim=True)).sigmoid()
                    embedding = audio.std(1, keepdim=True).expand(-1, 6)
                    return QueryOutput(probabilities.amax(1), probabilities, embedding)


            class First(nn.Module):
                class_indexed = needs_classes = False

                def __init__(self, embedding_size: int) -> None:
                    super().__init__()
                    self.condition_size = embedding_size // 2

                def forward(self, query, classes):
                    return query.embedding[:, : self.condition_size]


            class Beeps:
                sample_rate, class_names, class_ids = 8000, ("Beep",), ("/m/beep",)

                def __init__(self, split: str) -> None:
                    self.labels = np.ones((3, 1), bool)

                def __len__(self) -> int:
                    return 3

                def clip(self, index: int):
                    return np.full(16000, 0.1, np.float32)
            """,
    },
    {"third_party": "third_party_sounds"},
)
