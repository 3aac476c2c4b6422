"""A compiled program as one Python file that needs nothing but PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from torch import fx

from ..graph import Graph, Weight
from ..passes.pipeline import Optimised, unchanged
from . import init
from .entry import is_absent
from .lowering import lower, write_formula
from .module import AttnModule, Lowered, plain
from .names import identifier, identifiers
from .printer import Printer, literal
from .runtime_prepared import forget
from .sources import Sources, literal_of
from .targets import function
from .weights import add_weight, stored, stored_shape, tensor_dtype

HEADER = '''from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InputError(ValueError):
    """An input does not fit what this module was made for."""

    def __init__(self, code: str, title: str, place: str, label: str = "", help: str = "") -> None:
        where = f"{place}: {label}" if label else place
        super().__init__(f"error[{code}]: {title}\\n --> {where}" + (f"\\n  = help: {help}" if help else ""))
'''

_ALWAYS_EVAL = '''\
    def train(self, mode: bool = True) -> nn.Module:
        """Made for inference: it always works as after `.eval()`."""
        return super().train(False)
'''

_REFRESH = '''\
    def refresh(self) -> None:
        """Work out again, at the next call, what is prepared from the weights: needed after a write through `weight.data`."""
        forget(self)
'''


def standalone(program: AttnModule | Graph, optimiser: Callable[[Graph], Optimised] = unchanged) -> str:
    """The text of a file with one class: the same operations, weights, initial values and checks as the compiled module.

    It has the same state dict, and gives the same results bit for bit. Optional inputs are as they were when it was compiled.
    """
    module = program if isinstance(program, AttnModule) else lower(program, device="meta", optimiser=optimiser)
    return _Writer(module).text()


class _Writer:
    def __init__(self, module: AttnModule) -> None:
        self.module = module
        self.graph = module.attn_graph
        self.sources = Sources((add_weight, stored, tensor_dtype, init.fill, init.assign))
        self.name = _class_name(self.graph.name)

    def text(self) -> str:
        methods = [self._init(), self._reset(), *self._for_inference(), *self._forward()]
        body = "\n".join(methods)
        made = f"class {self.name}(nn.Module):\n{_indent(_docstring(self._about()))}\n\n{body}"
        functions = self.sources.text()
        imports = "".join(f"{line}\n" for line in sorted(self.sources.modules))
        header = HEADER.replace("import torch\n", f"{imports}import torch\n", 1)
        return "\n\n".join([f"{_docstring(self._title())}\n\n{header}", *([functions + "\n"] if functions else []), *self._result(), made])

    def _title(self) -> str:
        return f"`{self.graph.name}`, written by attn as plain PyTorch."

    def _about(self) -> str:
        signature = repr(self.module).rsplit(", ", 1)[0]
        return f"{self.graph.doc.strip() or self.graph.name}\n\n{signature}"

    def _result(self) -> list[str]:
        output = next(node for node in self.module.graph.nodes if node.op == "output")
        fields = getattr(output.args[0], "_fields", None)
        return [f'Result = namedtuple("Result", {literal_of(list(fields))})\n'] if fields else []

    # ------------------------------------------------ weights

    def _init(self) -> str:
        floats = [stored(self.module, weight.path).dtype for weight in self.graph.weights if weight.dtype == "float"]
        dtype = literal(floats[0]) if floats else "torch.float32"
        lines = ["super().__init__()"]
        if self.graph.weights:
            self.sources.add([add_weight, tensor_dtype])
        for weight in self.graph.weights:
            empty = f"torch.empty({stored_shape(weight)!r}, dtype=tensor_dtype({weight.dtype!r}, dtype), device=device)"
            lines.append(f"add_weight(self, {weight.path!r}, {empty}, {weight.kind!r})  # {_axes(weight)}")
        lines.append("self.reset_parameters()")
        if self.module.optimised.mode == "infer":
            lines += ["self.requires_grad_(False)", "self.train()"]
        if self.module.optimised.target.backend == "inductor":
            lines.append("self.compile()  # PyTorch makes kernels of it at its first call")
        head = f"    def __init__(self, dtype: torch.dtype = {dtype}, device: torch.device | str | None = None) -> None:\n"
        return head + "".join(f"        {line}\n" for line in lines)

    def _reset(self) -> str:
        lines = ['"""Give every weight its initial value, drawn from torch\'s global generator."""']
        formulas: list[str] = []
        for weight in self.graph.weights:
            target = f"stored(self, {weight.path!r})"
            self.sources.add([stored])
            if weight.init.node is None:
                self.sources.add([init.fill])
                values = plain(weight.init.values)
                lines.append(f"fill({target}, {weight.init.kind!r}{', ' + literal_of(values) if values else ''})")
                continue
            self.sources.add([init.assign])
            name = f"formula_{len(formulas) + 1}"
            lowered = write_formula(weight.init.node, tuple(axis.name for axis in weight.axes))
            formulas.extend(self._methods(lowered, name))
            lines.append(f"assign({target}, self.{name}())")
        return "\n".join(["    def reset_parameters(self) -> None:\n" + "".join(f"        {line}\n" for line in lines), *formulas])

    def _for_inference(self) -> Iterator[str]:
        """What a module for inference has besides."""
        if self.module.optimised.mode == "infer":
            yield _ALWAYS_EVAL
        if any(name.startswith("prepared_") for name, _ in self._bodies()):
            self.sources.add([forget])
            yield _REFRESH

    # ------------------------------------------------ forward

    def _bodies(self) -> list[tuple[str, fx.GraphModule]]:
        return [(name, child) for name, child in self.module.named_children() if isinstance(child, fx.GraphModule)]

    def _forward(self) -> Iterator[str]:
        yield from self._methods(Lowered(self.module.graph, dict(self._bodies())), "forward", self._refusals())

    def _refusals(self) -> list[str]:
        """Optional inputs that this file was made without."""
        names = identifiers(node["name"] for node in self.graph.inputs)
        absent = [(name, node) for name, node in zip(names, self.graph.inputs, strict=True) if is_absent(node)]
        if absent:
            self.sources.add([function("runtime.check_absent")])
        return [f"check_absent({name}, {node['name']!r}, {literal(node.span)})" for name, node in absent]

    def _methods(self, lowered: Lowered, name: str, first: list[str] | None = None) -> list[str]:
        """A graph as a method, and the bodies of its loops as others."""
        used = {str(node.target) for node in lowered.graph.nodes if node.op == "get_attr"}
        bodies = {path: child for path, child in lowered.bodies.items() if path in used}
        names = {path: path if name == "forward" else f"{name}_{path}" for path in bodies}
        printer = Printer(lowered.graph, "", names, self.sources)
        lines = [*(first or []), *printer.lines()]
        head = f"    def {name}({', '.join(['self', *printer.arguments()])}):\n"
        made = [head + "".join(f"        {line}\n" for line in lines)]
        for path, child in bodies.items():
            inner = {key: value for key, value in child.named_children() if isinstance(value, fx.GraphModule)}
            made.extend(self._methods(Lowered(child.graph, inner), names[path]))
        return made


def _class_name(name: str) -> str:
    """`token_mixer` becomes `TokenMixer`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    joined = "".join(word[0].upper() + word[1:] for word in words)
    return identifier(joined or "Module", ["InputError", "Result", "Sequence", "Callable", "Any"])


def _docstring(text: str) -> str:
    """Any text as a docstring that ends where it should."""
    safe = "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\\", "\\\\").replace('"""', "'''")).strip()
    safe = safe + " " if safe.endswith('"') else safe
    return f'"""{safe}\n"""' if "\n" in safe else f'"""{safe}"""'


def _indent(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _axes(weight: Weight) -> str:
    groups = ["*".join(re.sub(r"[^\w']", "_", name) for name in group) or "1" for group in weight.groups]
    return "[" + ", ".join(groups) + "]"
