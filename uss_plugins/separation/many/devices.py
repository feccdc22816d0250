"""Which GPU is whose, where several processes separate together."""

from __future__ import annotations

from uss_plugins.launched import Place


def device_for(device: str, worker: int, place: Place) -> str:
    """Which GPU "cuda" is for one of several processes: a launcher's, or else the workers', in turn."""
    if device != "cuda":
        return device
    import torch

    number = place.local_rank if place.world_size > 1 else worker
    return f"cuda:{number % max(1, torch.cuda.device_count())}"
