"""The table of mechanisms: one program file at one setting, its plain formulation, and the sizes it is tried at."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from systems.support import Case
from torch import Tensor

from . import references_networks as networks
from . import references_sequences as sequences
from . import references_time as time

EDGES = torch.tensor([[0, 1], [2, 1], [1, 0], [3, 2], [4, 2], [0, 2], [3, 3], [1, 4]])
KEEP = torch.tensor([[True, True, False, True, False], [True, False, True, True, True]])


def ids(*shape: int, top: int) -> Tensor:
    return torch.randint(0, top, shape, generator=torch.Generator().manual_seed(3))


def bare(function: Any, **options: Any) -> Any:
    """A reference without weights."""
    return lambda _, *inputs: function(*inputs, **options)


def _sequence_cases() -> list[Case]:
    x = (2, 7, 12)
    return [
        *[Case("latent", "mla", sequences.latent, ((2, 7, 6),), {"D": 6, **q}, {"N": 7}) for q in ({}, {"query_latent": 5})],
        *[Case("differential", "diff", partial(sequences.differential, layer=n), (x,), {"D": 12, "layer": n}, {"N": 7}) for n in (1, 4)],
    ]  # fmt: skip


def _time_cases() -> list[Case]:
    x, qkv = (2, 7, 6), ((2, 3, 9, 6), (2, 3, 9, 6), (2, 3, 9, 5))
    return [
        *[Case("experts", "dense_moe", partial(time.experts_dense, top=top), (x,), {"D": 6, "top": top}, {"N": 7}, lead=False, half=False)
          for top in (1, 2, 4)],
        *[Case("experts", "sparse_moe", partial(time.experts_sparse, room=room), ((11, 6),), {"D": 6, "room": room}, {"N": 11},
               lead=False, half=False)
          for room in (2, 11)],
        Case("experts", "expert_choice", time.expert_choice, (x,), {"D": 6}, {"N": 7}, half=False),
        Case("selective", "mamba", time.mamba, (x,), {"D": 6}, {"N": 7}),
        Case("rwkv", "time_mix", time.rwkv, (x,), {"D": 6}, {"N": 7}),
        Case("retention", "parallel", bare(time.retention), qkv, {}, {"N": 9, "h": 3, "d": 6, "e": 5}),
        Case("retention", "recurrent", lambda _, q, k, v: (time.retention(q, k, v), time.retention_last(k, v)), qkv, {}, {"N": 9, "h": 3}),
        *[Case("retention", "chunked", bare(time.retention), qkv, {"c": c}, {"N": 9, "h": 3}) for c in (3, 1, 9)],
        Case("gru_scan", "gru", time.gru, (x,), {"D": 6, "E": 4}, {"N": 7}),
        Case("gru_scan", "gru", time.gru, (x, (2, 4)), {"D": 6, "E": 4}, {"N": 7}, given=("start",)),
        Case("gru_scan", "reader", time.memory_reader, (x, (2, 5, 6)), {"D": 6}, {"N": 7, "M": 5}),
        Case("graph", "gat", time.graph, ((5, 6), EDGES), {"D": 6}, {"N": 5}, lead=False),
        *[Case("biases", "t5", partial(time.t5, both=both), ((2, 31, 6),), {"D": 6, "both": both}, {"N": 31}) for both in (True, False)],
        Case("biases", "alibi", bare(time.alibi), ((2, 3, 9, 6),) * 3, {}, {"N": 9, "h": 3}),
        Case("biases", "rope_2d", bare(time.rope_2d), ((2, 3, 5, 8),) * 3, {}, {"H": 3, "W": 5, "d": 8}),
    ]  # fmt: skip


def _network_cases() -> list[Case]:
    words = (ids(2, 7, top=20), ids(2, 5, top=20), ids(2, 7, 6, top=10), ids(2, 5, 6, top=10))
    return [
        Case("bidaf", "flow", networks.attention_flow, ((2, 7, 4), (2, 5, 4)), {"D": 4}, {"T": 7, "J": 5}),
        Case("bidaf", "flow", networks.attention_flow, ((2, 5, 4), (2, 5, 4), KEEP, KEEP.flip(1)), {"D": 4}, {"T": 5, "J": 5},
             given=("hm", "um"), lead=False),
        Case("bidaf", "bidaf", networks.bidaf, words, lead=False, half=False),
        *[Case("residual_attention", "module", partial(networks.residual_attention, depth=d, naive=n), ((2, 8, 13, 10),),
               {"C": 8, "depth": d, "naive": n}, {"H": 13, "W": 10},
               half=False, scale=0.3) for d, n in ((3, False), (2, True), (1, False))],
    ]  # fmt: skip


CASES = [*_sequence_cases(), *_time_cases(), *_network_cases()]
