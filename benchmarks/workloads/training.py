"""A step of training, forward and backward. The study behind the other thresholds had no such rows: these are guards."""

from __future__ import annotations

from harness.row import Row

from . import channel_tokens, encoders, windows

ROWS = (
    Row(
        "train-encoder",
        "training",
        "encoder, 512 x 512",
        encoders.encoder,
        {"batch": 1, "tokens": 512, "width": 512, "heads": 8, "backward": 1},
        {**encoders.SMALL, "backward": 1},
        {"author": 1.0, "compile": 0.95},
    ),
    Row(
        "train-davit-windows",
        "training",
        "DaViT's windows, 56 x 56 x 96",
        windows.davit,
        {"batch": 4, "side": 56, "width": 96, "heads": 3, "window": 7},
        {"batch": 2, "side": 6, "width": 8, "heads": 2, "window": 3},
        {"author": 1.0, "compile": 0.95},
    ),
    Row(
        "train-davit-channels",
        "training",
        "DaViT's channel groups, 3,136 x 96",
        channel_tokens.channel_group,
        {"batch": 4, "tokens": 3136, "width": 96, "groups": 3, "backward": 1},
        {"batch": 2, "tokens": 21, "width": 8, "groups": 2, "backward": 1},
        {"author": 1.0, "compile": 0.95},
    ),
)
