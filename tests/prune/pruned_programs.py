"""Programs with an axis that can be pruned, and programs with one that cannot."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """`axis` has `places` of it; `shapes` are those of the inputs; `says` is in the smaller program's text."""

    text: str
    axis: str
    places: int
    shapes: tuple[tuple[int, ...], ...]
    bind: dict[str, int] = field(default_factory=dict[str, int])
    says: str = "kept_"


PROGRAMS = {
    "heads of one layer": Program(
        """use std.heads (mha)

# Attention, and nothing else.
block t(x: [*, N, D], heads: int = 4) -> [*, N, D] {
    return mha(x, heads=heads) as a  # all heads
}
""", "h", 1, ((2, 3, 8),), {"D": 8}),
    "heads of layers in a loop": Program(
        """use std.layers (encoder)

block t(x: [B, N, D], depth: int = 3, heads: int = 4) -> [B, N, D] {
    for i in 0..depth { x = encoder(x, heads=heads) as layers[i] }
    return x
}
""", "h", 3, ((2, 3, 8),), {"D": 8}, "kept_h[i]"),
    "a loop that does not begin at 0": Program(
        """use std.layers (encoder)

block t(x: [B, N, D], heads: int = 4) -> [B, N, D] {
    for i in 2..4 { x = encoder(x, heads=heads) as layers[i] }
    return x
}
""", "E", 2, ((2, 3, 4),), {"D": 4}, "kept_E[i - 2]"),
    "loops in a loop": Program(
        """block mlp(x: [*, D]) -> [*, D] {
    return linear(x, D -> E=6) as a |> gelu |> linear(E -> D) as b
}

block t(x: [*, D]) -> [*, D] {
    for i in 0..2 {
        for j in 0..2 { x = x + mlp(x) as layers[i].parts[j] }
    }
    return x
}
""", "E", 4, ((2, 4),), {"D": 4}, "* 2 + j]"),
    "key heads of groups": Program(
        "use std.heads (gqa)\n\nblock t(x: [*, N, D]) -> [*, N, D] {\n    return gqa(x, heads=6, groups=3, bias=true) as a\n}\n",
        "g", 1, ((1, 4, 12),), {"D": 12}),
    "queries in groups": Program(
        "use std.heads (gqa)\n\nblock t(x: [*, N, D]) -> [*, N, D] {\n    return gqa(x, heads=6, groups=2, causal=true) as a\n}\n",
        "h", 1, ((1, 4, 12),), {"D": 12}),
    "hidden channels, the size at the arrow": Program(
        """block t(x: [*, C, H, W], r: int = 2) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> R=C/r) as fc1 |> relu |> linear(R -> C) as fc2 |> sigmoid
    return x * s
}
""", "R", 1, ((2, 8, 3, 3),), {"C": 8}),
    "channels of convolutions with a norm": Program(
        """block t(x: [*, C, H, W]) -> [*, K, H, W] {
    y = conv(x, C -> E=6, over=H W, kernel=3) as a |> batchnorm(E) as n |> relu
    y = conv(y, over=H W, each=E, kernel=3) as b |> relu
    return conv(y, E -> K=3, over=H W, kernel=1) as c
}
""", "E", 1, ((2, 2, 4, 3),), {"C": 2}),
    "two calls of one block": Program(
        """block mlp(x: [*, D], width: int) -> [*, D] {
    axis E = width
    return linear(x, D -> E) as a |> gelu |> linear(E -> D) as b
}

block t(x: [*, D]) -> [*, D] {
    y = mlp(x, width=6) as first
    return mlp(x + y, width=4) as second
}
""", "E", 2, ((3, 4),), {"D": 4}, "width=kept_E"),
    "another block calls it too": Program(
        """block mlp(x: [*, D], width: int) -> [*, D] {
    axis E = width
    f = linear(D -> E) as a |> gelu
    return f(x) |> linear(E -> D) as b
}

block other(x: [*, D]) -> [*, D] {
    return mlp(x, width=2) as m
}

block t(x: [*, D]) -> [*, D] {
    return x |> mlp(width=6) as m
}
""", "E", 1, ((3, 4),), {"D": 4}, "none"),
    "talking heads": Program(
        """block t(x: [*, N, D]) -> [*, N, D] {
    axis h = 4, g = 4, d = 2
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> g d)
    s = scores(q, k, over=N, dot=d) |> linear(h -> g) as pre |> softmax(over=N')
    return read(s, v, over=N) |> linear(g d -> D) as out
}
""", "g", 1, ((2, 3, 4),), {"D": 4}),
    "a parameter and linear attention": Program(
        """block t(x: [*, N, D]) -> [*, N, D] {
    axis h = 4, d = 2
    param gain: [h] = 1
    q = linear(x, D -> h d) |> softmax(over=d)
    k = linear(x, D -> h d) |> softmax(over=N)
    v = linear(x, D -> h e=3)
    return gain * dot(q, dot(k, v, over=N), over=d) |> linear(h e -> D) as out
}
""".replace("return gain * dot(q, dot(k, v, over=N), over=d) |>", "y = gain * dot(q, dot(k, v, over=N), over=d)\n    return y |>"),
        "h", 1, ((2, 3, 4),), {"D": 4}),
}  # fmt: skip

