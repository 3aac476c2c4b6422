"""A block as a whole program: its parameters bound by the caller (or left open while checking), its body built, its weights named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ...dsl import tree
from ...dsl.closest import closest
from ...dsl.diagnostics import AttnError, Diagnostic, Fault, Label, fault
from ...dsl.loader import Unit
from ...dsl.source import Span
from ..graph import Graph, Node, Output
from ..sizes import Size, SizeTooLarge
from ..types import STAR, Axis, TensorType
from . import naming
from .bindings import ParamLayer, from_python, input_dtype
from .blocks import axis_name, names_in, signature_axes, static_names
from .expressions import size
from .frame import Frame
from .mentions import name_values
from .results import check_results, declare_results
from .scope import Scope
from .session import Session, Slot, Visit, too_large
from .signatures import declared_size, default_value
from .statements import run_body
from .values import POISON, Poisoned, Unknown, Value, Word
from .weights import name_weights

Bindings = Mapping[str, Any]


@dataclass(frozen=True)
class Elaborated:
    """What came of a block: its graph (None where a mistake prevents one) and everything there is to say about it."""

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    slots: tuple[Slot, ...] = ()
    """Where each of the graph's weights was made."""

    def require(self) -> Graph:
        """The graph, or AttnError with the errors."""
        errors = [diagnostic for diagnostic in self.diagnostics if diagnostic.severity == "error"]
        if errors or self.graph is None:
            raise AttnError(errors)
        return self.graph


def elaborate(
    unit: Unit, block: tree.Block, bind: Bindings | None = None, given: Collection[str] = (), checking: bool = False
) -> Elaborated:
    """Build the typed graph of a block.

    `bind`: sizes of axes and values of parameters; `given`: the optional inputs that will be passed. While `checking`, what is
    unbound stays symbolic; otherwise every parameter without a default and every axis of a weight must be bound.
    """
    session = Session(checking)
    owner = naming.root()
    frame = Frame(session, Scope(unit), owner, owner.inside(("block",), ()))
    session.visits.append(Visit(block, block.name, None))
    try:
        inputs = Root(frame, block, dict(bind or {}), frozenset(given)).bind()
        outputs = _outputs(frame, block, bind or {}) if inputs is not None else None
    except Fault as fault:
        session.report(fault.diagnostic)
        return Elaborated(None, tuple(session.diagnostics))
    except SizeTooLarge as error:
        session.report(too_large(error, block.head))
        return Elaborated(None, tuple(session.diagnostics))
    except Poisoned:
        return Elaborated(None, tuple(session.diagnostics))
    if inputs is None or outputs is None:
        return Elaborated(None, tuple(session.diagnostics))
    weights = name_weights(session, block)
    graph = Graph(
        block.name, inputs, outputs, weights, tuple(sorted(session.updates.items())), tuple(session.guards.values()), block.doc, block.span,
        name_values(session),
    )  # fmt: skip
    failed = any(diagnostic.severity == "error" for diagnostic in session.diagnostics)
    return Elaborated(None if failed else graph, tuple(session.diagnostics), tuple(session.slots))


def _outputs(frame: Frame, block: tree.Block, bind: Bindings) -> tuple[Output, ...] | None:
    declare_results(frame, block)
    values = run_body(frame, block)
    if values is None:
        return None
    nodes = check_results(frame, block, values)
    known = static_names(block)
    own = {axis_name(spec, known) for param in block.params for spec in _input_axes(param)}  # `[H=2*H]`: it is the input's H that is bound
    outputs: list[Output] = []
    for result, node in zip(block.results, nodes, strict=True):
        order: list[str] = []
        for spec in result.type.axes:
            if spec.name == STAR:
                order.extend(frame.scope.hidden)
            else:
                name = axis_name(spec, known)
                assert name is not None
                order.append(frame.scope.entry(name).symbol)
                if name not in own:
                    _as_bound(frame, bind.get(name), node, order[-1], spec.span)
        outputs.append(Output(result.name or "", node, tuple(order)))
    return tuple(outputs)


