"""Every block of the library at small sizes: module, block, what to bind."""

from __future__ import annotations

from typing import Any

Case = tuple[str, str, dict[str, Any]]


def _ways(module: str, block: str, fixed: dict[str, Any], *ways: dict[str, Any]) -> list[Case]:
    return [(module, block, {**fixed, **way}) for way in ways or ({},)]


CASES: list[Case] = [
    *_ways("axial", "axial", {"D": 6, "heads": 2}, {"mode": "sum"}, {"mode": "chain", "bias": False}),
    *_ways("axial", "criss_cross", {"C": 6, "reduction": 3}),
    *_ways("branches", "split_attention", {"C": 4, "E": 4, "least": 2}, {}, {"radix": 1, "cardinality": 2}, {"stride": 2}),
    *_ways("channel", "se", {"C": 6, "reduction": 3}, {}, {"bias": False}),
    *_ways("channel", "eca", {}, {"C": 8}, {"C": 5, "kernel": 3}),
    *_ways("channel", "cbam", {"C": 6, "reduction": 2, "kernel": 3}, {}, {"power": True, "lse": True, "norm": False}, {"spatial": False}),
    *_ways("channel", "srm", {"C": 5}),
    *_ways("channel", "gct", {"C": 5}),
    *_ways("channel", "simam", {}),
    *_ways("channel", "coordinate", {"C": 6, "reduction": 2, "least": 3}),
    *_ways("channel", "ela", {"C": 32}, *[{"version": version} for version in "TBSL"], {"shared": False}),
    *_ways("channel", "ela_strip", {"C": 32}, {"version": "T"}, {"version": "L"}),
    *_ways("channel_tokens", "channel_group", {"D": 6, "groups": 2}),
    *_ways("channel_tokens", "xca", {"D": 6, "heads": 3}),
    *_ways("channel_tokens", "mdta", {"C": 6, "heads": 2}),
    *[case for variant in ("paper", "parallel", "sequential") for block in ("polarized", "polarized_channel", "polarized_spatial")
      for case in _ways("dual", block, {"C": 8, "variant": variant})],
    *_ways("feedforward", "mlp", {"D": 5}),
    *_ways("feedforward", "glu", {"D": 5}, {"hidden": 7}, {"D": 6}),
    *_ways("feedforward", "swiglu", {"D": 6}, {"bias": True}),
    *_ways("feedforward", "geglu", {"D": 6}),
    *_ways("frequency", "fca", {"C": 8, "reduction": 4, "us": [0, 3], "vs": [1, 0]}),
    *_ways("frequency", "dct_wave", {"T": 7}),
    *_ways("heads", "mha", {"D": 6, "heads": 2}, {}, {"causal": True, "window": 3}, {"width": 5, "scale": 0.3, "bias": False}),
    *_ways("heads", "mqa", {"D": 6, "heads": 2}, {}, {"window": 2}),
    *_ways("heads", "gqa", {"D": 8, "heads": 4, "groups": 2}, {}, {"causal": True}),
    *_ways("heads", "cross", {"D": 6, "E": 5, "heads": 3}, {}, {"width": 2}),
    *_ways("layers", "encoder", {"D": 6, "heads": 2}, {}, {"ratio": 2}),
    *_ways("layers", "decoder", {"D": 6, "E": 5, "heads": 2}),
    *_ways("layers", "vit", {"D": 6, "heads": 2, "depth": 2}),
    *_ways("linear", "efficient_attention", {"D": 6, "heads": 2}),
    *_ways("linear", "linear_attend", {}, {}, {"causal": True}),
    *_ways("linear", "elu1", {}),
    *_ways("linear", "linear_mha", {"D": 6, "heads": 2}, {}, {"causal": True}),
    *_ways("linear", "cosformer_attend", {}, {}, {"length": 9}),
    *_ways("linear", "linformer", {"D": 6, "heads": 2, "N": 5, "length": 3}),
    *_ways("norms", "adaptive_layernorm", {"D": 5, "E": 3}),
    *_ways("norms", "gated_rmsnorm", {"D": 5}, {}, {"before": True}),
    *_ways("norms", "scale_norm", {"D": 5}),
    *_ways("norms", "dynamic_tanh", {"D": 5}),
    *_ways("norms", "grn", {"C": 5}),
    *_ways("norms", "layerscale", {"D": 5}),
    *_ways("patches", "patch_embed", {"C": 3, "D": 5, "size": 2}),
    *_ways("patches", "class_token", {"D": 5}),
    *_ways("patches", "pixel_shuffle", {}, {"by": 2}, {"by": 3}),
    *_ways("patches", "pixel_unshuffle", {}, {"by": 2}),
    *[case for block in ("relu2", "quick_gelu", "log_sigmoid", "round_st", "is_pow2") for case in _ways("pointwise", block, {})],
    *_ways("pointwise", "one_hot", {"K": 4}),
    *_ways("pooling", "ggem", {"D": 6, "groups": 2}, {}, {"norm": "after", "skip": 0}, {"norm": "before"}),
    *_ways("positions", "rope", {}, {}, {"style": "half", "base": 100.0}),
    *_ways("positions", "rope_2d", {}, {}, {"style": "half"}),
    *_ways("positions", "sinusoid", {"N": 5, "D": 6}, {}, {"style": "half"}),
    *_ways("positions", "learned", {"D": 4, "length": 9}),
    *_ways("positions", "alibi_slopes", {}, {"h": 4}, {"h": 6}),
    *_ways("positions", "alibi", {"h": 3, "N": 5}),
    *_ways("positions", "rel_bias", {"h": 2, "N": 5}, {"reach": 2}, {"reach": 7}),
    *_ways("positions", "rel_bias_2d", {"h": 2, "u": 2, "v": 3}),
    *_ways("positions", "t5_bucket", {}, {}, {"both": False, "buckets": 8, "far": 16}),
    *_ways("positions", "t5_bias", {"h": 2, "N": 7}, {"buckets": 8, "far": 6}, {"both": False}),
    *_ways("recurrence", "ema", {"D": 3}),
    *_ways("recurrence", "damped_ema", {"D": 3, "order": 2}),
    *_ways("recurrence", "linear_recurrence", {}),
    *_ways("recurrence", "retain", {}, {"form": "parallel"}, {"form": "recurrent"}),
    *_ways("recurrence", "delta_rule", {}),
    *_ways("recurrence", "selective_scan", {}),
    *_ways("recurrence", "gru", {"D": 3, "E": 4}),
    *_ways("recurrence", "lstm", {"D": 3, "E": 2}, {"bias": False}),
    *_ways("residual", "stem", {"C": 3, "width": 4}, {}, {"deep": True}),
    *_ways("residual", "shortcut", {"C": 4, "width": 4}, {}, {"stride": 2}, {"stride": 2, "pooled": True}),
    *_ways("residual", "bottleneck", {"C": 4, "width": 2}, {"stride": 2}, {"width": 1, "early": True}),
    *_ways("residual", "basic", {"C": 4, "width": 4}, {"stride": 2}),
    *_ways("triplet", "zgate", {"kernel": 3}),
    *_ways("triplet", "triplet", {"C": 4, "H": 3, "W": 5, "kernel": 3}, {}, {"spatial": False}),
    *_ways("windows", "window_mha", {"D": 4, "heads": 2, "window": 2}, {"shift": 1}, {"relative": False}, {"fill": 0.0, "window": 3}),
    *_ways("windows", "grid_mha", {"D": 4, "heads": 2, "grid": 2}),
]  # fmt: skip
DRAWS = {("pointwise", "gumbel_softmax")}
"""These draw random numbers, of which the reference knows nothing."""
