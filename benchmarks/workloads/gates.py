"""Gates for channels and places of an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from harness.row import Program, Ratios, Row, Run, Weights, Work, drawn, filled, renamed
from torch import Tensor, nn
from torch.nn import functional as fn

CBAM_NAMES = {"fc1": "channel.fc1", "fc2": "channel.fc2", "spatial": "spatial.conv.conv", "norm": "spatial.conv.bn"}
COORDINATE_NAMES = {"conv1": "conv1", "norm": "bn1", "rows": "conv_h", "columns": "conv_w"}


class SE(nn.Module):
    """Squeeze and excitation (Hu et al., 2018)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        b, c = x.shape[:2]
        gate = fn.adaptive_avg_pool2d(x, 1).view(b, c)
        gate = torch.sigmoid(self.fc2(fn.relu(self.fc1(gate)))).view(b, c, 1, 1)
        return x * gate.expand_as(x)


class ECA(nn.Module):
    """Efficient channel attention (Wang et al., 2020)."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel, padding=(kernel - 1) // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = fn.adaptive_avg_pool2d(x, 1)
        gate = self.conv(gate.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * torch.sigmoid(gate).expand_as(x)


class CBAM(nn.Module):
    """The convolutional block attention module (Woo et al., 2018), with the norm of its released code."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, hidden, bias=False), nn.Linear(hidden, channels, bias=False)
        self.spatial, self.norm = nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = (fn.adaptive_avg_pool2d(x, 1), fn.adaptive_max_pool2d(x, 1))
        first, second = (self.fc2(fn.relu(self.fc1(one.flatten(1)))) for one in pooled)
        x = x * torch.sigmoid(first + second)[:, :, None, None].expand_as(x)
        planes = torch.cat((x.max(1, keepdim=True)[0], x.mean(1, keepdim=True)), dim=1)
        return x * torch.sigmoid(self.norm(self.spatial(planes)))


class ZGate(nn.Module):
    """A gate over the plane of the last two axes, from maxima and means along the one before them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        planes = torch.cat((x.max(1)[0].unsqueeze(1), x.mean(1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(self.norm(self.conv(planes)))


class Triplet(nn.Module):
    """Triplet attention (Misra et al., 2021): two of its gates see a turned image."""

    def __init__(self) -> None:
        super().__init__()
        self.cw, self.hc, self.hw = ZGate(), ZGate(), ZGate()

    def forward(self, x: Tensor) -> Tensor:
        first = self.cw(x.permute(0, 2, 1, 3).contiguous()).permute(0, 2, 1, 3).contiguous()
        second = self.hc(x.permute(0, 3, 2, 1).contiguous()).permute(0, 3, 2, 1).contiguous()
        return (self.hw(x) + first + second) / 3


class Coordinate(nn.Module):
    """Coordinate attention (Hou et al., 2021)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden)
        self.rows, self.columns = nn.Conv2d(hidden, channels, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        strips = torch.cat((fn.adaptive_avg_pool2d(x, (h, 1)), fn.adaptive_avg_pool2d(x, (1, w)).permute(0, 1, 3, 2)), dim=2)
        z = fn.hardswish(self.norm(self.conv1(strips)))
        rows, columns = torch.split(z, [h, w], dim=2)
        return x * torch.sigmoid(self.columns(columns.permute(0, 1, 3, 2))) * torch.sigmoid(self.rows(rows))


class Strip(nn.Module):
    """The gate of a strip [B, C, L] in ELA."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(channels, channels, 7, padding=3, groups=channels, bias=False), nn.GroupNorm(16, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.norm(self.conv(x)))


class ELA(nn.Module):
    """Efficient local attention (Xu and Wan, 2024), version B."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strip = Strip(channels)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        rows = self.strip(x.mean(dim=3, keepdim=True).view(b, c, h)).view(b, c, h, 1)
        columns = self.strip(x.mean(dim=2, keepdim=True).view(b, c, w)).view(b, c, 1, w)
        return x * rows * columns


# ---------------------------------------------------------------- timm


def timms_se(channels: int, weights: Weights) -> Run:
    from timm.layers.squeeze_excite import SEModule

    return filled(SEModule(channels, rd_channels=weights["fc1.bias"].shape[0]), weights)


def timms_eca(channels: int, weights: Weights) -> Run:
    from timm.layers.eca import EcaModule

    return filled(EcaModule(kernel_size=weights["conv.weight"].shape[-1]), weights)


def timms_cbam(channels: int, weights: Weights) -> Run:
    from timm.layers.cbam import CbamModule

    theirs = renamed(weights, CBAM_NAMES)
    theirs["spatial.conv.conv.weight"] = theirs["spatial.conv.conv.weight"].flip(1)  # timm puts the means first
    return filled(CbamModule(channels, rd_channels=weights["fc1.weight"].shape[0]), theirs)


def timms_coordinate(channels: int, weights: Weights) -> Run:
    from timm.layers.coord_attn import CoordAttn

    made: Any = CoordAttn(channels, rd_channels=weights["conv1.bias"].shape[0], bias=True)
    return filled(made, renamed(weights, COORDINATE_NAMES))


# ---------------------------------------------------------------- rows


def length(channels: int) -> int:
    """The kernel of ECA: the odd number at or above (log2(channels) + 1) / 2, at least 3."""
    return max(2 * int(int((channels.bit_length() - 1 + 1) / 2) / 2) + 1, 3)


AUTHORS: Mapping[str, Callable[[int], nn.Module]] = {
    "se": lambda c: SE(c, c // 16),
    "eca": lambda c: ECA(length(c)),
    "cbam": lambda c: CBAM(c, c // 16),
    "triplet": lambda c: Triplet(),
    "coordinate": lambda c: Coordinate(c, max(c // 32, 8)),
    "ela": ELA,
}
TIMMS: Mapping[str, Callable[[int, Weights], Run]] = {
    "se": timms_se,
    "eca": timms_eca,
    "cbam": timms_cbam,
    "coordinate": timms_coordinate,
}


def gate(name: str, batch: int, channels: int, side: int) -> Work:
    bind = {} if name == "triplet" else {"C": channels}
    peers = {"timm": partial(TIMMS[name], channels)} if name in TIMMS else {}
    return Work(
        program=Program("std.triplet" if name == "triplet" else "std.channel", name, bind),
        author=lambda: AUTHORS[name](channels),
        inputs=(drawn(batch, channels, side, side),),
        peers=peers,
    )


def row(name: str, wanted: Ratios) -> Row:
    full, small = {"batch": 8, "channels": 256, "side": 56}, {"batch": 2, "channels": 32, "side": 6}
    return Row(f"gate-{name}", "channel gates", f"{name}, 8 x 256 x 56 x 56", partial(gate, name), full, small, wanted)


ROWS = (
    row("cbam", {"author": 3.4, "compile": 1.0}),
    row("triplet", {"author": 11, "compile": 1.0}),
    row("coordinate", {"author": 2.6, "compile": 1.0}),
    row("ela", {"author": 1.5, "compile": 1.0}),
    row("se", {"author": 1.0, "compile": 1.08}),
    row("eca", {"author": 1.0, "compile": 1.08}),
)
