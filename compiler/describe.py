"""What `attn show`, `attn list` and `attn doc` tell: plain records that print as text or as JSON. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..dsl.loader import Library
from .cost import graph_cost, readable
from .elaborate.blocks import signature_axes
from .graph import Graph, Guard
from .ops import OPERATORS
from .ops.base import Operator, Signature
from .program import BlockProgram, load_unit, signature
from .sizes import Size

Record = dict[str, Any]


def summary(doc: str) -> str:
    """The first sentence of a documentation comment."""
    flat = " ".join(doc.split())
    for end in range(1, len(flat)):
        if (
            flat[end - 1] == "."
            and flat[end] == " "
            and flat[max(0, end - 4) : end] not in ("al.", "et.")
            and not flat[:end].endswith(("et al.", "e.g.", "i.e."))
        ):
            return flat[:end]
    return flat


def show_block(program: BlockProgram, bind: Mapping[str, Any], inputs: tuple[str, ...] = ()) -> Record:
    """Signature, documentation, axes, weights and cost of a block; numbers where everything is bound. Raises AttnError."""
    graph = program.graph(bind, inputs, checking=True)
    cost = graph_cost(graph)
    return {
        "name": program.name,
        "file": program.unit.source.name,
        "signature": signature(program.block),
        "doc": program.block.doc,
        "axes": _axes(program, graph, bind),
        "bound": {name: str(value) for name, value in bind.items()},
        "parameters": _amount(cost.parameters),
        "buffers": _amount(cost.buffers),
        "flops": _amount(cost.flops),
        "bytes": _amount(cost.bytes),
        "weights": _weights(graph),
        "guards": [_fact(guard) for guard in graph.guards],
    }


def _axes(program: BlockProgram, graph: Graph, bind: Mapping[str, Any]) -> dict[str, str]:
    """Each axis of the signature with its size: bound, worked out, or any."""
    found = dict.fromkeys(signature_axes(program.block), "any size")
    tensors = [node.tensor for node in (*graph.inputs, *(output.node for output in graph.outputs))]
    for axis in (axis for tensor in tensors for axis in tensor.axes):
        if axis.name in found and str(axis.size) != axis.name:
            found[axis.name] = str(readable(axis.size))
    return {**found, **{name: str(value) for name, value in bind.items() if name in found}}


def _amount(size: Size) -> Record:
    """A formula, and its number once nothing is left open."""
    shown = readable(size)
    return {"formula": str(shown), "value": shown.integer()}


def _fact(guard: Guard) -> str:
    """A guard as a fact: `C divides by 16`."""
    left, right = readable(guard.left), readable(guard.right)
    facts = {"equal": f"{left} = {right}", "divides": f"{right} divides by {left}", "at_least": f"{left} >= {right}"}
    return f"{facts[guard.kind]}: {guard.reason}"


def _weights(graph: Graph) -> list[Record]:
    return [
        {
            "name": weight.path,
            "kind": weight.kind,
            "axes": [axis.name for axis in weight.axes],
            "shape": [str(size) for size in weight.shape],
        }
        for weight in graph.weights
    ]


def show_text(record: Record) -> str:
    """The record as `attn show` prints it."""
    lines = [record["signature"], ""]
    if record["doc"]:
        lines += [*(f"  {line}".rstrip() for line in record["doc"].splitlines()), ""]
    lines += _paper(record.get("system"))
    lines.append("axes        " + (", ".join(f"{name} ({size})" for name, size in record["axes"].items()) or "none"))
    for name in ("parameters", "buffers", "flops", "bytes"):
        amount = record[name]
        if name != "buffers" or amount["formula"] != "0":
            lines.append(f"{name:<12}" + (f"{amount['value']:,}" if amount["value"] is not None else amount["formula"]))
    if record["weights"]:
        width = max(len(weight["name"]) for weight in record["weights"])
        lines += ["", "weights"]
        lines += [
            f"  {weight['name']:<{width}}  [{', '.join(weight['shape'])}]" + ("" if weight["kind"] == "param" else f"  {weight['kind']}")
            for weight in record["weights"]
        ]
    if record["guards"]:
        lines += ["", "checked when tensors come", *(f"  {guard}" for guard in record["guards"])]
    return "\n".join(lines)


def _paper(system: Record | None) -> list[str]:
    """Of a block that is a published system: where it comes from, and which others are close."""
    if system is None:
        return []
    related = {"built from": ", ".join(system["built_from"]), "resembles": ", ".join(system["resembles"])}
    paper = f"{system['title']} ({system['authors']}, {system['year']})"
    found = {"system": system["id"], "paper": paper, **{name: ids for name, ids in related.items() if ids}}
    return [f"{name:<12}{text}" for name, text in found.items()]


# ---------------------------------------------------------------- the library and the operators


def list_library() -> list[Record]:
    """Every block of the library with its module and the first sentence of its documentation."""
    rows: list[Record] = []
    for module in Library().names():
        if not module.startswith("std."):
            continue
        unit, _ = load_unit(module)
        rows += [
            {"module": module, "name": block.name, "signature": signature(block), "summary": summary(block.doc)}
            for block in unit.blocks.values()
        ]
    return rows


def written(operator: Operator) -> bool:
    """Whether users write this operator by name."""
    return operator.build is not None and operator.name.isidentifier() and operator.name not in ("and", "or", "not")


def operators() -> list[Operator]:
    return sorted((row for row in OPERATORS.values() if written(row)), key=lambda row: (row.family, row.name))


def doc_operator(operator: Operator) -> Record:
    """All that is known of an operator."""
    return {
        "name": operator.name,
        "family": operator.family,
        "call": call_shape(operator.name, operator.signature),
        "doc": operator.doc,
        "options": [
            {"name": option.name, "kind": option.kind, "default": _default(option.default), "doc": option.doc, "words": list(option.words)}
            for option in operator.signature.options
        ],
        "differentiable": operator.differentiable,
        "examples": list(operator.examples),
    }


def _default(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def call_shape(name: str, signature: Signature) -> str:
    """`conv(x, C -> E, over=H W, kernel=, ...)`."""
    parts = list(signature.tensors)
    if signature.variadic:
        parts.append("...")
    kinds = {"list": "X Y", "arrow": "X -> Y", "arrows": "X -> Y, ...", "list|arrow": "X Y or X -> Y", "list|arrows": "X Y or X -> Y"}
    shape = kinds.get(signature.axes.rstrip("?"))
    if shape:
        parts.append(f"[{shape}]" if signature.axes.endswith("?") else shape)
    if signature.over and signature.over != "none":
        parts.append("over=X")
    if signature.settings:
        parts.append("X=...")
    parts += [f"{option.name}=" for option in signature.options]
    return f"{name}({', '.join(parts)})"


def doc_text(record: Record) -> str:
    """The record as `attn doc` prints it."""
    lines = [record["call"], "", record["doc"].strip()]
    if record["options"]:
        width = max(len(option["name"]) for option in record["options"])
        lines += ["", "options"]
        for option in record["options"]:
            words = f" ({', '.join(option['words'])})" if option["words"] else f" ({option['kind']})"
            default = f", default {option['default']}" if option["default"] is not None else ""
            lines.append(f"  {option['name']:<{width}}  {option['doc']}{words}{default}")
    for example in record["examples"][:1]:
        lines += ["", "example", *(f"  {line}".rstrip() for line in example.strip().splitlines() if not line.startswith("# bind"))]
    return "\n".join(lines)
