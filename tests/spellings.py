"""Ways to write attention: those that are one `attend`, and those that only look like it."""

from __future__ import annotations

import random

_HEAD = "block t(q: [*, h, N, d], k: [*, h, M, d], v: [*, h, M, e]{more}) -> [*, h, N, e] {{\n"
_SELF = "block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e]{more}) -> [*, h, N, e] {{\n"


def head(*lines: str, more: str = "") -> str:
    """Queries along N, keys along M."""
    return "# bind: h=2, d=4\n" + _HEAD.format(more=", " + more if more else "") + "".join(f"    {line}\n" for line in lines) + "}\n"


def own(*lines: str, more: str = "") -> str:
    """Queries and keys along N."""
    return "# bind: h=2, d=4\n" + _SELF.format(more=", " + more if more else "") + "".join(f"    {line}\n" for line in lines) + "}\n"


READ = "return dot(softmax(s, M), v, over=M)"
CAUSAL = ("k = rename(k, N -> N')", "v = rename(v, N -> N')", "s = dot(q, k, over=d) / sqrt(d)")
READ_SELF = "return dot(a, v, over=N')"

# What PyTorch's own patterns miss (performance.md, finding 1).
MISSED_BY_TORCH = {
    "queries scaled first": head("s = dot(q * d ** -0.5, k, over=d)", READ),
    "einsum with the keys last": head("s = dot(k, q, over=d) * d ** -0.5", "return dot(v, softmax(s, M), over=M)"),
    "tokens before heads": """# bind: h=2, d=4
block t(q: [*, N, h, d], k: [*, M, h, d], v: [*, M, h, e]) -> [*, N, h, e] {
    s = dot(q, k, over=d) / sqrt(d)
    return dot(softmax(s, M), v, over=M)
}
""",
    "causal, filled with -inf": own(*CAUSAL, "a = softmax(where(pos(N') > pos(N), -inf, s), N')", READ_SELF),
    "a bias": head("s = dot(q, k, over=d) / sqrt(d) + b", READ, more="b: [h, N, M]"),
    "a bias that is a mask": head("s = dot(q, k, over=d) / sqrt(d) + where(keep, 0, -inf)", READ, more="keep: bool [*, M]"),
    "a head mask": head("a = softmax(dot(q, k, over=d) / sqrt(d), M) * m", "return dot(a, v, over=M)", more="m: [h]"),
    "a learned temperature": head("param t: [h] = 1.0", "s = dot(l2norm(q, d), l2norm(k, d), over=d) * exp(t)", READ),
    "merged projections cut apart": """# bind: D=8
block t(x: [*, N, D], heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    z = linear(x, D -> t=3 h d) as qkv
    q, k, v = unstack(z, t)
    s = dot(q * d ** -0.5, rename(k, N -> N'), over=d)
    return dot(softmax(s, N'), rename(v, N -> N'), over=N') |> linear(h d -> D) as out
}
""",
    "channel tokens": """# bind: D=8
block t(x: [*, N, D], heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    param t: [h] = 1.0
    q = linear(x, D -> h d) |> l2norm(N)
    k = linear(x, D -> h d) |> l2norm(N) |> rename(d -> d')
    v = linear(x, D -> h d) |> rename(d -> d')
    a = softmax(dot(q, k, over=N) * t, d')
    return dot(a, v, over=d') |> linear(h d -> D) as out
}
""",
}

