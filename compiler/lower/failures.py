"""When PyTorch refuses an operation while a module runs, the error says which line of the program it was."""

from __future__ import annotations

import linecache
import re
import traceback
import types
from collections.abc import Callable
from typing import Any

from torch import fx, nn

from ...dsl.diagnostics import AttnError
from ...dsl.source import Span

_ASSIGNED = re.compile(r"\s*(\w+)\s*=[^=]")


def pointing_call() -> Callable[..., Any]:
    """`pointing` for the class of one module. Its code is its own, because torch.compile counts for each code how often it was compiled."""
    return types.FunctionType(pointing.__code__.replace(), pointing.__globals__, "__call__")


def pointing(module: fx.GraphModule, *args: Any, **kwargs: Any) -> Any:
    """Calls a module; adds a note with the place in the `.attn` text to any error from its generated forward."""
    try:
        return nn.Module.__call__(module, *args, **kwargs)
    except AttnError:
        raise
    except Exception as error:
        note = note_of(module, error)
        if note and note not in getattr(error, "__notes__", []):
            error.add_note(note)
        raise


def note_of(module: fx.GraphModule, error: Exception) -> str:
    """`in se.attn:5:9: V=ids`, or nothing where the error did not come from the generated forward."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if "eval_with_key" not in frame.f_code.co_filename:
            continue
        assigned = _ASSIGNED.match(linecache.getline(frame.f_code.co_filename, line))
        node = next((node for node in module.graph.nodes if assigned and node.name == assigned[1]), None)
        place = node.meta.get("place") if node is not None else None
        if isinstance(place, Span):
            return f"in {place}: {' '.join(place.text.split())}"
    return ""
