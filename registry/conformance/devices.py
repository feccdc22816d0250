"""Whether a network moves between devices whole: traced on the CPU, and moved where there is a GPU.

The trace needs no second device. It runs one call on the CPU and pretends that parameters, buffers and
inputs lie on another device: what is computed from them lies there too, what is created without saying
where does not, and an operation that takes tensors of both kinds would fail on a real device. A tensor
made for the device of another, by `device=x.device`, `x.new_zeros`, `zeros_like(x)` or `.to(x.device)`,
lies where it should. What may stay on the CPU beside them, as PyTorch allows: tensors without dimensions,
indices into what moved, and what `copy_` copies. It does not see a device that is spelt out, such as
`device="cpu"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from registry.conformance.report import Report
from registry.conformance.subject import Subject, named_outputs

_CPU_TO_GPU_TOLERANCE = 2e-2  # of the output's norm; a GPU may convolve in TF32
_REMEDY = "register constants by register_buffer(..., persistent=False); create tensors with device=x.device"
_CREATE = frozenset({*_device_constructors(), torch.normal})
"""What lies on the CPU if no device is given; so does what no mode sees, such as `torch.from_numpy`."""
_CREATE_LIKE = frozenset({torch.tensor, torch.as_tensor, torch.asarray, torch.normal})
"""Those of them that, given a tensor, create where it lies."""
_INDEX = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}


class LeftBehindError(Exception):
    """A tensor that would have stayed on the CPU."""


def check_devices(subject: Subject, report: Report) -> None:
    """No tensor stays behind when the network moves; on a GPU, where there is one, it computes the same."""
    inputs = subject.inputs(1)
    try:
        with torch.no_grad(), _Trace(subject.network, inputs) as trace, _Creations(trace):
            subject.network(*inputs)
    except LeftBehindError as error:
        report.expect(False, str(error), _REMEDY)
    if not torch.cuda.is_available():
        report.note = "traced on the CPU; no GPU is here to move to"
    elif not report.findings:
        _check_move(subject, inputs, report)
        report.note = f"traced on the CPU, moved to {torch.cuda.get_device_name()} and back"


@torch.no_grad()
def _check_move(subject: Subject, inputs: Any, report: Report) -> None:
    before = subject.call(*inputs)
    try:
        subject.network.to("cuda")
        moved = subject.network(*_to(inputs, "cuda"))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        report.expect(False, f"on the GPU calling it raised {reason}", _REMEDY)
        return
    finally:
        subject.network.to("cpu")
    for name, value in named_outputs(subject.kind, moved).items():
        distance = float((value.cpu() - before[name]).norm())
        report.expect(
            value.is_cuda and distance <= _CPU_TO_GPU_TOLERANCE * float(before[name].norm()),
            f"{name} on the GPU differs from the CPU's by {distance:.2g}, or does not lie there",
            "compute it from what moved, in float32 where digits are lost",
        )
    for name, value in subject.call(*inputs).items():
        same = torch.equal(value.nan_to_num(), before[name].nan_to_num())
        report.expect(same, f"{name} differs after moving to the GPU and back", _REMEDY)


def _to(inputs: Any, device: str) -> Any:
    if isinstance(inputs, tuple):
        return tuple(_to(each, device) for each in inputs)
    if isinstance(inputs, Tensor):
        return inputs.to(device)
    return type(inputs)(*(each.to(device) for each in vars(inputs).values()))


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows which tensors would lie on the device."""

    def __init__(self, network: nn.Module, inputs: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moved: dict[int, Tensor] = {}  # by storage; kept, so that no address is used again
        self.move([*network.parameters(), *network.buffers(), *_tensors(inputs)])

    def __enter__(self) -> _Trace:
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def move(self, tensors: Sequence[Tensor]) -> None:
        """Note tensors as lying on the device."""
        self.moved.update({_storage(tensor): tensor for tensor in tensors})

    def put(self, tensor: Tensor, moved: bool) -> Tensor:
        """A tensor that lies on the device or does not; a copy, where its storage has the other place."""
        if self.has(tensor) == moved:
            return tensor
        tensor = tensor.clone()
        self.moved.pop(_storage(tensor), None)
        if moved:
            self.move([tensor])
        return tensor

    def has(self, tensor: Tensor) -> bool:
        """Whether a tensor lies on the device."""
        return _storage(tensor) in self.moved

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, taken = func.overloadpacket.__name__, _tensors((args, kwargs))
        if name == "copy_":  # between devices, too; what it copies into stays where it lies
            return func(*args, **(kwargs or {}))
        moved = any(map(self.has, taken))
        if moved:
            together = _tensors((args[0], args[2:])) if name in _INDEX else taken
            self._expect_moved(together, func)
        output = func(*args, **(kwargs or {}))
        if moved or not taken:
            self.move(_tensors(output))
        return output

    def _expect_moved(self, tensors: Sequence[Tensor], func: Any) -> None:
        for tensor in tensors:
            if tensor.ndim and tensor.numel() and not self.has(tensor):
                raise LeftBehindError(
                    f"a tensor of shape {tuple(tensor.shape)} stays on the CPU when it moves ({func})"
                )


class _Creations(TorchFunctionMode):
    """Tells the trace of calls that create or bring tensors to a device."""

    def __init__(self, trace: _Trace) -> None:
        super().__init__()
        self.trace = trace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("numpy", "__array__") and self.trace.has(args[0]):
            raise LeftBehindError("a tensor is made a NumPy array where it lies")
        output = func(*args, **kwargs)
        moved = self._brings(func, args, kwargs)
        return output if moved is None else self.trace.put(output, moved)

    def _brings(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> bool | None:
        """Whether a call puts its output on the device, or on the CPU; None: it lies where its input does."""
        name = getattr(func, "__name__", "")
        if name == "cpu":
            return False
        if name in ("to", "type_as", "cuda"):
            return True if _names_device(args, kwargs) else None
        if func not in _CREATE and name != "new_tensor":
            return None
        if kwargs.get("device") is not None:
            return True
        if func in _CREATE and func not in _CREATE_LIKE:
            return False
        given = [each for each in (*args[:2], *kwargs.values()) if isinstance(each, Tensor)]
        return bool(given) and self.trace.has(given[0])


def _names_device(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether a call of `Tensor.to` or the like names a device, or a tensor that has one."""
    named = [*args[1:], *kwargs.values()]
    return any(isinstance(each, (torch.device, str, Tensor)) for each in named)


def _tensors(tree: Any) -> list[Tensor]:
    return list(_walk(tree))


def _walk(tree: Any) -> Iterator[Tensor]:
    """Every tensor of nested containers, and of a query's fields."""
    for leaf in tree_leaves(tree):
        if isinstance(leaf, Tensor):
            yield leaf
        elif hasattr(leaf, "clip_probabilities"):
            yield from _walk(list(vars(leaf).values()))


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr()) or id(tensor)