FOUND = {
    **MISSED_BY_TORCH,
    "scores and read": own("a = softmax(scores(q, k, over=N, dot=d), N')", "return read(a, v, over=N)"),
    "scaled on both sides": head("s = dot(q * d ** -0.25, k * d ** -0.25, over=d)", READ),
    "scaled by a number": head("s = 0.3 * dot(q, k, over=d)", READ),
    "not scaled": head("s = dot(q, k, over=d)", READ),
    "scaled and divided": head("s = 2 * dot(q / 3.0, k, over=d) / 5.0", READ),
    "a temperature for each pair": head("s = dot(q, k, over=d) * t", READ, more="t: [N, M]"),
    "divided by a temperature under a mask": head("s = where(keep, dot(q, k, over=d) / (1 + t * t), -inf)", READ,
                                                  more="keep: bool [*, M], t: [h, N]"),
    "divided by a temperature": head("s = dot(q, k, over=d) / (1 + t * t)", READ, more="t: [h, N]"),
    "products with given weights": head("s = linear(q, d -> M, weight=k, bias=false)", "a = softmax(s, M)",
                                        "return linear(a, M -> e, weight=v, bias=false)"),
    "products and sums": head("s = sum(q * k, d) / sqrt(d)", "return sum(softmax(s, M) * v, M)"),
    "two terms": head("s = (dot(q, k, over=d) + dot(p, r, over=c)) / sqrt(d)", READ, more="p: [*, h, N, c=3], r: [*, M, c=3]"),
    "two terms scaled apart": head("s = dot(q, k, over=d) * 0.5 + dot(p, r, over=c) / 3.0", READ,
                                   more="p: [*, h, N, c=3], r: [*, M, c=3]"),
    "a term taken off": head("s = dot(q, k, over=d) - dot(p, r, over=c)", READ, more="p: [*, h, N, c=3], r: [*, M, c=3]"),
    "a bias that is a product": head("s = dot(q, k, over=d) + dot(q, r, over=d)", READ, more="r: [N, M, d]"),
    "capped": head("s = dot(q, k, over=d) / sqrt(d)", "s = 5.0 * tanh(s / 5.0)", READ),
    "capped, with a bias": head("s = 5.0 * tanh(dot(q, k, over=d) * 0.1) + b", READ, more="b: [h, N, M]"),
    "a bias before the scale": head("s = (dot(q, k, over=d) + b) / sqrt(d)", READ, more="b: [h, N, M]"),
    "a bias taken off": head("s = -(b - dot(q, k, over=d))", READ, more="b: [h, N, M]"),
    "a mask before the bias": head("s = where(keep, dot(q, k, over=d), -inf) / sqrt(d) + b", READ, more="keep: bool [*, M], b: [h, N, M]"),
    "a mask in the softmax": head("return dot(softmax(dot(q, k, over=d), M, where=keep), v, over=M)", more="keep: bool [*, N, M]"),
    "masks one in another": own(*CAUSAL, "s = where(pos(N') <= pos(N), s, -inf)", "s = where(pos(N) - pos(N') < 3, s, -inf)",
                                "a = softmax(s, N', where=rename(keep, N -> N'))", READ_SELF, more="keep: bool [*, N]"),
    "masked by -1e9 under a cap": own(*CAUSAL, "s = where(pos(N') <= pos(N), 9.0 * tanh(s / 9.0), -1e9)", "a = softmax(s, N')", READ_SELF),
    "a bias of -1e9": head("s = dot(q, k, over=d) + where(keep, 0, -1e9)", READ, more="keep: bool [*, M]"),
    "a masked bias": head("s = dot(q, k, over=d) + where(keep, b, -inf)", READ, more="keep: bool [*, M], b: [h, N, M]"),
    "several axes of keys": """# bind: d=4
block t(q: [*, H, W, d], k: [*, H, W, d], v: [*, H, W, e]) -> [*, H, W, e] {
    s = dot(q, rename(k, H -> H', W -> W'), over=d) / sqrt(d)
    return dot(softmax(s, over=H' W'), rename(v, H -> H', W -> W'), over=H' W')
}
""",
    "dropout in evaluation": head("a = dropout(softmax(dot(q, k, over=d) / sqrt(d), M), p=0.1)", "return dot(a, v, over=M)"),
    "by hand": head("a = exp(dot(q, k, over=d) / sqrt(d))", "return dot(a / sum(a, M), v, over=M)"),
    "by hand, without the maximum": head("s = dot(q, k, over=d) / sqrt(d)", "a = exp(s - max(s, M))",
                                         "return dot(a / sum(a, M), v, over=M)"),
    "by hand, divided late": head("s = dot(q, k, over=d)", "a = exp(s - detach(max(s, M)))", "return dot(a, v, over=M) / sum(a, M)"),
    "by hand, causal": own(*CAUSAL, "a = exp(where(pos(N') <= pos(N), s, -inf))", "return dot(a / sum(a, N'), v, over=N')"),
    "by hand, zeroed and causal": own(*CAUSAL, "a = where(pos(N') <= pos(N), exp(s), 0)", "return dot(a / sum(a, N'), v, over=N')"),
    "by hand, with a sink": head("a = exp(dot(q, k, over=d))", "return dot(a / (sum(a, M) + exp(b)), v, over=M)", more="b: [h]"),
    "by hand, with one more": head("a = exp(dot(q, k, over=d))", "return dot(a / (1 + sum(a, M)), v, over=M)"),
    "by hand, with a sink and the maximum": head(
        "s = dot(q, k, over=d)", "m = max(s, M)", "a = exp(s - m)", "return dot(a / (sum(a, M) + exp(b - m)), v, over=M)", more="b: [h]"),
    "the maximum taken off before the scale": head("s = dot(q, k, over=d)", "return dot(softmax((s - max(s, M)) * 0.5 + b, M), v, over=M)",
                                                   more="b: [h, N, M]"),
    "learned keys besides": head("param p: [M, d] = normal(0.5)",
                                 "return dot(softmax(dot(q, k, over=d) + dot(q, p, over=d), M), v, over=M)").replace("h=2", "h=2, M=3"),
    "a learned map to the keys besides": head("s = dot(q, k, over=d) + linear(q, d -> M) as p", READ).replace("h=2", "h=2, M=3"),
    "softmax of the rest": head("s = dot(q, k, over=d)", "return dot(softmax(s - max(s, M), M), v, over=M)"),
    "a sink put beside the scores": head("s = concat(dot(q, k, over=d) / sqrt(d), b, M + 1 -> L) |> softmax(L)",
                                         "a = s[L=0..size(k, M)] |> rename(L -> M)", "return dot(a, v, over=M)", more="b: [h]"),
    "a sink put before the scores": head("b, a = concat(b, dot(q, k, over=d), 1 + M -> L) |> softmax(L) |> split(L -> 1 + M)",
                                         "return dot(a, v, over=M)", more="b: [h]"),
    "a logarithm undone": head("return dot(exp(log_softmax(dot(q, k, over=d), M)), v, over=M)"),
    "by hand, with logsumexp": head("s = dot(q, k, over=d) / sqrt(d)", "return dot(exp(s - logsumexp(s, M)), v, over=M)"),
    "softmax1": head("return dot(softmax1(dot(q, k, over=d), M), v, over=M)"),
    "sigmoid": head("return dot(sigmoid(dot(q, k, over=d) / sqrt(d) - 2.0), v, over=M)"),
    "sigmoid, masked afterwards": head("return dot(where(keep, sigmoid(dot(q, k, over=d)), 0), v, over=M)", more="keep: bool [*, M]"),
    "squared relu": head("a = relu(dot(q, k, over=d) / sqrt(d))", "return dot(a * a, v, over=M)"),
    "entmax": head("return dot(entmax15(dot(q, k, over=d), M), v, over=M)"),
    "renamed weights": """# bind: h=2, d=4
block t(q: [*, h, N, d], k: [*, h, M, d], v: [*, h, L, e]) -> [*, h, N, e] {
    a = softmax(dot(q, k, over=d) / sqrt(d), M) |> rename(M -> L)
    return dot(a, v, over=L)
}
""",
    "axes exchanged": """# bind: h=2, d=4
block t(q: [*, h, N, d], k: [*, h, M, d], v: [*, h, N, e]) -> [*, h, M, e] {
    s = dot(q, k, over=d) |> rename(N -> M, M -> N)
    return dot(softmax(s, N), rename(v, N -> N), over=N)
}
""".replace("rename(v, N -> N)", "v"),
    "the value projected in the same product": head("w = rename(v, e -> c)", "return dot(softmax(dot(q, k, over=d), M), w, o, over=M c)",
                                                    more="o: [c, e]"),
    "heads added up": """# bind: h=2, d=4
block t(q: [*, h, N, d], k: [*, h, M, d], v: [*, h, M, e]) -> [*, N, e] {
    return dot(softmax(dot(q, k, over=d), M), v, over=M h)
}
""",
    "one key head": """# bind: h=2, d=4
block t(q: [*, h, N, d], k: [*, M, d], v: [*, M, e]) -> [*, h, N, e] {
    return dot(softmax(dot(q, k, over=d) / sqrt(d), M), v, over=M)
}
""",
    "sizes that the entry compares": "block t(q: [*, N, d], k: [*, M, d], v: [*, L, N']) -> [*, N] {\n"
                                     "    y = rename(v, N' -> N, L -> M)\n"
                                     "    return dot(softmax(dot(q, k, over=d) / sqrt(d), M), y, over=M)\n}\n",
    "rows that are masked": head("a = softmax(dot(q, k, over=d), M)", "return dot(where(live, a, 0), v, over=M)", more="live: bool [*, N]"),
    "a dynamic size and a root": "block t(q: [*, N, d], k: [*, M, d], v: [*, M, e]) -> [*, N, e] {\n"
                                 "    return dot(softmax(dot(q, k, over=d) / sqrt(d), M), v, over=M)\n}\n",
    "dynamic sizes": "block t(q: [*, N, d], k: [*, M, d], v: [*, M, e]) -> [*, N, e] {\n"
                     "    return dot(softmax(dot(q / sqrt(2 * d), k, over=d) * 3 / M, M), v, over=M)\n}\n",
    "a dynamic size": """block t(q: [*, N, d], k: [*, M, d], v: [*, M, e]) -> [*, N, e] {
    return dot(softmax(dot(q, k, over=d) * d ** -0.5, M), v, over=M)
}
""",
    "inside of a scan": """# bind: d=4
block t(x: [*, T, N, d]) -> [*, T, N, d] {
    return scan T (s: [*, N, d] = 0) {
        k = rename(s + x, N -> N')
        s = dot(softmax(dot(x, k, over=d) / sqrt(d), N'), k, over=N')
        yield s
    }
}
""",
}  # fmt: skip