REFUSED = {
    "an axis of a result": ("block t(x: [*, D]) -> [*, E] {\n    return linear(x, D -> E=4) as a\n}\n", "E", "it reaches a result"),
    "an axis of an input": ("block t(x: [*, D]) -> [*] {\n    return linear(x, D -> 1) as a\n}\n", "D", "it comes in with `x`"),
    "a norm along it": (
        "block t(x: [*, D]) -> [*, D] {\n    return linear(x, D -> E=4) as a |> layernorm(E) as n |> linear(E -> D) as b\n}\n",
        "E", "`layernorm` works along it"),
    "a softmax along it": (
        "block t(x: [*, D]) -> [*, D] {\n    return linear(x, D -> E=4) as a |> softmax(over=E) |> linear(E -> D) as b\n}\n",
        "E", "`softmax` works along it"),
    "positions as numbers": (
        "block t(x: [*, D]) -> [*, D] {\n    y = linear(x, D -> E=4) as a\n    return y * pos(E) |> linear(E -> D) as b\n}\n".replace(
            "return y * pos(E) |>", "y = y * pos(E)\n    return y |>"),
        "E", "its positions are used as numbers"),
    "a scale from its size": (
        "block t(x: [*, N, D]) -> [*, N, D] {\n    q = linear(x, D -> f=4)\n    k = linear(x, D -> f=4)\n"
        "    return attend(q, k, x, over=N, dot=f)\n}\n", "f", "write `scale=` at the `attend`"),
    "its size as a number": (
        "block t(x: [*, D]) -> [*, D] {\n    y = linear(x, D -> E=4) as a\n    y = y * E\n    return y |> linear(E -> D) as b\n}\n",
        "E", "the program says something else"),
    "another axis gets its size from it": (
        "block t(x: [*, D]) -> [*, D] {\n    axis E = 4, F = 2 * E\n    y = linear(x, D -> E) as a |> linear(E -> F) as b\n"
        "    return linear(y, F -> D) as c\n}\n", "E", "cannot be pruned"),
    "split off": (
        "block t(x: [*, D]) -> [*, D] {\n    y = linear(x, D -> E=4) as a |> split(E -> h=2 d)\n    return linear(y, h d -> D) as b\n}\n",
        "E", "`split` takes it whole"),
    "no such axis": (
        "block t(x: [*, D]) -> [*, D] {\n    return linear(x, D -> heads=4) as a |> linear(heads -> D) as b\n}\n",
        "head", "did you mean `heads`?"),
    "two numbers in loops in loops": (
        "block mlp(x: [*, D]) -> [*, D] {\n    return linear(x, D -> E=4) as a |> linear(E -> D) as b\n}\n\n"
        "block one(x: [*, D]) -> [*, D] {\n    for j in 0..2 { x = mlp(x) as parts[j] }\n    return x\n}\n\n"
        "block t(x: [*, D]) -> [*, D] {\n    for i in 0..2 { x = one(x) as layers[i] }\n    return x\n}\n",
        "E", "lists hold no lists"),
    "two lengths in one place": (
        "block t(x: [*, D], widths: int* = [2, 3]) -> [*, D] {\n"
        "    for i in 0..2 { x = linear(x, D -> E=widths[i]) as layers[i].a |> linear(E -> D) as layers[i].b }\n    return x\n}\n",
        "E", "one place in the text gives it 2 and 3 slices"),
}  # fmt: skip