def _as_bound(frame: Frame, bound: Any, node: Node, symbol: str, span: Span) -> None:
    """An axis of a result that the caller gave a size must have it."""
    if isinstance(bound, int):
        frame.require_equal(Size.of(bound), node.tensor.size(symbol), f"axis `{frame.local(symbol)}` is bound to another size", span)


# ---------------------------------------------------------------- parameters


@dataclass
class Root:
    """The block that is the whole program: what its parameters are bound to. `given` are the optional inputs that will be passed."""

    frame: Frame
    block: tree.Block
    bound: dict[str, Any]
    given: frozenset[str]

    def bind(self) -> tuple[Node, ...] | None:
        """The input nodes, with every parameter in the scope; None where bindings are missing (reported)."""
        if not self._check_names():
            return None
        self._axes()
        if not self._statics():
            return None
        return self._inputs()

    def _check_names(self) -> bool:
        params = {param.name: param for param in self.block.params}
        axes = signature_axes(self.block)
        fine = True
        for name in self.bound:
            param = params.get(name)
            if (param is not None and not isinstance(param.spec, tree.TensorSpec)) or name in axes:
                continue
            fine = False
            near = closest(name, [*axes, *(p.name for p in self.block.params if not isinstance(p.spec, tree.TensorSpec))])
            known = [*axes, *(p.name for p in self.block.params if isinstance(p.spec, tree.StaticSpec | tree.EnumSpec))]
            help = f"did you mean `{near}`?" if near else f"it has: {', '.join(known)}"
            title = (
                f"`{name}` is a tensor: pass it to the module"
                if param
                else f"block `{self.block.name}` has no axis or parameter `{name}` to bind"
            )
            self.frame.session.report(Diagnostic("E0502", title, self.block.head, "bound by the caller", help=help))
        return fine

    def _axes(self) -> None:
        scope, known = self.frame.scope, static_names(self.block)
        star = False
        for param in self.block.params:
            if isinstance(param.spec, tree.AxisKind):
                self._axis(param.name, param.span)
            for spec in _input_axes(param):
                star = star or spec.name == STAR
                if spec.name not in (None, STAR) and spec.size is None:
                    self._axis(spec.name or "", spec.span)
        for param in self.block.params:
            for spec in _input_axes(param):
                name = axis_name(spec, known)
                if name is not None and name != STAR and name not in scope.axes:
                    if spec.name is not None and name not in self.bound:
                        scope.bind_axis(name, name)
                    else:
                        self._axis(name, spec.span)
        for param in self.block.params:
            for spec in _input_axes(param):
                for inner in sorted(names_in(spec.size) - known - {other.name for other in self.block.params}):
                    self._axis(inner, spec.span)
        scope.hidden = (STAR,) if star else ()
        scope.hidden_sizes = {STAR: Size.symbol(STAR)} if star else {}
        scope.avoid.add(STAR)

    def _axis(self, name: str, span: Span) -> None:
        scope = self.frame.scope
        bare = name.rstrip("'")
        if name in scope.axes:
            return
        if bare != name and bare in scope.axes:
            scope.entry(name)
            return
        entry = scope.bind_axis(name, name)
        entry.declared = True
        value = self.bound.get(name)
        if value is None:
            entry.add(Size.symbol(name), span, "any size")
            return
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
            raise fault("E0503", f"axis `{name}` is bound to {value!r}", span, "a whole number is needed")
        entry.add(Size.of(value), span, "bound by the caller")

    def _statics(self) -> bool:
        missing: list[tree.Param] = []
        for param in self.block.params:
            if isinstance(param.spec, tree.EnumSpec):
                self.frame.scope.words.update(param.spec.values)
        for param in self.block.params:
            if isinstance(param.spec, tree.AxisKind) and not self.frame.session.checking and param.name not in self.bound:
                missing.append(param)
            if not isinstance(param.spec, tree.StaticSpec | tree.EnumSpec | tree.LayerSpec):
                continue
            try:
                self.frame.scope.values[param.name] = self._value(param)
            except KeyError:
                missing.append(param)
            except Fault as fault:
                self.frame.session.report(fault.diagnostic)
                self.frame.scope.values[param.name] = POISON
        if missing:
            names = [param.name for param in missing]
            labels = tuple(Label(param.span, "no default") for param in missing[1:])
            call = ", ".join(f"{name}=..." for name in names)
            self.frame.session.report(
                Diagnostic(
                    "E0501",
                    f"block `{self.block.name}` needs {', '.join(f'`{name}`' for name in names)} to be compiled",
                    missing[0].span,
                    "no default",
                    labels,
                    help=f"bind it: attn.compile(..., {call}) or --bind {call}",
                )
            )
        return not missing

    def _value(self, param: tree.Param) -> Value:
        """The bound value, the default, or (only while checking) something unknown. KeyError where there is none."""
        if param.name in self.bound and param.name not in self.frame.scope.axes:
            return from_python(self.bound[param.name], param)
        if param.default is not None:
            return default_value(self.frame, param)
        if not self.frame.session.checking:
            raise KeyError(param.name)
        if isinstance(param.spec, tree.LayerSpec):
            return ParamLayer(self.frame, param, param.spec)
        if isinstance(param.spec, tree.EnumSpec):
            return Word(param.spec.values[0])
        assert isinstance(param.spec, tree.StaticSpec)
        if param.spec.many:
            return Unknown("list", param.name)
        return Size.symbol(self._symbol(param.name)) if param.spec.kind == "int" else Unknown(param.spec.kind, param.name)

    def _symbol(self, name: str) -> str:
        return name if name not in self.frame.scope.axes else name + "_value"

    def _inputs(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        for param in self.block.params:
            if not isinstance(param.spec, tree.TensorSpec):
                continue
            absent = param.default is not None and param.name not in self.given
            node = self._input(param, param.spec, absent)
            nodes.append(node)
            if absent:
                self.frame.scope.values[param.name] = None
            else:
                self.frame.scope.bind(param.name, node, param.span)
        self._forget_absent(nodes)
        return tuple(nodes)

    def _forget_absent(self, nodes: list[Node]) -> None:
        """An axis that only absent inputs have is of no size here, unless the caller bound it: the block may make its own."""
        present = {name for node in nodes if not node["absent"] for axis in node.tensor.axes for name in (axis.name, *axis.size.free())}
        absent = {axis.name for node in nodes if node["absent"] for axis in node.tensor.axes} - {param.name for param in self.block.params}
        for name, entry in self.frame.scope.axes.items():
            if entry.symbol in absent - present and name not in self.bound:
                entry.sizes.clear()

    def _input(self, param: tree.Param, spec: tree.TensorSpec, absent: bool) -> Node:
        known, scope = static_names(self.block), self.frame.scope
        axes: list[Axis] = []
        for item in spec.axes:
            name = axis_name(item, known)
            if item.name == STAR:
                axes.append(Axis(STAR, Size.symbol(STAR)))
                continue
            if name is None:
                raise Fault(
                    Diagnostic("E0506", "this axis has no name", item.span, "several could be meant", help="write it as name = size")
                )
            found = declared_size(self.frame, item, name)
            if found is None:
                found = Size.symbol(name) if item.size is None else self._sized(item, name)
            scope.entry(name).add(found, item.span, f"in `{param.name}`")
            scope.entry(name).declared = True
            axes.append(Axis(scope.entry(name).symbol, found))
        dtype = input_dtype(spec)
        order = tuple(axis.name for axis in axes)
        return self.frame.node(
            "input",
            (),
            TensorType(tuple(axes), dtype),
            param.span,
            name=param.name,
            order=order,
            optional=param.default is not None,
            absent=absent,
        )

    def _sized(self, item: tree.AxisSpec, name: str) -> Size:
        assert item.size is not None
        return size(self.frame, item.size, f"axis `{name}`")


def _input_axes(param: tree.Param) -> tuple[tree.AxisSpec, ...]:
    if isinstance(param.spec, tree.TensorSpec):
        return param.spec.axes
    return ()