LEFT = {
    "softmax over another axis": "block t(q: [*, N, d], k: [*, M, d], v: [*, M, e]) -> [*, N, e] {\n"
                                 "    return dot(softmax(dot(q, k, over=d), N), v, over=M)\n}\n",
    "weights that are returned": "block t(q: [*, N, d], k: [*, M, d], v: [*, M, e]) -> (y: [*, N, e], a: [*, N, M]) {\n"
                                 "    a = softmax(dot(q, k, over=d), M)\n    return dot(a, v, over=M), a\n}\n",
    "scores that are used again": head("s = dot(q, k, over=d)", "return dot(softmax(s, M), v, over=M) + sum(s, M)"),
    "a mask after the softmax": head("a = where(keep, softmax(dot(q, k, over=d), M), 0)", "return dot(a, v, over=M)",
                                     more="keep: bool [*, M]"),
    "a factor with keys after the softmax": head("return dot(softmax(dot(q, k, over=d), M) * w, v, over=M)", more="w: [N, M]"),
    "a sink that is not cut off": head("s = concat(dot(q, k, over=d), b, M + 1 -> L) |> softmax(L)", "u = concat(v, c, M + 1 -> L)",
                                       "return dot(s, u, over=L)", more="b: [h], c: [h, e]"),
    "the wrong part cut off": head("s = concat(dot(q, k, over=d), b, M + 1 -> L) |> softmax(L)",
                                   "a = s[L=1..size(k, M)+1] |> rename(L -> M)", "return dot(a, v, over=M)", more="b: [h]"),
    "a learned memory": "# bind: D=4\nblock t(x: [*, N, D]) -> [*, N, D] {\n"
                        "    return linear(x, D -> M=5) as k |> softmax(M) |> linear(M -> D) as v\n}\n",
    "two key axes": "block t(q: [*, N, d], k: [*, M, d], v: [*, L, e], w: [*, N, L]) -> [*, N, e] {\n"
                    "    return dot(softmax(dot(q, k, over=d), M), v, w, over=L) |> sum(M)\n}\n",
    "masked by -1e9": own(*CAUSAL, "s = where(pos(N') <= pos(N), s, -1e9)", "a = softmax(s, N')", READ_SELF),
    "masked by -1e9, a row may be empty": head("s = where(keep, 5 * tanh(dot(q, k, over=d)), -1e9)", READ, more="keep: bool [*, M]"),
    "masked by hand, a row may be empty": head("a = exp(where(keep, dot(q, k, over=d), -inf))", "return dot(a / sum(a, M), v, over=M)",
                                               more="keep: bool [*, M]"),
    "normalised by another sum": head("a = exp(dot(q, k, over=d))", "return dot(a / sum(a * w, M), v, over=M)", more="w: [M]"),
    "a mask inside of the cap": head("s = 5 * tanh(where(keep, dot(q, k, over=d), -inf))", READ, more="keep: bool [*, M]"),
    "a bias inside of the cap": head("s = 5 * tanh(dot(q, k, over=d) + b)", READ, more="b: [N, M]"),
    "masked, then turned around": head("s = -where(keep, dot(q, k, over=d), -inf)", READ, more="keep: bool [*, M]"),
    "no queries": "# bind: D=4\nblock t(x: [*, N, D]) -> [*, D] {\n"
                  "    a = linear(x, D -> 1) |> softmax(N)\n    return dot(a, x, over=N)\n}\n",
    "linear attention": head("return dot(softmax(q, d), softmax(k, M), v, over=M d)"),
    "a sigmoid without the maximum": head("s = dot(q, k, over=d)", "return dot(sigmoid(s - max(s, M)), v, over=M)"),
    "weights of dropped exponentials": head("a = dropout(exp(dot(q, k, over=d)), p=0.1)", "return dot(a / sum(a, M), v, over=M)"),
    "scores through a layer": "# bind: h=2, g=2\nblock t(q: [*, h, N, d], k: [*, h, M, d], v: [*, g, M, e]) -> [*, g, N, e] {\n"
                              "    s = dot(q, k, over=d) |> linear(h -> g)\n    return dot(softmax(s, M), v, over=M)\n}\n",
}  # fmt: skip


