"""Calls of any operator, made from its row of the table: tensors by place, axes and arrows, options by their kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attn.compiler.ops.base import OPERATORS, Operator, Option

from .draft import Draft, Var

WRITTEN: tuple[Operator, ...] = tuple(operator for operator in OPERATORS.values() if operator.build is not None)
"""Every operator that can be written, in the order of the table."""

FLOATS: dict[str, tuple[str, ...]] = {
    "eps": ("1e-2", "1e-3"), "p": ("0.25", "0.5"), "momentum": ("0.2",), "scale": ("0.5", "2.0"), "softcap": ("2.0",),
}  # fmt: skip
"""Numbers for options of a restricted range, by name; other options take any of a few."""
NORM = 2.0
POWERS = ("1.5", "3")
"""Powers of a norm, whose `p` is 2 where nothing is said. Below 1 its slope near 0 is so steep that no noise tells what rounding does."""
INITS = ("zeros", "ones", "0.5", "normal(0.5)", "uniform(-1, 1)", "trunc_normal(0.1)")


def write(d: Draft, operator: Operator) -> bool:
    """One line that calls an operator; False where the values at hand have no place for it, or where the compiler refuses it."""
    from .hints import HINTS

    hint = HINTS.get(operator.name)
    written = hint(d) if hint is not None else generic(d, operator)
    if written is None:
        return False
    text, results = written if isinstance(written, tuple) else (written, 1)
    made = d.let(text, results)
    (d.refused if made is None else d.made)[operator.name] += 1
    return made is not None


# ---------------------------------------------------------------- what the signature says


def generic(d: Draft, operator: Operator, x: Var | None = None, words: Sequence[str] = ()) -> str | None:
    """A call by the signature alone. `x` is the first tensor and `words` are arguments, where they are chosen already."""
    signature = operator.signature
    tensors = tensors_of(d, operator) if x is None else [x]
    if tensors is None:
        return None
    axes = axes_of(d, signature.axes, tensors[0] if tensors else None)
    if axes is None:
        return None
    over = axes_of(d, signature.over, tensors[0] if tensors else None)
    if over is None:
        return None
    given = [*(var.name for var in tensors), *axes, *(f"over={words[0]}" for words in [over] if words), *words]
    for option in signature.options:
        if d.chance(0.3) and not any(word.startswith(f"{option.name}=") for word in given):
            value = option_of(d, option, tensors)
            given += [f"{option.name}={value}"] if value is not None else []
    if tensors and d.chance(0.2) and " " not in tensors[0].name and not signature.variadic:
        return f"{tensors[0].name} |> {operator.name}({', '.join(given[1:])})"
    return f"{operator.name}({', '.join(given)})"


def tensors_of(d: Draft, operator: Operator) -> list[Var] | None:
    """A tensor for every place; several for the last one where it repeats."""
    from .hints import kinds_of

    least = 1 if operator.signature.axes.rstrip("?") not in ("none", "") and not operator.signature.axes.endswith("?") else 0
    count = len(operator.signature.tensors) + (d.rng.randint(1, 2) if operator.signature.variadic else 0)
    found: list[Var] = []
    for _ in range(count):
        var = d.pick(*kinds_of(d, operator.name), axes=least)
        if var is None:
            return None
        found.append(var)
    return found


def axes_of(d: Draft, kinds: str, x: Var | None) -> list[str] | None:
    """What follows the tensors: nothing, axes or an arrow. None where the tensor has too few axes."""
    if kinds in ("", "none") or (kinds.endswith("?") and d.chance(0.4)):
        return []
    choices = kinds.rstrip("?").split("|")
    names = list(x.axes) if x is not None else list(d.sizes)
    if not names:
        return None
    if d.rng.choice(choices) == "list":
        return [" ".join(d.some(names, 1, 2))]
    return [f"{d.rng.choice(names)} -> {d.axis()}={d.rng.randint(1, 3)}"]


def option_of(d: Draft, option: Option, tensors: Sequence[Var]) -> str | None:
    """A value of an option's kind; None where there is none at hand."""
    from .hints import TENSORS

    if option.kind == "tensor" and option.name in TENSORS:
        return TENSORS[option.name](d, tensors)
    make = KINDS.get(option.kind)
    return make(d, option, tensors) if make is not None else None


def _float(d: Draft, option: Option, tensors: Sequence[Var]) -> str:
    numbers = FLOATS.get(option.name, ("0.5", "0.2", "1", "0"))
    return d.rng.choice(numbers if option.default != NORM else POWERS)


def _word(d: Draft, option: Option, tensors: Sequence[Var]) -> str:
    return d.rng.choice(option.words)


def _padding(d: Draft, option: Option, tensors: Sequence[Var]) -> str:
    return d.rng.choice([*option.words, "0", "1"])


def _axis(d: Draft, option: Option, tensors: Sequence[Var]) -> str | None:
    names = d.some(d.fixed(tensors[0]), 1, 1) if tensors else []
    return names[0] if names else None


Making = Callable[[Draft, Option, Sequence[Var]], "str | None"]
KINDS: dict[str, Making] = {
    "int": lambda d, option, tensors: str(d.rng.randint(1, 3)),
    "ints": lambda d, option, tensors: str(d.rng.randint(1, 2)),
    "float": _float,
    "bool": lambda d, option, tensors: d.rng.choice(["true", "false"]),
    "bool|tensor": lambda d, option, tensors: d.rng.choice(["true", "false"]),
    "word": _word,
    "padding": _padding,
    "init": lambda d, option, tensors: d.rng.choice(INITS),
    "axes": _axis,
    "by": _word,
}
