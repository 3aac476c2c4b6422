"""From a typed graph to a drawing: what is drawn, in which group, with which words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..graph import Graph, Node, Weight
from .framing import blocks_of, inner_paths
from .labels import Labels
from .model import Box, Drawing, Wire, chain
from .nesting import Path, nest
from .spoken import COMMUTATIVE
from .values import WHOLE, Key, Values
from .words import axes_text, owner_path, type_text


@dataclass(frozen=True)
class _Item:
    """A box to be, before its group is known."""

    box: Box
    path: Path
    key: Key | None


@dataclass(frozen=True)
class Reading:
    """A drawing, and what of the graph its parts stand for. `nodes`: by box; None for results. `weights`: those a box reads or is.
    `values`: by wire, the node whose type stands on it."""

    graph: Graph
    drawing: Drawing
    nodes: tuple[Node | None, ...]
    weights: tuple[tuple[Weight, ...], ...]
    values: tuple[Node, ...]


def read(graph: Graph) -> Drawing:
    """The drawing of a graph; always the same for the same graph."""
    return read_with_nodes(graph).drawing


def read_with_nodes(graph: Graph) -> Reading:
    """The drawing of a graph, and the nodes that it shows."""
    return _Reader(graph).reading()


class _Reader:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values = Values(graph)
        self.labels = Labels(graph, self.values)
        self.items: list[_Item] = []
        self.number: dict[Key, int] = {}
        self.found: dict[tuple[int, str], tuple[Node, dict[int, None]]] = {}
        self.arguments: dict[int, dict[tuple[int, str], None]] = {}
        self.readers: dict[Key, dict[Key, None]] = {}

    def reading(self) -> Reading:
        keys = self.values.drawn
        inside = inner_paths(self.values)
        paths = {key: self._path(key, inside) for key in keys}
        weights = self._weights(keys)
        for key in keys:
            if self._slot(key) is None:
                self._add(key, self.labels.box(key), paths[key])
            elif key in weights:
                self._add_weight(key, weights[key], paths)
        for key in keys:
            if key in self.number:
                self._wire(self.values.inputs(key), self.number[key])
        self._ends()
        values = tuple(node for node, _ in self.found.values())
        nodes = tuple(item.key[0] if item.key else None for item in self.items)
        return Reading(self.graph, self._finish(), nodes, self._all_weights(), values)

    # ------------------------------------------------ boxes

    def _add(self, key: Key, box: Box, path: Path) -> None:
        self.number[key] = len(self.items)
        self.items.append(_Item(box, path, key))

    def _path(self, key: Key, inside: dict[Node, Path]) -> Path:
        node, index = key
        if index != WHOLE:
            return inside[node["body"].params[index + 1]]
        if node.op == "input":
            return ()
        return inside.get(node, blocks_of(node.scope))

    # ------------------------------------------------ weights

    def _slot(self, key: Key) -> int | None:
        return key[0]["slot"] if key[0].op == "weight" else None

    def _weights(self, keys: list[Key]) -> dict[Key, list[Key]]:
        """The weights that get a box, by the first of those that share it: states, and what several boxes read."""
        readers = self.readers
        for key in keys:
            for node in self.values.inputs(key):
                readers.setdefault(self.values.origin(node)[0], {})[key] = None
        bare = {self.values.origin(output.node)[0] for output in self.graph.outputs}
        shared: dict[tuple[str, tuple[Key, ...]], list[Key]] = {}
        for key in keys:
            slot = self._slot(key)
            if slot is None:
                continue
            weight, users = self.graph.weights[slot], tuple(readers.get(key, ()))
            if weight.kind == "state" or len(users) > 1 or key in bare:
                shared.setdefault((owner_path(weight), users), []).append(key)
        return {group[0]: group for group in shared.values()}

    def _add_weight(self, first: Key, group: list[Key], paths: dict[Key, Path]) -> None:
        """One box for all the weights that one owner shares; it stands where all its readers are."""
        weights = tuple(self._weight(key) for key in group)
        readers = [paths[reader] for key in group for reader in self.readers.get(key, ())]
        self._add(first, self.labels.weight_box(weights), _common(readers))
        for key in group:
            self.number[key] = self.number[first]

    def _weight(self, key: Key) -> Weight:
        slot: int = key[0]["slot"]
        return self.graph.weights[slot]

    def _all_weights(self) -> tuple[tuple[Weight, ...], ...]:
        """The weights that each box reads; of a box of weights, those it stands for."""
        found: list[dict[Weight, None]] = [{} for _ in self.items]
        for key, number in self.number.items():
            for source in (key, *(self.values.origin(node)[0] for node in self.values.inputs(key))):
                if self._slot(source) is not None:
                    found[number][self._weight(source)] = None
        return tuple(tuple(weights) for weights in found)

    # ------------------------------------------------ wires

    def _wire(self, inputs: Iterable[Node], target: int) -> None:
        for node in inputs:
            key, shown = self.values.origin(node)
            if self.values.said(node) is not None and key not in self.number:
                continue
            source = self.number.get(key)
            if source is None or source == target:
                continue
            weight = self._slot(key) is not None and len(self.items[source].box.lines) > 1
            label = "" if weight else axes_text(shown.type)
            _, targets = self.found.setdefault((source, label), (shown, {}))
            targets[target] = None
            self.arguments.setdefault(target, {})[source, label] = None

    def _ends(self) -> None:
        """The results, and what states become."""
        for output in self.graph.outputs:
            self._end(self.labels.output_box(output), output.node)
        for slot, node in self.graph.updates:
            if self.graph.weights[slot].kind == "state":
                self._end(self.labels.update_box(self.graph.weights[slot]), node)

    def _end(self, box: Box, node: Node) -> None:
        self.items.append(_Item(box, (), None))
        self._wire([node], len(self.items) - 1)

    # ------------------------------------------------ groups

    def _finish(self) -> Drawing:
        """Number the boxes along the wires, find the groups, and shorten the notes to what the groups do not say already."""
        edges = [(source, target) for (source, _), (_, targets) in self.found.items() for target in targets]
        groups, home = nest([item.path for item in self.items], edges, [item.box.lines[0] for item in self.items])
        boxes: list[Box] = []
        wires = {wire: place for place, wire in enumerate(self.found)}
        leaving = Counter(source for source, _ in self.found)
        for number, (item, group) in enumerate(zip(self.items, home, strict=True)):
            around = ".".join(groups[inner].title for inner in chain(groups, group)[1:] if groups[inner].kind == "block")
            kind = "op" if item.box.kind == "sign" and leaving[number] > 1 else item.box.kind  # a circle has one way out
            boxes.append(replace(self.labels.shortened(item.box, around), group=group, kind=kind, arguments=self._order(number, wires)))
        lines = tuple(Wire(source, tuple(targets), label, type_text(node.type)) for (source, label), (node, targets) in self.found.items())
        return Drawing(self.graph.name, self.graph.doc, tuple(boxes), groups, lines)

    def _order(self, number: int, wires: dict[tuple[int, str], int]) -> tuple[int, ...]:
        """The arguments of a box from left to right, where exchanging them would change what it does."""
        key, arguments = self.items[number].key, list(self.arguments.get(number, ()))
        if key is None or key[0].op in COMMUTATIVE or len(arguments) < 2:
            return ()
        return tuple(wires[wire] for wire in arguments)


def _common(paths: list[Path]) -> Path:
    """What all paths begin with."""
    shared = paths[0] if paths else ()
    for path in paths[1:]:
        length = next((place for place, (a, b) in enumerate(zip(shared, path, strict=False)) if a != b), min(len(shared), len(path)))
        shared = shared[:length]
    return shared