# ---------------------------------------------------------------- any number of them

_SCALES = {
    "none": ("q", "k", "{s}"), "queries": ("q * d ** -0.5", "k", "{s}"), "keys": ("q", "k / sqrt(d)", "{s}"),
    "both": ("q * d ** -0.25", "k * d ** -0.25", "{s}"), "after": ("q", "k", "{s} / sqrt(d)"), "number": ("q", "k", "0.7 * {s}"),
    "learned": ("q", "k", "{s} * t"), "mixed": ("q / 2", "k", "({s} * t) * d ** -0.5"),
}  # fmt: skip
_MASKS = {
    "none": "{s}", "chosen": "where(pos(M) <= pos(N), {s}, -inf)", "refused": "where(pos(M) > pos(N), -inf, {s})",
    "added": "{s} + where(pos(M) <= pos(N), 0, -inf)", "two": "where(pos(N) - pos(M) < 2, where(pos(M) <= pos(N), {s}, -inf), -inf)",
}  # fmt: skip
_WEIGHTS = {
    "softmax": "a = softmax(s, M)", "masked": "a = softmax(s, M, where=keep)", "hand": "p = exp(s)\n    a = p / sum(p, M)",
    "shifted": "p = exp(s - max(s, M))\n    a = p / sum(p, M)", "sigmoid": "a = sigmoid(s)", "logarithm": "a = exp(s - logsumexp(s, M))",
}  # fmt: skip
_READS = {
    "plain": "dot(a, v, over=M)", "gated": "dot(a * g, v, over=M)", "divided": "dot(v, a / (1 + g * g), over=M)",
    "sum": "sum(v * a, M)", "negative": "-dot(-a, v, over=M)", "renamed": "dot(rename(a, M -> L), rename(v, M -> L), over=L)",
}  # fmt: skip


