"""The programs that tests read: whole files of the language."""

from __future__ import annotations

from pathlib import Path

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.attn"))

# Every construct of the grammar at least once.
EVERYTHING = """attn 1

use std.heads (mha, mqa)
use layers.deep (ffn)

# First line.
#
# Last line.
block everything(
    x: [*, C, H/2, N = H*W], ids: int [B, N], keep: bool [*, N] = none, f: [*, C] -> [*, C], K: axis,
    heads: int = 8, depths: int* = [3, 4, 6, 3], base: float = 10000.0, bias: bool = true, variant: paper | code = paper
) -> (y: [*, C], w: [*, h, N, N']) {
    axis h = heads, d = D / heads
    static w = ceil(C / s)
    param alpha: [D] = 0.5
    param scale[i]: [D, k]
    const kernel: [K=3] = [1, -2, 1]
    state s: [*, D] = 0
    next s = x
    a, b = split(x, A -> L + P)
    y = concat(cls, x, 1 + N -> M) |> f |> g[0] as layers[i].attn |> linear(D -> h d, bias=false) as p.norm
    y = split(x, A -> u=D + z=zd + v=V)
    y = split(x, A -> L=3+P)
    y = conv(x, C -> E, over=H W, kernel=3, stride=2) + conv(over=H W -> U V)
    y = mean(x, * N) - scores((qn, qr), (k', kr), over=N, dot=(d e, r), at=(H W))
    z = x[s=0] * x[C=0..w, N=1..] / x[N=..-1] // x[T=at] % keep[J = pos(N') // size]
    skip[i] = x if n == 3 or not bias and m != 4 else y if a <= b else z
    q = -x ** -2 ** y
    q = (linear(C -> C) as dense)(x) as in.for.next
    e = f(g=none, h=[[], [1, 2]], r=Y u=7)
    for i in 0..n { x = f(x) }
    for stage in depths {
        if stage > 2 { x = f(x) } else if stage < 1 { x = g(x) } else { x = x }
    }
    if true { }
    r = scan N reverse (s: [*, D] = 0, t: int [*] = 1) {
        s = alpha * x + (1 - alpha) * s
        yield s, t
    }
    r, s = f(scan N { yield x }, 1.5e-3)
    return y, w
}

block nothing() -> [N] { }
"""
