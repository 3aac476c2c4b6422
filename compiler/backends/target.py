"""What a program is lowered for: who runs the text, on which kind of device, and in which half precision, if any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeGuard

from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.source import NOWHERE

Backend = Literal["eager", "inductor", "package"]
"""`eager`: PyTorch runs call after call. `inductor`: torch.compile makes kernels of the text when it first runs. `package`: the same ahead
of time, in one graph without any Python."""
Wanted = Literal["eager", "inductor", "auto"]
"""What a caller may ask for."""
Device = Literal["cpu", "cuda"]
Half = Literal["bfloat16", "float16"]
BACKENDS: tuple[Wanted, ...] = ("eager", "inductor", "auto")


@dataclass(frozen=True)
class Target:
    """What the passes and the lowering write for."""

    backend: Backend = "eager"
    device: Device = "cpu"
    half: Half | None = None
    """The dtype of what is computed; weights, statistics and sums are float32. None: everything is in the dtype of the weights."""
    kernels: bool = False
    """Whether eager text calls kernels that inductor makes for attention to few distances."""

    @property
    def fuses(self) -> bool:
        """Whether a compiler below makes one kernel of elementwise operators and reductions, and picks the order in memory by itself."""
        return self.backend != "eager"


EAGER = Target()


def checked_backend(name: str) -> Wanted:
    """The backend of this name. Raises AttnError (E0503) where there is none."""
    if _is_backend(name):
        return name
    help = f"backend is one of {', '.join(map(repr, BACKENDS))}"
    raise AttnError([Diagnostic("E0503", f"`backend={name!r}` is not known", NOWHERE, help=help)])


def half_of(name: str) -> Half | None:
    """The half precision of this name, if it is one."""
    return "bfloat16" if name == "bfloat16" else "float16" if name == "float16" else None


def device_of(device: object) -> Device:
    """The kind of a device, as torch writes it: `cuda:1` is of the kind `cuda`; all others are written for as the CPU is."""
    return "cuda" if str(device).partition(":")[0] == "cuda" else "cpu"


def _is_backend(name: str) -> TypeGuard[Wanted]:
    return name in BACKENDS
