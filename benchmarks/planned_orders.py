"""What contraction planning gains, and whether its cost model chooses well: programs as written beside what the pass makes of them.

    python benchmarks/planned_orders.py [ROUNDS]

The columns: how many times faster the other order is than what is written, what the cost model expects, what is chosen. The two take
turns in one process; medians of the CPU time of one thread, so that a busy machine falls on both.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch

import attn
from attn.compiler.graph import Graph, Node
from attn.compiler.lower.lowering import lower
from attn.compiler.passes.base import Mode
from attn.compiler.passes.cost_model import below, node_work
from attn.compiler.passes.making import Make
from attn.compiler.passes.plan import Plan
from attn.compiler.passes.plan_prepared import Prepared
from attn.compiler.passes.rewriting import rewrite
from attn.compiler.sizes import Size

LINEAR = """block t(q: [*, N, d], k: [*, N, d], v: [*, N, e]) -> [*, N, e] {
    return dot(dot(q, rename(k, N -> N'), over=d), rename(v, N -> N'), over=N')
}
"""
TWO = "block t(x: [*, N, D]) -> [*, N, E] {\n    return linear(linear(x, D -> r=R) as a, r -> E=D) as b\n}\n"
LOW = """block t(x: [*, N, D]) -> [*, m, h, d] {
    axis h = D / 64, d = 64
    return linear(linear(x, D -> h d) as k, N -> m=128, bias=false) as low
}
"""


@dataclass(frozen=True)
class Work:
    """A program with sizes: what is bound, and the rest."""

    name: str
    graph: Callable[[Mapping[str, int]], Graph]
    bind: Mapping[str, int]
    sizes: Mapping[str, int]


def of_text(text: str) -> Callable[[Mapping[str, int]], Graph]:
    return lambda bind: attn.load(attn.text(text)).graph(dict(bind))


def works() -> list[Work]:
    xca, davit, mdta = (getattr(attn.std.channel_tokens, name).graph for name in ("xca", "channel_group", "mdta"))
    tokens = [(1, 196, 384), (1, 784, 384), (1, 784, 192), (4, 784, 96), (1, 3136, 96), (1, 3136, 192), (1, 16384, 96)]
    found = [Work("xca", xca, {"D": c, "heads": 8}, {"*": b, "N": n}) for b, n, c in tokens]
    found += [Work("channel_group", davit, {"D": c, "groups": 8}, {"*": b, "N": n}) for b, n, c in tokens]
    found += [Work("mdta", mdta, {"C": 48, "heads": 1}, {"*": 1, "H": 64, "W": 64})]
    found += [Work("linear attention", of_text(LINEAR), {"d": 64, "e": 64}, {"*": 8, "N": n}) for n in (16, 64, 256, 1024)]
    found += [Work("two maps", of_text(TWO.replace("R", str(r))), {"D": 256}, {"*": 1, "N": 1024}) for r in (64, 128, 256, 1024)]
    return [*found, Work("fewer keys", of_text(LOW), {"N": 2048, "D": 256}, {"*": 1})]


def forced(graph: Graph, first: bool) -> Graph:
    """The graph with every choice made for it."""

    def rule(make: Make, node: Node) -> Node | None:
        if node.op != "choose":
            return None
        sides = (0, 1) if first else (1, 0)
        return make.again(node, [make.new(source) for source in node.inputs], left=Size.of(sides[0]), right=Size.of(sides[1]))

    return rewrite(graph, rule)


def cost(graph: Graph, sizes: Mapping[str, int], mode: Mode) -> float:
    """What the cost model says of a graph, with every choice made the first way."""
    prepared = Prepared(graph, mode)
    total = 0.0
    for node in graph.nodes:
        if node.op == "choose":
            total += sum(node_work(one).number(sizes) for one in below(node["first"].yields, lambda one: one.op == "param"))
        elif not prepared(node):
            total += node_work(node).number(sizes)
    return total


def taken(graph: Graph, sizes: Mapping[str, int]) -> str:
    """Which way the choices of a planned graph take at these sizes."""
    choices = [node for node in graph.nodes if node.op == "choose"]
    ways = ["planned" if node["left"].evaluate(sizes) <= node["right"].evaluate(sizes) else "written" for node in choices]
    return " ".join(dict.fromkeys(ways)) or "always"


def seconds(run: Callable[[], object], least: float = 0.02) -> float:
    """CPU seconds of one call, from as many as take `least`."""
    count, start = 0, time.process_time()
    while (spent := time.process_time() - start) < least:
        run()
        count += 1
    return spent / count


def ratio(graphs: Sequence[Graph], work: Work, rounds: int) -> float:
    modules = [lower(graph) for graph in graphs]
    for module in modules[1:]:
        module.load_state_dict(modules[0].state_dict())
    inputs: dict[str, torch.Tensor] = {}
    for node in graphs[0].inputs:
        shape = [int(node.tensor.size(name).evaluate(work.sizes)) for name in node["order"]]
        inputs[node["name"]] = torch.randn(shape)
    times: list[list[float]] = [[] for _ in modules]
    with torch.no_grad():
        for _ in range(rounds + 1):
            for module, found in zip(modules, times, strict=True):
                found.append(seconds(partial(module, **inputs)))
    return median(a / b for a, b in zip(times[0][1:], times[1][1:], strict=True))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.set_num_threads(1)
    print(f"{'':18}{'bound':24}{'sizes':28}{'gain':>7}{'expected':>10}  taken")
    for work in works():
        source = work.graph(work.bind)
        planned = Plan().run(source, "train").graph
        if planned is source:
            print(f"{work.name:18}{work.bind!s:24}{work.sizes!s:28}{'':17}  never")
            continue
        first = forced(planned, True)
        gain = ratio([source, first], work, rounds)
        expected = cost(source, work.sizes, "train") / cost(first, work.sizes, "train")
        print(f"{work.name:18}{work.bind!s:24}{work.sizes!s:28}{gain:7.2f}{expected:10.2f}  {taken(planned, work.sizes)}", flush=True)


if __name__ == "__main__":
    main()
