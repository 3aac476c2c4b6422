"""Codes E0300 to E0311: calls of operators and blocks."""

from __future__ import annotations

from ..explanation import Explanation

EXPLANATIONS = (
    Explanation(
        "E0300",
        "another kind of value is needed",
        "Values are tensors, layers, axes and statics (numbers, lists, words). A layer must be applied before it is added; a "
        "size must be known while the "
        "module is built.",
        "x + relu",
        "x + relu(x)",
    ),
    Explanation(
        "E0301",
        "a block needs an axis that the tensor lacks",
        "A block finds its axes by name. Bind them to the caller's: `gate(x, P=C, U=H)`.",
        "zgate(x)   # x: [*, C, H, W], zgate wants P, U, V",
        "zgate(x, P=C, U=H, V=W)",
    ),
    Explanation(
        "E0302",
        "too many or too few arguments",
        "Tensors are given by position, options by name.",
        "relu(x, y)",
        "relu(x) + relu(y)",
    ),
    Explanation(
        "E0303",
        "a wrong value for an option",
        "The option takes another kind of value, another number of values, or values in a range.",
        "dropout(x, p=2)",
        "dropout(x, p=0.2)",
    ),
    Explanation(
        "E0304",
        "options that exclude each other",
        "Only one of them can be given.",
        "linear(x, D -> E=8, weight=w, init=zeros)",
        "linear(x, D -> E=8, init=zeros)",
    ),
    Explanation(
        "E0305",
        "an option that needs another",
        "Some options make sense only beside another one.",
        "mean(x, over=H, stride=2)",
        "mean(x, over=H, kernel=2, stride=2)",
    ),
    Explanation(
        "E0306",
        "a wrong number of results",
        "A call with several results is bound to as many names: `a, b = f(x)`. A block returns as many as it declares.",
        "d = two(x)",
        "a, b = two(x)",
    ),
    Explanation(
        "E0307",
        "a layer with some of its tensors left out",
        "Without any of its tensors a call is a layer; with all of them it is applied. In between it is neither.",
        "attend(q, k, over=N, dot=d)",
        "attend(q, k, v, over=N, dot=d)",
    ),
    Explanation(
        "E0308", "an argument given twice", "Once by position and once by name, perhaps.", "se(x, 8, reduction=4)", "se(x, reduction=4)"
    ),
    Explanation(
        "E0309",
        "a block that takes no further axes",
        "Without `*` in its signature a tensor must have exactly the declared axes.",
        "block inner(x: [N, D]) -> [N, D] { return x }",
        "block inner(x: [*, N, D]) -> [*, N, D] { return x }",
    ),
    Explanation(
        "E0310",
        "another kind of number is needed",
        "float, int and bool tensors are different things: `float(x)`, `int(x)` and `bool(x)` convert.",
        "softmax(x, N, where=mask)   # mask: float",
        "softmax(x, N, where=mask > 0)",
    ),
    Explanation("E0311", "arithmetic without a value", "Such as a division of two numbers by zero.", "0 * (1 / 0)", "0"),
)
