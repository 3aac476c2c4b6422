"""Codes E0101 to E0107 (names) and W08xx (doubts)."""

from __future__ import annotations

from ..explanation import Explanation

EXPLANATIONS = (
    Explanation(
        "E0101",
        "an unknown name",
        "A name must be bound before it is read: a parameter of the block, a binding above, an axis, an operator or a block. A "
        "name holds from its "
        "line to the end of its block.",
        "return 2 * vlaue",
        "return 2 * value",
    ),
    Explanation(
        "E0102",
        "an unknown operator or block",
        "What is called must be an operator (`attn doc` lists them), a block of the file, a block taken by `use`, or a layer "
        "that was bound.",
        "x |> sigmod",
        "x |> sigmoid",
    ),
    Explanation(
        "E0103",
        "an unknown option",
        "Options of an operator are given by name. `attn doc OPERATOR` shows which there are.",
        "conv(x, C -> E, over=H, kernal=3)",
        "conv(x, C -> E, over=H, kernel=3)",
    ),
    Explanation(
        "E0104",
        "an unknown parameter or block",
        "A block is called with its own parameters by name, or with one of its axes bound to another (`gate(x, P=C)`).",
        "se(x, reductoin=8)",
        "se(x, reduction=8)",
    ),
    Explanation(
        "E0105",
        "not a value of this enumeration",
        "A parameter such as `variant: paper | code` takes one of the words it lists, and so do some options (`mode=bilinear`).",
        "gate(x, variant=papr)",
        "gate(x, variant=paper)",
    ),
    Explanation(
        "E0106",
        "a name that is both a value and an axis",
        "Axes and values live apart and the place decides which is meant. In arithmetic a bare axis is its size, so there a "
        "name must not be both.",
        "block f(x: [*, N], N: int = 3) -> [*, N] { return x * N }",
        "block f(x: [*, N], n: int = 3) -> [*, N] { return x * n }",
    ),
    Explanation(
        "E0107",
        "an unknown kind",
        "Parameters are `int`, `float`, `bool` (with `*` for a list), words `a | b`, `axis`, tensors `[..]` (float, or `int "
        "[..]`, `bool [..]`) and layers "
        "`[..] -> [..]`.",
        "rate: flot = 0.5",
        "rate: float = 0.5",
    ),
    Explanation(
        "W0801",
        "a name that is never used",
        "What is bound and never read is often a slip of the pen. A leading underscore (`_rest`) says that it is meant.",
        "gate = sigmoid(x)\nreturn x",
        "gate = sigmoid(x)\nreturn x * gate",
    ),
    Explanation(
        "W0802",
        "an outer product of two computed tensors",
        "Two tensors that both come from data through weights or reductions meet, and neither has all axes of the other. Every "
        "pair is computed, "
        "which is rarely meant. `expand(a, M)` says that it is.",
        "linear(x, D -> 1) * mean(y, D)",
        "expand(linear(x, D -> 1), M) * mean(y, D)",
    ),
    Explanation(
        "W0803",
        "a mask or bias without a key axis",
        "`where=` and `bias=` belong to pairs of query and key. Without the key axis (`N'` in self-attention) they act on whole queries.",
        "attend(q, k, v, over=N, dot=d, where=keep)",
        "attend(q, k, v, over=N, dot=d, where=rename(keep, N -> N'))",
    ),
    Explanation(
        "W0804",
        "a mask that can leave a query without any key",
        "For some sizes the mask allows no key for some query. attend gives zeros there, which may not be what was meant.",
        "where=pos(N') < pos(N)",
        "where=pos(N') <= pos(N)",
    ),
    Explanation(
        "W0805",
        "a backend that cannot be had here",
        "`backend='auto'` would take inductor, which makes kernels with a C++ compiler, and there is none. The module runs call by call.",
    ),
)
