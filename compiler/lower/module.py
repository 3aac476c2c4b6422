"""The module that a program compiles to."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self, cast

from torch import Tensor, fx, nn

from ..graph import Graph, Node, Weight
from ..passes.pipeline import Optimised, unchanged
from ..sizes import Size
from .codegen import ShortPaths
from .entry import is_absent
from .errors import InputError
from .failures import pointing_call
from .init import assign, fill
from .names import identifiers
from .printer import forward_source
from .relying import Reliance, relying
from .runtime_prepared import forget
from .weights import recut, stored

if TYPE_CHECKING:
    from .seen import Seen


@dataclass(frozen=True)
class Lowered:
    """An fx graph, and the modules of its loops by attribute name."""

    graph: fx.Graph
    bodies: Mapping[str, fx.GraphModule]


class AttnModule(fx.GraphModule):
    """A compiled program: a torch.fx GraphModule whose state dict has the names and shapes of the program.

    Call it with tensors in the declared order or by name; several results come as a named tuple. `attn_graph` is the typed graph, `program`
    the text it came from, `optimised` what the passes made of the graph, `code` the forward as readable Python.
    """

    attn_graph: Graph
    program: str
    optimised: Optimised

    def __init__(
        self,
        graph: Graph,
        variant: Callable[[frozenset[str]], Graph] | None = None,
        program: str = "",
        optimiser: Callable[[Graph], Optimised] = unchanged,
    ) -> None:
        super().__init__(nn.Module(), fx.Graph(), "AttnModule")
        self.attn_graph = graph
        self.program = program
        self.optimiser = optimiser
        self.optimised = optimiser(graph)
        self.relied: Reliance | None = None
        self.fixed_dtype: Any = None
        """The working type, where neither inputs nor weights tell it."""
        self.variant = variant
        self._variants: dict[frozenset[str], AttnModule] = {}

    def install(self, lowered: Lowered) -> None:
        """Take a lowered graph; its weights must be there."""
        for name, body in lowered.bodies.items():
            self.add_module(name, body)
        lowered.graph.set_codegen(ShortPaths())
        self.graph = lowered.graph

    def train(self, mode: bool = True) -> Self:
        """As in PyTorch; a module compiled with `mode="infer"` always works as after `.eval()`."""
        return super().train(mode and self.optimised.mode == "train")

    # ------------------------------------------------ weights

    def reset_parameters(self) -> None:
        """Give every weight, constant and state its initial value again."""
        for weight in self.attn_graph.weights:
            self._start(weight)

    def _start(self, weight: Weight) -> None:
        from .lowering import evaluate

        target = stored(self, weight.path)
        if target.is_meta:  # it holds no numbers; filling it would import torch's compiler, which takes seconds
            return
        if weight.init.node is not None:
            assign(target, evaluate(weight.init.node, tuple(axis.name for axis in weight.axes)))
        else:
            fill(target, weight.init.kind, plain(weight.init.values))

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        """Constants are worked out again in a new dtype, so that `.double()` has all their digits; what is prepared, at the next call."""
        constants = [weight for weight in self.attn_graph.weights if weight.kind == "const"]
        before = {weight.path: stored(self, weight.path).dtype for weight in constants}
        cast(Any, super())._apply(fn, recurse)
        for weight in constants:
            if stored(self, weight.path).dtype != before[weight.path]:
                self._start(weight)
        self.refresh()
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Accept tensors that are cut differently, and the prefix that `torch.compile` puts before names."""
        wrapped = f"{prefix}_orig_mod."
        for key in [key for key in state_dict if key.startswith(wrapped)]:
            state_dict[prefix + key.removeprefix(wrapped)] = state_dict.pop(key)
        for weight in self.attn_graph.weights:
            given = state_dict.get(prefix + weight.path)
            if isinstance(given, Tensor):
                state_dict[prefix + weight.path] = recut(given, stored(self, weight.path))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)  # pyright: ignore[reportUnknownMemberType]

    def refresh(self) -> None:
        """Work out again, at the next call, what a module for inference prepares from its weights.

        Needed only after a write that PyTorch does not count, which is one through `weight.data` or `weight.detach().numpy()`.
        """
        forget(self)
        if self.relied is not None:
            self.relied.forget()

    # ------------------------------------------------ looking inside

    def value_names(self) -> tuple[str, ...]:
        """The names that `probe` takes: those of the values that the program names, under the paths that weights have."""
        from ..probe.addresses import addresses

        return tuple(addresses(self.attn_graph))

    def probe(self, *names: str) -> AbstractContextManager[Seen]:
        """Read named values of the runs inside a `with` block, as they are computed: `with module.probe("layers[3].attention.q") as seen`.

        Each is an address, or a pattern (`layers[*].attention.weights`); `value_names()` lists them. The module computes what it always
        does, on the same way and to the same bit, and gives what was asked for beside it. `seen[name]` is a value of the last run: its
        `tensor`, its `axes`, and whether it had to be `recomputed`, because the optimiser left it out. Weights of attention are worked out
        from their queries and keys when they are looked at, whole, in part (`at`) or pooled. Raises AttnError: E0606 for a name that
        there is not, E0607 for a value that cannot be had.
        """
        from .probing import Probe

        return Probe(self, names)

    def chosen(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> AttnModule:
        """The module that a call with these arguments runs: this one, that for other optional inputs, or that without facts."""
        if self.relied is not None and not self.relied.holds(self):
            return self.without_facts().chosen(args, kwargs)
        present = given_inputs(self.attn_graph.inputs)(args, kwargs)
        return self if present == present_inputs(self.attn_graph.inputs) else self.variant_for(present).chosen(args, kwargs)

    def beside(self, also: Sequence[Node]) -> AttnModule:
        """A module that runs the same graph on the same weights, call by call, and gives `(result, values, leading)`, as `write` says."""
        from .lowering import write_optimised

        other = AttnModule(
            self.attn_graph,
            program=self.program,
            optimiser=lambda _: replace(self.optimised, target=replace(self.optimised.target, backend="eager")),
        )
        for name in ("_parameters", "_buffers", "_non_persistent_buffers_set"):
            other.__dict__[name] = self.__dict__[name]
        other.__dict__["_modules"] = dict(self.__dict__["_modules"])
        taken = [*self._modules, *self._parameters, *self._buffers]
        other.install(write_optimised(other.optimised, taken, self.fixed_dtype, also))
        other.training = self.training
        return other

    # ------------------------------------------------ optional inputs

    def recompile(self) -> Any:
        """Generate the forward again; with optional inputs, it first looks which of them are given. A module that has just been begun has
        none yet."""
        if not self.graph.nodes:
            return None
        made = super().recompile()
        cast(Any, type(self)).__call__ = pointing_call()
        optimised: Optimised | None = self.__dict__.get("optimised")
        if optimised is not None and optimised.target.backend == "inductor":
            from .handed import handed
            from .inductor import compiled

            cast(Any, type(self)).forward = compiled(type(self).forward, handed(self))
        graph: Graph | None = self.__dict__.get("attn_graph")
        optional = [node for node in graph.inputs if node.options.get("optional", False)] if graph is not None else []
        if graph is not None and optional:
            cls = type(self)
            cls.forward = _choosing(cls.forward, graph.inputs)
        if self.__dict__.get("relied") is not None:
            cast(Any, type(self)).forward = relying(type(self).forward)
        return made

    def rely_on(self, relied: Reliance) -> None:
        """Check facts about weights, which this module was compiled with, before every run."""
        self.relied = relied
        self.without_facts()  # made now, because it cannot be while the module is traced
        self.recompile()

    def without_facts(self) -> AttnModule:
        """The module that relies on nothing; it shares every weight with this one."""
        assert self.relied is not None
        if self.relied.fallback is None:
            self.relied.fallback = self._sharing(self.attn_graph, self.relied.optimiser)
            self.relied.fallback.variant = self.variant
        self.relied.fallback.training = self.training
        return self.relied.fallback

    def _sharing(self, graph: Graph, optimiser: Callable[[Graph], Optimised], relied: Reliance | None = None) -> AttnModule:
        """A module of another graph with the weights of this one."""
        from .lowering import write_optimised

        other = AttnModule(graph, program=self.program, optimiser=optimiser)
        other.relied = relied
        self._check_weights(other.attn_graph)
        for name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            other.__dict__[name] = self.__dict__[name]
        taken = [*self._modules, *self._parameters, *self._buffers]
        other.install(write_optimised(other.optimised, taken, self.fixed_dtype))
        other.fixed_dtype = self.fixed_dtype
        other.train(self.training)
        return other

    def variant_for(self, present: frozenset[str]) -> AttnModule:
        """The module for another set of present optional inputs; it shares every weight with this one."""
        if present not in self._variants:
            if self.variant is None:
                raise self._no_variant(present)
            relied = None if self.relied is None else self.relied.fresh()
            self._variants[present] = self._sharing(self.variant(present), self.optimiser, relied)
        found = self._variants[present]
        found.training = self.training
        return found

    def _check_weights(self, graph: Graph) -> None:
        """A variant may use no weight that this module lacks."""
        present = present_inputs(graph.inputs)
        have = {weight.path for weight in self.attn_graph.weights}
        missing = next((weight for weight in graph.weights if weight.path not in have), None)
        if missing is not None:
            names = ", ".join(f"`{name}`" for name in sorted(present))
            title = f"with {names} the module needs the weight `{missing.path}`, which it was compiled without"
            shown = ", ".join(f'"{name}"' for name in sorted(present))
            raise InputError("E0605", title, missing.span, "this weight", f"compile it for them: attn.compile(..., inputs=({shown},))")

    def _no_variant(self, present: frozenset[str]) -> InputError:
        compiled = present_inputs(self.attn_graph.inputs)
        name = sorted(present ^ compiled)[0]
        node = next(node for node in self.attn_graph.inputs if node["name"] == name)
        how = "without" if name in present else "with"
        title = f"the module was compiled {how} `{name}`"
        return InputError("E0605", title, node.span, "declared here", "compile it again for the inputs it will get")

    # ------------------------------------------------ copies

    def __deepcopy__(self, memo: dict[int, Any]) -> AttnModule:
        shared = ("attn_graph", "program", "variant", "optimiser", "optimised", "relied", "_variants", "_graph", *self._probed())
        own = {key: value for key, value in self.__dict__.items() if key not in shared}
        new = self._bare()
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(own, memo))
        new.graph = copy.deepcopy(self.graph)
        return new

    def __copy__(self) -> AttnModule:
        new = self._bare()
        own = {key: value for key, value in self.__dict__.items() if key not in ("_graph", "_variants", "relied", *self._probed())}
        new.__dict__.update({key: value.copy() if isinstance(value, dict) else value for key, value in own.items()})
        new.graph = copy.deepcopy(self.graph)
        return new

    def _probed(self) -> tuple[str, ...]:
        """What an open probe has put here, which a copy does not have."""
        from .probing import PROBING

        return (PROBING, "forward") if PROBING in self.__dict__ else ()

    def _bare(self) -> AttnModule:
        """Another module of the same program, without its weights and its forward."""
        new = AttnModule(self.attn_graph, self.variant, self.program)
        new.optimiser, new.optimised, new.fixed_dtype = self.optimiser, self.optimised, self.fixed_dtype
        new.relied = None if self.relied is None else self.relied.fresh()
        return new

    def __reduce__(self) -> Any:
        raise TypeError(
            "a compiled module is not pickled, because loading a pickle runs code: "
            "keep the program's text, and save the weights with save_weights (safetensors) or state_dict()"
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __reduce_package__(self, exporter: Any) -> Any:
        return self.__reduce__()

    # ------------------------------------------------ text

    @property
    def code(self) -> str:
        """The forward as Python: one line per operation, the axes of each result beside it. What it prepares stands below."""
        used = {str(node.target) for node in self.graph.nodes if node.op == "get_attr"}
        bodies = [(name, child) for name, child in self.named_children() if name in used and isinstance(child, fx.GraphModule)]
        prepared = [forward_source(child.graph, "runtime.", name) for name, child in bodies if name.startswith("prepared_")]
        return "\n\n".join([forward_source(self.graph, "runtime."), *prepared])

    def __repr__(self) -> str:
        graph = self.attn_graph
        inputs = ", ".join(
            f"{node['name']}: {_type(node, node['order'])}" + (" = none" if node.options.get("optional", False) else "")
            for node in graph.inputs
        )
        outputs = [(f"{output.name}: " if len(graph.outputs) > 1 else "") + _type(output.node, output.order) for output in graph.outputs]
        result = outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})"
        total = sum(p.numel() for p in self.parameters())
        return f"{graph.name}({inputs}) -> {result}, {total:,} parameter{'' if total == 1 else 's'}"

    def __str__(self) -> str:
        return repr(self)

    def _repr_svg_(self) -> str:
        """The picture of the graph, for notebooks."""
        from ..view import render_svg

        return render_svg(self.attn_graph)

    def _repr_html_(self) -> str:
        return f'<div style="max-width:100%;overflow:auto">{self._repr_svg_()}</div>'


