"""Programs with slices that cannot reach a result, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass, field

_HEAD = """block t(x: [*, N, D], heads: int = 4) -> [*, N, D] {
    axis h = heads, d = D / heads
"""
_QKV = """    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
"""
_OUT = """    return linear(y, h d -> D) as out
}
"""


@dataclass(frozen=True)
class Program:
    """`says` is part of what the pass tells."""

    text: str
    bind: dict[str, int] = field(default_factory=dict[str, int])
    says: str = ""


def heads(line: str) -> str:
    return _HEAD + _QKV + line + _OUT


PROGRAMS = {
    "a gate of ones and zeros": Program(
        heads("    const gate: [h] = [1, 0, 1, 1]\n    y = attend(q, k, v, over=N, dot=d) * gate\n"), {"D": 8}, "position 1 of the 4 of `h`"
    ),
    "a mask on heads": Program(
        heads("    y = attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N) and pos(h) < 2)\n"), {"D": 8}, "positions 2 and 3"
    ),
    "a chosen value": Program(
        heads("    y = where(pos(h) % 2 == 0, attend(q, k, v, over=N, dot=d), 0)\n"), {"D": 8}, "positions 1 and 3"
    ),
    "a gate by arithmetic": Program(
        heads("    y = attend(q, k, v, over=N, dot=d) * maximum(2 - pos(h), 0)\n"), {"D": 8}, "positions 2 and 3"
    ),
    "grouped queries": Program(
        """block t(x: [*, N, D]) -> [*, N, D] {
    axis g = 2, h = 2, d = 3
    const gate: [g, h] = [[0, 0], [1, 0]]
    q = linear(x, D -> g h d)
    k = linear(x, D -> g d)
    v = linear(x, D -> g d)
    y = attend(q, k, v, over=N, dot=d) * gate
    return linear(y, g h d -> D) as out
}
""", {"D": 8}, "position 0 of the 2 of `g`"),
    "a key head stays for its other queries": Program(
        """block t(x: [*, N, D]) -> [*, N, D] {
    axis g = 2, h = 2, d = 3
    const gate: [h] = [0, 1]
    q = linear(x, D -> g h d)
    k = linear(x, D -> g d)
    v = linear(x, D -> g d)
    return linear(attend(q, k, v, over=N, dot=d) * gate, g h d -> D) as out
}
""", {"D": 8}, "position 0 of the 2 of `h`"),
    "a block of a merged axis": Program(
        """block t(x: [*, N, D], heads: int = 4) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> D) |> split(D -> h d)
    k = linear(x, D -> D) |> split(D -> h d)
    v = linear(x, D -> D) |> split(D -> h d)
    y = attend(q, k, v, over=N, dot=d) * where(pos(h) == 1, 0, 1)
    return linear(merge(y, h d -> C), C -> D) as out
}
""", {"D": 8}, "positions 2 and 3 of the 8 of"),
    "a part that is never read": Program(
        """block t(x: [*, D]) -> [*, D] {
    a, b, c = linear(x, D -> E=3*D) as qkv |> split(E -> A=D + B=D + C=D)
    return rename(a, A -> D) * rename(c, C -> D)
}
""", {"D": 3}, "positions 3, 4 and 5 of the 9 of `E`"),
    "one position is read": Program(
        """block t(x: [*, D]) -> [*] {
    y = linear(x, D -> E=5) |> gelu
    return y[E=3] + y[E=-1]
}
""", {"D": 3}, "positions 0, 1 and 2"),
    "times nothing": Program(
        "block t(x: [*, D]) -> [*, D] {\n    y = linear(x, D -> D) as a |> gelu |> linear(D -> D) as b\n    return x + 0.0 * y\n}\n",
        {"D": 3}, "nothing that is made with"),
    "half of a sum": Program(
        """block t(x: [*, D]) -> [*, D] {
    const gate: [D] = [1, 0, 0, 1, 0, 1]
    y = linear(x, D -> E=96) as a |> gelu |> linear(E -> D) as b
    return x + gate * y
}
""", {"D": 6}, "positions 1, 2 and 4 of the 6"),
    "channels of convolutions": Program(
        """block t(x: [*, C, H, W]) -> [*, K, H, W] {
    const gate: [E=4] = [0, 1, 1, 0]
    y = conv(x, C -> E, over=H W, kernel=3) as a |> relu |> conv(over=H W, each=E, kernel=3, bias=false) as b
    return conv(y * gate, E -> K=3, over=H W, kernel=1) as c
}
""", {"C": 2}, "positions 0 and 3 of the 4 of `E`"),
    "a dilated kernel on one place": Program(
        """block t(x: [*, C]) -> [*, E] {
    return conv(expand(x, H=1, W=1), C -> E=3, over=H W, kernel=3, dilation=6, padding=6)[H=0, W=0]
}
""", {"C": 2}, "positions 0 and 2 of the 3 of `H_kernel`"),
    "a kernel over both ends of a short axis": Program(
        """block t(x: [*, C, N]) -> [*, C, N] {
    y = split(x, C -> Y=2 u=3) |> conv(over=Y u, kernel=[5, 3]) as first |> conv(over=u, kernel=9, dilation=2) as second
    return merge(y, Y u -> C)
}
""", {"C": 6}, "positions 0 and 4 of the 5 of `Y_kernel`"),
    "a kernel that steps from padding into padding": Program(
        """block t(x: [*, C, N]) -> [*, E, N] {
    axis E = 3
    return split(x, C -> g=2 u=3) |> conv(g -> E, over=u, kernel=4, stride=7, dilation=3, padding=5) as conv |> max(u)
}
""", {"C": 6}, "positions 0 and 3 of the 4 of `u_kernel`"),
    "stacked and put together": Program(
        """block t(x: [*, D]) -> [*, D] {
    a = linear(x, D -> D) as a
    b = linear(x, D -> D) as b
    c = linear(x, D -> D) as c
    z = stack(a, b, c, Z)
    w = concat(z, z, over=Z)
    return w[Z=0] + w[Z=5]
}
""", {"D": 3}, "nothing that is made with `b.weight` and `b.bias`"),
    "keys nobody may see": Program(
        """block t(q: [*, N, d], m: [*, M, D]) -> [*, N, d] {
    k = linear(m, D -> d)
    v = linear(m, D -> d)
    return attend(q, k, v, over=M, dot=d, where=pos(M) < 3)
}
""", {"D": 3, "d": 4, "M": 5}, "positions 3 and 4 of the 5 of `M` reach no result: left out of `m`"),
    "a softmax over other axes": Program(
        """block t(x: [*, N, D]) -> [*, D] {
    const gate: [h=3] = [0.5, 0, 0.25]
    a = linear(x, D -> h) |> softmax(over=N)
    v = linear(x, D -> h D)
    return sum(gate * dot(a, v, over=N), h)
}
""", {"D": 4}, "position 1 of the 3 of `h`"),
    "more runs than are cut": Program(
        """block t(x: [*, D]) -> [*, D] {
    y = linear(x, D -> E=40) as a |> relu
    return linear(y * (pos(E) % 2), E -> D) as b
}
""", {"D": 3}, "and 12 more of the 40"),
}  # fmt: skip

UNTOUCHED = {
    "nothing is zero": heads("    const gate: [h] = [1, 2, 1, 1]\n    y = attend(q, k, v, over=N, dot=d) * gate\n"),
    "a trained gate": heads("    param gate: [h] = 0\n    y = attend(q, k, v, over=N, dot=d) * gate\n"),
    "a gate that depends on rounding": heads("    y = attend(q, k, v, over=N, dot=d) * (0.1 * (1 + pos(h)) - 0.1 - 0.1 * pos(h))\n"),
    "dropout draws for every head": heads(
        "    const gate: [h] = [1, 0, 1, 1]\n    y = attend(q, k, v, over=N, dot=d, dropout=0.5) |> dropout(p=0.5)\n    y = y * gate\n"
    ),
    "a mask on one axis of two": heads("    y = attend(q, k, v, over=N, dot=d, where=pos(N') + 2 * pos(h) < 4)\n"),
    "a softmax over the axis": heads("    y = attend(q, k, v, over=N, dot=d) |> softmax(over=h)\n    y = y * (1 + pos(h))\n"),
}
