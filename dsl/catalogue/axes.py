"""Codes E0201 to E0218: axes and sizes."""

from __future__ import annotations

from ..explanation import Explanation

EXPLANATIONS = (
    Explanation(
        "E0201",
        "a tensor lacks an axis",
        "An operation along an axis needs a tensor that has it. The message lists the axes there are.",
        "softmax(x, M)   # x: [*, N, D]",
        "softmax(x, N)",
    ),
    Explanation(
        "E0202",
        "two sizes of one axis",
        "Tensors line up by the names of their axes, so an axis that two of them share must have one size. Rename one of the "
        "axes if they are different things.",
        "concat(x, x, over=N) + x",
        "concat(x, x, over=N) |> linear(N -> M=64)",
    ),
    Explanation(
        "E0203",
        "a size that is not a whole number",
        "`C / r` is exact. Where it has a rest the message gives both numbers and the nearest that work. `C // r` rounds down.",
        "axis C = 510, h = 8, d = C / h",
        "axis C = 512, h = 8, d = C / h",
    ),
    Explanation(
        "E0204",
        "the same axis twice",
        "A tensor has each axis once, and a list names each once. The second copy of `N` is called `N'`.",
        "rename(x, D -> N)   # x: [*, N, D]",
        "rename(x, D -> M)",
    ),
    Explanation(
        "E0205",
        "a contraction over an axis that only one tensor has",
        "`dot` multiplies and adds up along axes that at least two tensors share. To add up one tensor, write `sum`.",
        "dot(q, k, over=e)   # only k has e",
        "dot(q, sum(k, e), over=d)",
    ),
    Explanation(
        "E0206",
        "an axis without a size",
        "An axis made on the right of an arrow gets its size there (`E=64`), from `axis E = 64`, or from a tensor that has it.",
        "linear(x, D -> E)",
        "linear(x, D -> E=64)",
    ),
    Explanation("E0207", "a negative size", "A size is zero or more.", "linear(x, D -> E=4 - 10)", "linear(x, D -> E=10 - 4)"),
    Explanation(
        "E0208",
        "a kernel larger than the axis",
        "The kernel with its dilation must fit into the axis with its padding.",
        "conv(x, C -> C, over=M, kernel=7, padding=0)   # M = 3",
        "conv(x, C -> C, over=M, kernel=3)",
    ),
    Explanation(
        "E0209",
        "axes of the wrong shape for this operator",
        "Some operators take axes (`H W`), some an arrow (`C -> E`). A group of axes for one is written `N=(H W)`.",
        "mean(x, H => W)",
        "mean(x, H W)",
    ),
    Explanation(
        "E0210",
        "a name at several sizes",
        "A bare axis name in arithmetic is its size. Where the block has the axis at several sizes, say whose is meant.",
        "y = conv(x, C -> C, over=H, kernel=3, stride=2)\nreturn mean(x / H, H)",
        "return mean(x / size(x, H), H)",
    ),
    Explanation(
        "E0211",
        "an index out of range",
        "Indices run from 0 to the size less one; negative ones count from the end.",
        "x[r=3]   # r = 3",
        "x[r=2]",
    ),
    Explanation(
        "E0212",
        "an operator that must be told its axes",
        "A reduction names what it reduces: nothing is reduced by default.",
        "mean(x)",
        "mean(x, H W)",
    ),
    Explanation("E0213", "too many axes", "A tensor has at most 16 axes."),
    Explanation(
        "E0214",
        "a number or tensor that is too large",
        "Sizes and tensors have limits, checked before anything is allocated: a tensor has at most 2**40 elements.",
    ),
    Explanation(
        "E0215",
        "division by zero",
        "A static division has 0 on its right side.",
        "static n = 3 - 3\naxis r = C / n",
        "static n = 3\naxis r = C / n",
    ),
    Explanation(
        "E0216",
        "a function without a value here",
        "Such as the square root of a negative number.",
        "static a = sqrt(0 - 1)",
        "static a = sqrt(1)",
    ),
    Explanation(
        "E0217",
        "an index without an axis",
        "A tensor's axes have no order, so an index says which axis it is for.",
        "x[0]",
        "x[N=0]",
    ),
    Explanation(
        "E0218",
        "an axis with too few entries",
        "max, mean and argmax need one entry at least along the axis, `topk` as many as it takes. Where the size is not known "
        "it is checked when tensors come.",
        "v, i = topk(x, E -> K=9)   # E = 6",
        "v, i = topk(x, E -> K=4)",
    ),
)