def plain(values: Any) -> Any:
    """The numbers in a nested tuple as Python's: exact ones become int or float."""
    exact = values.constant() if isinstance(values, Size) else values
    if isinstance(exact, Fraction):
        return int(exact) if exact.denominator == 1 else float(exact)
    return tuple(plain(value) for value in cast("Sequence[Any]", values)) if isinstance(values, tuple) else values


def present_inputs(inputs: tuple[Node, ...]) -> frozenset[str]:
    """The names of the optional inputs that a graph was made with."""
    return frozenset(node["name"] for node in inputs if node.options.get("optional", False) and not is_absent(node))


def _type(node: Node, order: Any) -> str:
    parts = [(axis, str(node.tensor.size(axis))) for axis in order]
    shape = "[" + ", ".join(axis if axis in ("*", size) else f"{axis}={size}" for axis, size in parts) + "]"
    return shape if node.dtype in ("float", "wide") else f"{node.dtype} {shape}"


def given_inputs(inputs: tuple[Node, ...]) -> Callable[[Sequence[Any], Mapping[str, Any]], frozenset[str]]:
    """Tells which optional inputs the arguments of a call hold."""
    names = identifiers(node["name"] for node in inputs)
    optional = {name: node["name"] for name, node in zip(names, inputs, strict=True) if node.options.get("optional", False)}

    def given(args: Sequence[Any], kwargs: Mapping[str, Any]) -> frozenset[str]:
        there = {name for name, value in zip(names, args, strict=False) if value is not None}
        there.update(name for name, value in kwargs.items() if value is not None)
        return frozenset(known for name, known in optional.items() if name in there)

    return given


def _choosing(straight: Callable[..., Any], inputs: tuple[Node, ...]) -> Callable[..., Any]:
    """A forward that hands the call to the variant for the optional inputs it has."""
    given, compiled = given_inputs(inputs), present_inputs(inputs)
    optional = [node.options.get("optional", False) for node in inputs]
    needed = 0 if compiled else optional.index(True)

    @functools.wraps(straight)
    def forward(self: AttnModule, *args: Any, **kwargs: Any) -> Any:
        if 0 < len(args) <= needed and not kwargs:  # no optional input is given, and none was compiled
            return straight(self, *args)
        present = given(args, kwargs)
        if present == compiled:
            return straight(self, *args, **kwargs)
        return self.variant_for(present)(*args, **kwargs)

    return forward
