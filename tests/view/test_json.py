"""Promises of the JSON form: the same graph again, bit by bit; anything else is refused with E0702."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from view import graphs, random_drawings

from attn.compiler.graph import Body, Graph, Guard, Init, Node
from attn.compiler.sizes import Size
from attn.compiler.sizes.limits import MAX_DEPTH
from attn.compiler.sizes.serial import from_plain, to_plain
from attn.compiler.view import from_json, render_svg, to_json
from attn.compiler.view.schema import MAX_CHARACTERS, MAX_NODES
from attn.dsl.diagnostics import AttnError
from attn.dsl.source import Source, Span

GRAPHS: dict[str, Callable[[], Graph]] = {
    "se": graphs.se, "encoder": lambda: graphs.encoder(2), "ema": graphs.ema, "cbam": graphs.cbam,
    **{f"random {seed}": lambda seed=seed: random_drawings.graph(seed) for seed in range(25)},
}  # fmt: skip


class Same:
    """Compares two graphs part by part, and which nodes are one and the same."""

    def __init__(self) -> None:
        self.pairs: dict[Node, Node] = {}

    def graphs(self, a: Graph, b: Graph) -> bool:
        return self.values(self.parts(a), self.parts(b))

    def parts(self, graph: Graph) -> tuple[Any, ...]:
        weights = tuple((w.path, w.kind, w.axes, w.groups, w.dtype, w.init) for w in graph.weights)
        outputs = tuple((output.name, output.node, output.order) for output in graph.outputs)
        return graph.name, graph.doc, graph.guards, graph.inputs, outputs, graph.updates, weights

    def values(self, a: Any, b: Any) -> bool:
        if type(a) is not type(b):
            return False
        match a:
            case Node():
                return self.nodes(a, b)
            case Body():
                return all(self.values(x, y) for x, y in zip((a.params, a.yields, a.carries), (b.params, b.yields, b.carries), strict=True))
            case Init():
                return self.values((a.kind, a.values, a.node), (b.kind, b.values, b.node))
            case tuple():
                return len(a) == len(b) and all(self.values(x, y) for x, y in zip(a, b, strict=True))
            case _:
                return a == b

    def nodes(self, a: Node, b: Node) -> bool:
        if a not in self.pairs:
            self.pairs[a] = b
            where = [(node.span.source.text, node.span.start, node.span.end, node.type, node.op, node.scope, node.name) for node in (a, b)]
            if where[0] != where[1] or not self.values(a.inputs, b.inputs) or not self.values(a.attrs, b.attrs):
                return False
        return self.pairs[a] is b


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_comes_back_as_it_was(name: str) -> None:
    graph = GRAPHS[name]()
    text = to_json(graph)
    again = from_json(text)
    assert Same().graphs(graph, again)
    assert to_json(again) == text
    assert render_svg(again) == render_svg(graph)


def test_the_comparison_sees_a_difference() -> None:
    assert Same().graphs(graphs.se(), graphs.se())
    assert not Same().graphs(graphs.encoder(1, heads=8), graphs.encoder(1, heads=4))
    text = to_json(graphs.ema())
    assert not Same().graphs(graphs.ema(), from_json(text.replace('{"value": 1}', '{"value": 1.0}')))


def test_spans_still_point_at_lines() -> None:
    source = Source("a/b.attn", "attn 1\nblock f\n  y = relu(x)\n")
    s = graphs.Sketch("f")
    x = s.input("x", graphs.tensor("N"))
    node = s.builder.make("relu", (x,), x.type, span=Span(source, 20, 27))
    again = from_json(to_json(s.graph(node))).outputs[0].node
    assert (str(again.span), again.span.text, again.span.source.line(3)) == (str(node.span), node.span.text, "  y = relu(x)")


def test_guards_and_updates_come_back() -> None:
    s = graphs.Sketch("f")
    x = s.input("x", graphs.tensor("N"))
    state = s.weight("k", graphs.tensor("N"), kind="state")
    new = s.op("add", x, state)
    plain = s.graph(new)
    guard = Guard("equal", graphs.N, graphs.D * 2 + 1, "because")
    again = from_json(to_json(Graph("f", plain.inputs, plain.outputs, plain.weights, ((0, new),), (guard,))))
    assert again.guards == (guard,)
    assert again.updates == ((0, again.outputs[0].node),)


def test_any_size_comes_back_in_the_same_normal_form() -> None:
    random = Random(3)
    for _ in range(400):
        size = random_drawings.size(random, 4)
        again = from_plain(json.loads(json.dumps(to_plain(size))))
        assert (again, again.key, str(again)) == (size, size.key, str(size))


def test_keys_and_lines_are_in_a_fixed_order() -> None:
    text = to_json(graphs.se())
    keys = "schema name doc span sources inputs outputs updates guards weights nodes"
    assert list(json.loads(text)) == keys.split()
    assert text.count("\n") == 32


# ---------------------------------------------------------------- refusals


def refusal(text: str) -> str:
    with pytest.raises(AttnError) as caught:
        from_json(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0702"
    assert "E0702" in str(caught.value)
    return diagnostic.notes[0]


def changed(path: str, value: Any, graph: Graph | None = None) -> str:
    record = json.loads(to_json(graph or graphs.ema()))
    target = record
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in way:
        target = target[part]
    target[last] = value
    return json.dumps(record)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1e999", '"x"', "{}", "[" * 100_000, '{"a":' * 100_000, "\ud800", "\x00"])
def test_what_is_no_graph_is_refused(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("schema", 2, "schema: Input should be 1"),
        ("more", 1, "more: Extra inputs are not permitted"),
        ("inputs/0", 99, "node 99 is not before"),
        ("inputs/0", 1, "`input` nodes"),
        ("nodes/6/inputs/0", 6, "nodes[6]: node 6 is not before"),
        ("nodes/6/inputs/0", -1, "nodes[6].inputs[0]: Input should be greater"),
        ("nodes/6/inputs/0", True, "nodes[6].inputs[0]: Input should be a valid integer"),
        ("nodes/5/attrs/slot", 7, "slot"),
        ("nodes/5/attrs", {}, "`weight` needs the option `slot`"),
        ("nodes/0/type/dtype", "float8", "nodes[0].type"),
        ("nodes/0/type/axes", [["N", "N"], ["N", "N"]], "an axis twice"),
        ("nodes/0/type/axes", [["N", [[1, "N", "x"]]]], "a size has a power"),
        ("nodes/0/type/axes", [["N", [[1, ["eval", "N"], 1]]]], "a size has a function"),
        ("nodes/0/type/axes", [["N", 2**300]], "2**200"),
        ("nodes/0/span", [0, 0, 1], "span"),
        ("nodes/12/attrs/index", 5, "`item` has nothing to take"),
        ("nodes/11/attrs/body", {"body": {"params": [2], "yields": [10], "carries": []}}, "number of parameters"),
        ("nodes/11/attrs/body", {"body": {"params": [2, 3, 4], "yields": ["10"], "carries": []}}, "yields[0]"),
        ("nodes/11/attrs/axis", {"exec": "import os"}, "there is no option of the kind 'exec'"),
        ("weights/0/groups", [["E"]], "stored shape"),
        ("outputs/0/node", 11, "one tensor"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(path: str, value: Any, why: str) -> None:
    assert why in refusal(changed(path, value))


def test_sizes_of_files_and_graphs_are_limited() -> None:
    assert "characters" in refusal(" " * (MAX_CHARACTERS + 1))
    node = {"op": "input"}  # they are counted before they are read
    assert str(MAX_NODES) in refusal(changed("nodes", [node] * (MAX_NODES + 1), graphs.se()))
    assert "deep" in refusal(changed("nodes/0/type/axes", [["N", deep_size(40)]]))


def deep_size(depth: int) -> Any:
    size: Any = "N"
    for _ in range(depth):
        size = [["1/2", ["floor", size], 1]]
    return size


def test_the_deepest_size_that_may_be_comes_back() -> None:
    deepest = from_plain(deep_size(MAX_DEPTH - 1))
    assert deepest.depth == MAX_DEPTH
    s = graphs.Sketch("deep")
    graph = s.graph(s.input("x", graphs.tensor(("N", deepest))))
    assert from_json(to_json(graph)).inputs[0].axes == graph.inputs[0].axes


def places(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


JUNK = (None, True, -1, 0, 7, 1.5, "", "N", "\u202e\x00", [], {}, [[]], {"size": "N"}, {"body": {}}, {"node": 3}, 2**80, [[2, "N", 1]])


def graph_or_refusal(text: str) -> Graph | None:
    try:
        return from_json(text)
    except AttnError as error:
        codes = [diagnostic.code for diagnostic in error.diagnostics]
    assert codes == ["E0702"]
    return None


@pytest.mark.parametrize("name", ["ema", "cbam", "random 3"])
def test_a_damaged_text_gives_a_graph_or_a_diagnostic(name: str) -> None:
    """Anything that is taken can also be drawn and written again."""
    whole, random = to_json(GRAPHS[name]()), Random(1)
    ways = list(places(json.loads(whole)))
    taken = 0
    for _ in range(150):
        record = json.loads(whole)
        *way, last = random.choice(ways)
        target = record
        for part in way:
            target = target[part]
        target[last] = random.choice(JUNK)
        graph = graph_or_refusal(json.dumps(record))
        if graph is None:
            continue
        taken += 1
        assert to_json(from_json(to_json(graph))) == to_json(graph)
        assert render_svg(graph).endswith("</svg>\n")
    assert 0 < taken < 150


def test_a_size_with_a_symbol_of_any_script_comes_back() -> None:
    for name in ("ключ", "N'", "a b", '"<&>'):
        assert from_plain(to_plain(Size.symbol(name) * 2 + 1)) == Size.symbol(name) * 2 + 1
