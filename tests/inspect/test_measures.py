"""Every number on maps of attention against a few lines that work it out in another way."""

from __future__ import annotations

import itertools
import math
from typing import Any

import networkx
import pytest
import torch
from torch import Tensor

from attn.compiler.inspect.flow import UNIT, capacities, flow, flow_rows
from attn.compiler.inspect.measures import Tally, distance, entropy, mixed, rollout, similarity


def maps(heads: int, tokens: int, layers: int = 1, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(heads, tokens, tokens, generator=generator, dtype=torch.float64).mul(2).softmax(-1) for _ in range(layers)]


def test_entropy_is_that_of_each_row_in_bits() -> None:
    (map,) = maps(2, 5)
    direct = [[-sum(p * math.log2(p) for p in row) for row in head] for head in map.tolist()]
    torch.testing.assert_close(entropy(map), torch.tensor(direct, dtype=torch.float64))
    assert entropy(torch.eye(4, dtype=torch.float64)[None]).abs().max() == 0
    torch.testing.assert_close(entropy(torch.full((1, 1, 8), 1 / 8)), torch.tensor([[3.0]]))


def test_distance_is_the_mean_over_what_is_read() -> None:
    (map,) = maps(2, 4)
    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    direct = [[sum(p * math.dist(places[i], places[j]) for j, p in enumerate(row)) for i, row in enumerate(head)] for head in map.tolist()]
    positions = torch.tensor(places, dtype=torch.float64)
    everywhere = torch.ones(4, dtype=torch.bool)
    torch.testing.assert_close(distance(map, positions, positions, everywhere), torch.tensor(direct, dtype=torch.float64))


def test_tokens_without_a_place_do_not_count_in_distances() -> None:
    map = torch.tensor([[[0.5, 0.25, 0.25], [0.2, 0.4, 0.4], [1.0, 0.0, 0.0]]])
    tally = Tally(torch.tensor([[0.0], [1.0], [4.0]]), torch.tensor([False, True, True]))
    tally.add(map, 0, True)
    assert tally.placed_rows == 2
    assert tally.distances is not None
    torch.testing.assert_close(
        tally.distances, torch.tensor([1.5 + 0.0], dtype=torch.float64)
    )  # row 1: half of 3 away; row 2: reads no place


def test_a_map_in_parts_gives_the_sums_of_the_whole() -> None:
    (map,) = maps(3, 6)
    positions, placed = torch.arange(6.0)[:, None], torch.ones(6, dtype=torch.bool)
    whole, parts = Tally(positions, placed), Tally(positions, placed)
    whole.add(map, 0, True)
    parts.add(map[:, :2], 0, True)
    parts.add(map[:, 2:], 2, True)
    assert parts.rows == 6
    for name in ("entropies", "distances", "received"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))
    assert whole.received is not None
    direct = [[sum(head[i][j] for i in range(6)) for j in range(6)] for head in map.tolist()]
    torch.testing.assert_close(whole.received, torch.tensor(direct, dtype=torch.float64))


def test_similarity_is_the_cosine_of_all_weights() -> None:
    first, second = maps(2, 4, layers=2)
    flat = [head.flatten().tolist() for map in (first, second) for head in map]
    direct = [[sum(a * b for a, b in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y) for y in flat] for x in flat]
    torch.testing.assert_close(similarity([first, second]), torch.tensor(direct, dtype=torch.float64))


def test_rollout_adds_up_all_paths() -> None:
    """Each entry is the sum over all paths of tokens of the products of the mixed weights on them."""
    layers = [mixed(map) for map in maps(2, 3, layers=3)]
    direct = torch.zeros(3, 3, dtype=torch.float64)
    for path in itertools.product(range(3), repeat=4):  # from the end to the input
        direct[path[0], path[3]] += math.prod(float(layers[2 - step][path[step], path[step + 1]]) for step in range(3))
    torch.testing.assert_close(rollout(maps(2, 3, layers=3)), direct)


def test_a_layer_is_half_the_token_itself() -> None:
    (map,) = maps(2, 3)
    for i, j in itertools.product(range(3), repeat=2):
        assert float(mixed(map)[i, j]) == pytest.approx((float(map[0, i, j]) + float(map[1, i, j])) / 4 + (i == j) / 2)


def least_cut(layers: list[Tensor], row: int, token: int) -> float:
    """The cheapest of all ways to part the end from the input: what can flow is no more and no less (Ford and Fulkerson, 1956)."""
    count, tokens = len(layers), layers[0].shape[-1]
    nodes = [(layer, place) for layer in range(count + 1) for place in range(tokens)]
    free = [node for node in nodes if node not in ((count, row), (0, token))]
    best = math.inf
    for chosen in itertools.product((False, True), repeat=len(free)):
        side = {**dict(zip(free, chosen, strict=True)), (count, row): True, (0, token): False}
        cut = sum(
            float(layers[layer][i, j])
            for layer in range(count) for i in range(tokens) for j in range(tokens)
            if side[layer + 1, i] and not side[layer, j]
        )  # fmt: skip
        best = min(best, cut)
    return best


def test_flow_is_the_least_cut() -> None:
    layers = maps(1, 3, layers=2, seed=3)
    cuts = [[least_cut([mixed(map) for map in layers], row, token) for token in range(3)] for row in range(3)]
    torch.testing.assert_close(flow(layers, range(3)), torch.tensor(cuts, dtype=torch.float64), atol=1e-10, rtol=0)
    torch.testing.assert_close(flow(layers, [2])[0], flow(layers, range(3))[2])


def flows_of_networkx(layers: list[Tensor]) -> Tensor:
    """The same flows in units, one pair at a time, by another algorithm."""
    library: Any = networkx
    graph, tokens = library.DiGraph(), range(layers[0].shape[-1])
    for layer, pipes in enumerate(capacities(layers).long().tolist()):
        for i, j in itertools.product(tokens, tokens):
            if pipes[i][j]:
                graph.add_edge((layer + 1, i), (layer, j), capacity=pipes[i][j])
    found = [[library.maximum_flow_value(graph, (len(layers), row), (0, token)) for token in tokens] for row in tokens]
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize(("tokens", "layers", "sharpness"), [(5, 1, 1), (6, 3, 1), (6, 4, 6), (4, 7, 3)])
def test_flow_is_that_of_networkx_to_the_last_unit(tokens: int, layers: int, sharpness: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sharp = [(map**sharpness / (map**sharpness).sum(-1, keepdim=True)).tril() for map in maps(2, tokens, layers, seed=tokens)]
    monkeypatch.setattr("attn.compiler.inspect.flow.TOGETHER", 7 * layers * tokens * tokens)  # seven pairs at a time
    assert torch.equal(flow(sharp, range(tokens)) * UNIT, flows_of_networkx(sharp))


def test_flow_uses_whole_capacities() -> None:
    pipes = capacities(maps(2, 4, layers=2))
    assert torch.equal(pipes, pipes.round())
    assert float(pipes.max()) <= UNIT


def test_flow_is_worked_out_as_far_as_time_allows() -> None:
    assert flow_rows(32, 12) == list(range(32))
    assert flow_rows(64, 12) == [0]
    assert flow_rows(577, 24) == []
