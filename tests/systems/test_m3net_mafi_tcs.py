"""What the record of M3Net's two blocks asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import attn

from .cases.m3net_mafi_tcs import after, mafi
from .support import CLOSE, Case, leaves, parameters

IMAGE = (2, 5, 7, 6)


@pytest.mark.system(
    "m3net-mafi-tcs", "The shared gate is one parameter that is used twice; the gates of the paper are two: 65,792 numbers more."
)
def test_the_shared_gate_is_one_parameter() -> None:
    made = attn.compile("std.fusion", "mafi", I=3, L=5, width=6, share_gate=True)
    uses = [node for node in made.attn_graph.nodes if node.op == "linear"]
    assert len(uses) == 2
    assert uses[0].inputs[1] is uses[1].inputs[1]
    assert [name for name in made.state_dict() if "gate" in name] == ["gate.fc.weight", "gate.fc.bias"]
    published = {share: parameters("std.fusion", "mafi", I=80, L=256, share_gate=share) for share in (True, False)}
    assert published[False] - published[True] == 256 * 256 + 256
    assert published[True] == 9 * 256 * (336 + 256 + 80) + 3 * 512 + 65_792


@pytest.mark.system("m3net-mafi-tcs", "With the same map and weights for both sources it is twice the fused map times one gate.")
def test_equal_sources_give_twice_one_gate() -> None:
    made = Case("std.fusion", "mafi", mafi, (), {"I": 5, "L": 5, "width": 6, "share_gate": True}).module()
    stored = made.state_dict()
    made.load_state_dict({**stored, **{name.replace("image.", "lidar."): v for name, v in stored.items() if name.startswith("image.")}})
    x = torch.randn(IMAGE, dtype=torch.float64)
    probe = attn.compile("std.multiscale", "conv_norm_relu", C=5, E=6, kernel=3, bias=False, dtype=torch.float64).eval()
    probe.load_state_dict({name.removeprefix("image."): v for name, v in stored.items() if name.startswith("image.")})
    fused = attn.compile("std.multiscale", "conv_norm_relu", C=10, E=6, kernel=3, bias=False, dtype=torch.float64).eval()
    fused.load_state_dict({name.removeprefix("fuse."): v for name, v in stored.items() if name.startswith("fuse.")})
    gate = attn.compile("std.fusion", "mean_gate", C=6, dtype=torch.float64)
    gate.load_state_dict({name.removeprefix("gate."): v for name, v in stored.items() if name.startswith("gate.")})
    assert_close(made(x, x), 2 * fused(torch.cat((x, x), 1)) * gate(probe(x))[..., None, None], **CLOSE)


@pytest.mark.system("m3net-mafi-tcs", "With every gate at 1 the decoder layer is an ordinary one that all tasks share.")
def test_open_gates_leave_an_ordinary_layer() -> None:
    made = Case("std.fusion", "task_layer", after, (), {"D": 6, "heads": 2, "tasks": 3}).module()
    made.get_parameter("scaling.gate.weight").data.zero_()
    made.get_parameter("scaling.gate.bias").data.fill_(1)
    x, query = torch.randn(2, 9, 6, dtype=torch.float64), torch.randn(2, 3, 4, 6, dtype=torch.float64)
    at = torch.randint(0, 9, (2, 3, 4))
    seen = torch.stack([tokens[rows] for tokens, rows in zip(x, at, strict=True)])
    assert_close(made(x, query, at), after(leaves(made), query, seen, 2), **CLOSE)


@pytest.mark.system(
    "m3net-mafi-tcs", "One linear map per task, joined along its outputs, is the one map: the scaling of 3 tasks is that of each."
)
def test_maps_of_tasks_join() -> None:
    together = Case("std.fusion", "task_scaling", mafi, (), {"D": 6, "tasks": 3}).module()
    stored, x = together.state_dict(), torch.randn(2, 9, 6, dtype=torch.float64)
    for task in range(3):
        alone = attn.compile("std.fusion", "task_scaling", D=6, tasks=1, dtype=torch.float64)
        alone.load_state_dict({name: value[6 * task : 6 * task + 6] for name, value in stored.items()})
        assert_close(alone(x)[:, 0], together(x)[:, task], **CLOSE)
