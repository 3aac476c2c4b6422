"""Ten passes that are wrong on purpose: what the checker must catch. Each is the kind of mistake that a real pass could make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import attn
from attn.compiler.graph import Graph, Node
from attn.compiler.passes import Change, Mode, Outcome, Pass
from attn.compiler.passes.making import Make
from attn.compiler.passes.rewriting import rewrite
from attn.compiler.sizes import Size
from attn.compiler.types import TensorType

PROGRAMS = Path(__file__).parents[1]
EXAMPLES = PROGRAMS.parent / "examples"


@dataclass(frozen=True)
class Wrong(Pass):
    """A pass that applies a wrong rule once, to the first node that it fits."""

    name: ClassVar[str] = "wrong"
    promise: ClassVar[str] = "changes nothing, so it says"
    exact: ClassVar[bool] = False

    def rule(self, make: Make, node: Node) -> Node | None:
        raise NotImplementedError

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        done: list[Node] = []

        def once(make: Make, node: Node) -> Node | None:
            found = None if done else self.rule(make, node)
            if found is not None:
                done.append(node)
            return found

        made = rewrite(graph, once)
        return Outcome(made, (Change("something", (done[0].span,)),) if done else ())


def _inputs(make: Make, node: Node) -> list[Node]:
    return [make.new(source) for source in node.inputs]


@dataclass(frozen=True)
class WindowOffByOne(Wrong):
    """A window of positions is one wider: `<` became `<=`."""

    name: ClassVar[str] = "window_off_by_one"

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op != "lt" or node.inputs[0].op != "abs":
            return None
        return make.node("le", _inputs(make, node), node.type)


@dataclass(frozen=True)
class OtherAxis(Wrong):
    """A softmax runs along another axis than the program's."""

    name: ClassVar[str] = "softmax_over_the_other_axis"

    def rule(self, make: Make, node: Node) -> Node | None:
        others = [axis for axis in node.tensor.names if axis not in node["axes"] and axis != "*"] if node.op == "softmax" else []
        return make.again(node, _inputs(make, node), axes=(others[0],)) if others else None


@dataclass(frozen=True)
class MaskAfterSoftmax(Wrong):
    """The mask zeroes weights after the softmax instead of leaving scores out of it."""

    name: ClassVar[str] = "mask_after_softmax"

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op != "softmax" or len(node.inputs) != 2:
            return None
        x, mask = _inputs(make, node)
        plain = make.node("softmax", (x,), node.type, **{**node.options, **_unmasked(node)})
        return make.where(mask, plain, make.scalar(0.0))


def _unmasked(node: Node) -> dict[str, Any]:
    """What a softmax says of its mask, where it says anything."""
    return {key: False for key in ("where", "masked") if key in node.options}


@dataclass(frozen=True)
class ScaleDropped(Wrong):
    """Attention without its scale: as if there were one feature."""

    name: ClassVar[str] = "scale_dropped"

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op != "attend" or "scale" in node["extras"]:
            return None
        return make.again(node, _inputs(make, node), features=Size.of(1))


@dataclass(frozen=True)
class TransposedMask(Wrong):
    """A mask over queries and keys is read the other way round."""

    name: ClassVar[str] = "transposed_mask"

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op != "attend" or "where" not in node["extras"]:
            return None
        inputs = _inputs(make, node)
        at = 2 * node["terms"] + 1 + node["extras"].index("where")
        (key,) = node["keys"]
        turned = make.rename(inputs[at], {key: key.rstrip("'"), key.rstrip("'"): key})
        return make.again(node, [*inputs[:at], turned, *inputs[at + 1 :]])


@dataclass(frozen=True)
class BiasTwice(Wrong):
    """A bias is added by the product and once more after it."""

    name: ClassVar[str] = "bias_added_twice"

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op != "linear" or len(node.inputs) != 3:
            return None
        x, weight, bias = _inputs(make, node)
        names = dict(zip(node["own"], node["made"], strict=True))
        return make.arithmetic("add", make.again(node, (x, weight, bias)), make.rename(bias, names))


@dataclass(frozen=True)
class WrongHead(Wrong):
    """One of several slices is taken for its neighbour."""

    name: ClassVar[str] = "wrong_head_sliced"

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op != "pick":
            return None
        count, index = node.inputs[0].tensor.size(node["axis"]).integer(), node["index"].integer()
        return make.again(node, _inputs(make, node), index=Size.of((index + 1) % count)) if count and count > 1 else None


@dataclass(frozen=True)
class GradientCut(Wrong):
    """The values are right, but no gradient comes back."""

    name: ClassVar[str] = "gradient_path_cut"
    exact: ClassVar[bool] = True

    def rule(self, make: Make, node: Node) -> Node | None:
        if node.op != "sigmoid":
            return None
        return make.node("detach", (make.again(node, _inputs(make, node)),), node.type)


@dataclass(frozen=True)
class NamesSwapped(Wrong):
    """Two weights of one shape are exchanged."""

    name: ClassVar[str] = "name_map_swapped"
    exact: ClassVar[bool] = True

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        slots: dict[TensorType, list[int]] = {}
        for node in graph.nodes:
            if node.op == "weight" and isinstance(node.type, TensorType):
                slots.setdefault(node.type, []).append(node["slot"])
        pair = next((found[:2] for found in slots.values() if len(found) > 1), None)
        if pair is None:
            return Outcome(graph)
        other = {pair[0]: pair[1], pair[1]: pair[0]}
        made = rewrite(graph, lambda make, node: _renumbered(make, node, other))
        return Outcome(made, (Change("something"),))


def _renumbered(make: Make, node: Node, other: dict[int, int]) -> Node | None:
    if node.op != "weight" or node["slot"] not in other:
        return None
    return make.node("weight", (), node.type, slot=other[node["slot"]])


@dataclass(frozen=True)
class Planted:
    """A wrong pass, a real program on which it goes wrong, and what the smallest program that shows it must still hold."""

    wrong: Pass
    program: Callable[[], Graph]
    rest: str


def _program(name: str, block: str, **bind: Any) -> Graph:
    return attn.load(PROGRAMS / name, block).graph(bind)


PLANTED = (
    Planted(WindowOffByOne(), lambda: attn.std.heads.mha.graph({"D": 6, "heads": 2, "window": 2, "causal": True}), "lt"),
    Planted(OtherAxis(), lambda: _program("programs/efficient_attention.attn", "efficient_attention", D=6, heads=2), "softmax"),
    Planted(MaskAfterSoftmax(), lambda: _program("mechanisms/latent.attn", "mla", D=6), "softmax"),
    Planted(ScaleDropped(), lambda: attn.std.layers.encoder.graph({"D": 8, "heads": 2}), "attend"),
    Planted(TransposedMask(), lambda: attn.std.heads.mqa.graph({"D": 6, "heads": 2, "causal": True}), "attend"),
    Planted(BiasTwice(), lambda: attn.std.channel.se.graph({"C": 6, "reduction": 3}), "linear"),
    Planted(WrongHead(), lambda: attn.std.positions.rope.graph(), "pick"),
    Planted(GradientCut(), lambda: attn.load(EXAMPLES / "first.attn", "se").graph({"C": 8, "reduction": 4}), "sigmoid"),
    Planted(NamesSwapped(), lambda: attn.std.heads.mha.graph({"D": 6, "heads": 2}), "q.weight"),
)
