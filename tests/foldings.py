"""Programs with batch norms, scalings and dropout, and how many operations of a kind are left of them for inference."""

from __future__ import annotations

IMAGE = "block t(x: [*, C, H, W]) -> [*, C, H, W] {{\n    {0}\n}}\n"
TOKENS = "block t(x: [*, N, D]) -> [*, N, D] {{\n    {0}\n}}\n"


def image(*lines: str) -> str:
    return "# mode: infer, bind: C=4\n" + IMAGE.format("\n    ".join(lines))


def tokens(*lines: str) -> str:
    return "# mode: infer, bind: D=6\n" + TOKENS.format("\n    ".join(lines))


CBAM = """# mode: infer, bind: C=4
block t(x: [*, C, H, W]) -> [*, C, H, W] {
    z = stack(max(x, C), mean(x, C), Z)
    return x * sigmoid(z |> conv(Z -> 1, over=H W, kernel=3, bias=false) as spatial |> batchnorm() as norm)
}
"""
STEM = """# mode: infer, bind: C=3
block unit(x: [*, C, H, W], E: axis, stride: int = 1) -> [*, E, H, W] {
    return conv(x, C -> E, over=H W, kernel=3, stride=stride, bias=false) as conv |> batchnorm(E) as bn
}

block t(x: [*, C, H, W]) -> [*, E, H, W] {
    axis E = 4
    y = unit(x, E=E) as one |> relu
    z = unit(y, C=E, E=E) as two |> relu
    return relu(y + unit(z, C=E, E=E) as three)
}
"""

FOLDED: dict[str, str] = {
    "a convolution before": image("return conv(x, C -> C, over=H W, kernel=3, bias=false) as c |> batchnorm(C) as n |> relu"),
    "a convolution with a bias": image("return conv(x, C -> C, over=H W, kernel=3) as c |> batchnorm(C) as n"),
    "a depthwise convolution": image("return conv(x, over=H W, each=C, kernel=3, bias=false) as c |> batchnorm(C) as n"),
    "groups": image("y = split(x, C -> g=2 c)", "y = conv(y, c -> c, over=H W, each=g, kernel=3) as k |> merge(g c -> C)",
                    "return batchnorm(y, C) as n"),
    "a transposed convolution": image("return conv_transpose(x, C -> C, over=H W, kernel=3, padding=1) as c |> batchnorm(C) as n"),
    "no channels": CBAM,
    "a map before": tokens("return linear(x, D -> D) as l |> batchnorm(D) as n"),
    "a map to heads, a norm of all": tokens(
        "y = linear(x, D -> h=2 d=3, bias=false) as l |> merge(h d -> D)", "return batchnorm(y, D) as n"),
    "a map, split after": tokens("y = linear(x, D -> D) as l |> split(D -> h=2 d=3)",
                                 "return batchnorm(y, h d) as n |> merge(h d -> D)"),
    "renamed on the way": tokens("y = linear(x, D -> E=6) as l |> rename(E -> F)", "return batchnorm(y, F) as n |> rename(F -> D)"),
    "a product with a weight": tokens("param w: [D, E=6] = normal(0.5)", "return dot(x, w, over=D) |> batchnorm(E) as n |> rename(E -> D)"),
    "maps for each": tokens("y = split(x, D -> g=2 d)", "y = linear(y, d -> d, each=g) as l |> batchnorm(d, each=g) as n",
                            "return merge(y, g d -> D)"),
    "before a map": tokens("return batchnorm(x, D) as n |> linear(D -> D) as l"),
    "before three maps": tokens("y = batchnorm(x, D) as n",
                                "return linear(y, D -> D) as q * linear(y, D -> D) as k + linear(y, D -> D) as v"),
    "before a convolution without a border": image("return batchnorm(x, C) as n |> conv(C -> C, over=H W, kernel=1) as c"),
    "before a product with a weight": tokens("param w: [D, E=6] = normal(0.5)",
                                             "return dot(batchnorm(x, D) as n, w, over=D) |> rename(E -> D)"),
    "several in a chain": image("y = conv(x, C -> C, over=H W, kernel=3, bias=false) as c |> batchnorm(C) as n",
                                "param a: [C] = 0.1", "param b: [C] = 0.5", "return (batchnorm(y * a, C) as m + b) * 0.5"),
    "norm, map, norm": tokens("return batchnorm(x, D) as n |> linear(D -> D) as l |> batchnorm(D) as m"),
    "a stem": STEM,
    "without weights": image("return conv(x, C -> C, over=H W, kernel=3) as c |> batchnorm(C, weight=false, bias=false) as n"),
}  # fmt: skip

SCALED: dict[str, str] = {
    "a scale of layers": tokens("param gamma: [D] = 0.1", "return x + (linear(x, D -> D) as l) * gamma"),
    "a number": tokens("return (linear(x, D -> D) as l) * 0.5"),
    "a number before": tokens("return linear(x / 4, D -> D) as l"),
    "a scale before a convolution with a border": image("param g: [C] = 0.5", "return conv(x * g, C -> C, over=H W, kernel=3) as c"),
    "taken off and turned around": tokens("param b: [D] = 0.5", "return b - linear(x, D -> D) as l"),
    "a scale behind a norm": tokens("param g: [D] = 0.5", "return layernorm(x, D) as n * g"),
    "a scale and a summand behind a norm": tokens("param g: [D] = 0.5", "return (layernorm(x, D) as n * g + g) |> gelu"),
    "a norm before a map": tokens("return layernorm(x, D) as n |> linear(D -> D) as l"),
    "a norm before two maps": tokens("y = layernorm(x, D) as n", "return (linear(y, D -> D) as q) * linear(y, D -> D) as k"),
    "a root mean square norm before a map": tokens("return rmsnorm(x, D) as n |> linear(D -> D, bias=false) as l"),
    "a group norm before a convolution": image("return groupnorm(x, C, groups=2) as n |> conv(C -> C, over=H W, kernel=1) as c"),
    "a norm, merged": tokens("y = split(x, D -> h=2 d) |> layernorm(d) as n", "return merge(y, h d -> D) |> linear(D -> D) as l"),
    "a norm, split": tokens("return layernorm(x, D) as n |> split(D -> h=2 d) |> linear(h d -> D) as l"),
}  # fmt: skip

KEPT: dict[str, str] = {
    "a border of zeros": image("return batchnorm(x, C) as n |> conv(C -> C, over=H W, kernel=3) as c"),
    "read twice": image("y = conv(x, C -> C, over=H W, kernel=3) as c", "return batchnorm(y, C) as n + y"),
    "a bend between": tokens("return linear(x, D -> D) as l |> relu |> batchnorm(D) as n"),
    "nothing beside it": image("return batchnorm(x, C) as n"),
    "a norm that others read": tokens("y = layernorm(x, D) as n", "return y + linear(y, D -> D) as l"),
    "a place of its own for each token": "# mode: infer, bind: N=3, D=6\n" + TOKENS.format(
        "param p: [N, D] = normal(0.1)\n    return linear(x, D -> D) as l + p"),
    "a state": tokens("state s: [D] = 1.0", "y = (linear(x, D -> D) as l) * s", "next s = s * 0.5", "return y"),
    "numbers that become whole": "# mode: infer, bind: D=6\n" + TOKENS.format(
        "b = int(log(1.0 + pos(N)) / 3.0 * 8.0)\n    return linear(x, D -> D) as l * b"),
    "a size that the caller decides": tokens("return (linear(x, D -> D) as l) / N"),
}  # fmt: skip