def composed(seed: int) -> str:
    """One way of many to write attention; the same for the same seed. Keys are as many as queries."""
    source = random.Random(seed)
    scale, mask, weights, read = (source.choice(sorted(part)) for part in (_SCALES, _MASKS, _WEIGHTS, _READS))
    if mask == "refused" and weights in ("hand", "shifted", "logarithm"):
        mask = "chosen"  # only of masks that say what is allowed it is proven that they allow something
    q, k, scaled = _SCALES[scale]
    steps = [scaled, *(["3.0 * tanh({s} / 3.0)"] if source.random() < 0.3 else [])]
    after = [_MASKS[mask], *(["{s} + b"] if source.random() < 0.5 else [])]
    source.shuffle(after)
    if len(steps) == 1 and scale not in ("learned", "mixed"):
        steps = source.sample([*steps, *after], len(steps) + len(after))
    else:
        steps += after
    lines = [f"s = dot({q}, {k}, over=d)", *(f"s = {step.format(s='s')}" for step in steps), _WEIGHTS[weights], f"return {_READS[read]}"]
    inputs = "q: [*, h, N, d], k: [*, h, M, d], v: [*, h, M, e], b: [h, N, M], g: [h, N], t: [h], keep: bool [M]"
    body = "".join(f"    {line}\n" for line in lines)
    return f"# bind: h=2, d=4, N=4, M=4\nblock t({inputs}) -> [*, h, N, e] {{\n{body}}}\n"
