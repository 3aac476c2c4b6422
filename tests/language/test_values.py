"""Statics, parameters, results, scope and repetition: what is decided while a module is built."""

from __future__ import annotations

import pytest
import torch
from language_support import codes, compiled, module, program, randn, said, told
from torch.testing import assert_close

from attn.dsl.diagnostics import AttnError

X = randn(2, 3, 6)


def static(expression: str, **bind: object) -> float:
    """What a static expression is worth, as the module has it."""
    text = f"block t(x: [*, D]) -> [*, D] {{\n    static w = {expression}\n    return x * 0 + w\n}}\n"
    return float(compiled(text)(torch.zeros(4, dtype=torch.float64))[0])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 / 3 * 3", 1.0), ("0.1 + 0.2", 0.3), ("(1 / 3 + 1 / 6) * 2", 1.0), ("7 // 2", 3.0), ("-7 // 2", -4.0), ("-7 % 3", 2.0),
        ("2 ** 10", 1024.0), ("2 ** -2", 0.25), ("ceil(7 / 2)", 4.0), ("max(2, 3, 1)", 3.0), ("sum([1, 2, 3])", 6.0), ("len([4, 5])", 2.0),
        ("3 if 2 > 1 else 4", 3.0), ("3 if 1 / 3 * 3 == 1 and not false else 4", 3.0), ("-2 ** 2", -4.0), ("2 ** 3 ** 2", 512.0),
    ],
)  # fmt: skip
def test_static_arithmetic_is_exact(expression: str, value: float) -> None:
    assert static(expression) == value


def test_a_fraction_where_an_integer_is_needed_is_a_mistake() -> None:
    assert codes("x: [*, N]", "return linear(x, N -> r=7/2)", "[*, r]") == ["E0203"]
    assert "E0303" in codes("x: [*, N]", "return conv(x, over=N, kernel=5/2)", "[*, N]")


def test_a_static_that_meets_a_tensor_is_a_float() -> None:
    assert_close(module("x: [*, N]", "static w = 1 / 3; return x * w", "[*, N]")(X), X / 3)


def test_a_list_is_a_static_and_so_is_an_enumeration() -> None:
    head = "x: [*, N], depths: int* = [3, 4], variant: paper | code = paper"
    body = "static n = sum(depths) * depths[1]; if variant == paper { y = x * n } else { y = x - n }; return y"
    assert_close(module(head, body, "[*, N]")(X), X * 28)
    assert_close(module(head, body, "[*, N]", depths=[1, 2], variant="code")(X), X - 6)
    assert "E0105" in told(program(head, body, "[*, N]"), variant="pap")


def test_every_value_of_an_enumeration_is_checked() -> None:
    head = "x: [*, N], variant: paper | code = paper"
    assert "E0101" in codes(head, "if variant == paper { y = x } else { y = z }; return y", "[*, N]")
    assert "E0504" in codes(head, "if variant == code { x = sum(x, N) }; return x", "[*, N]")


# ---------------------------------------------------------------- if


def test_the_taken_branch_binds_names_of_the_block() -> None:
    body = "if k > 1 { y = x * 2 } else if k == 1 { y = x * 3 } else { y = x }; return y"
    for k, factor in ((2, 2), (1, 3), (0, 1)):
        assert_close(module("x: [*, N], k: int = 2", body, "[*, N]", k=k)(X), X * factor)


def test_a_tensor_as_a_condition_offers_where() -> None:
    text = program("x: [*, N]", "if x > 0 { y = x } else { y = -x }; return y", "[*, N]")
    assert said(text)[0] == "E0507"
    assert "where" in told(text)


def test_a_dynamic_size_as_a_condition_is_a_mistake_when_compiled() -> None:
    text = program("x: [*, N]", "if N > 4 { y = x } else { y = -x }; return y", "[*, N]")
    assert "E0507" in told(text)
    assert_close(compiled(text, N=6)(X), X)


def test_both_branches_are_checked_for_names() -> None:
    assert "E0101" in codes("x: [*, N]", "if false { y = nothing } else { y = x }; return y", "[*, N]")


def test_where_is_a_tensors_choice_and_safe_for_gradients() -> None:
    m = module("x: [*, N]", "return where(x > 0, sqrt(x), 0)", "[*, N]")
    x = torch.tensor([-1.0, 0.0, 4.0], dtype=torch.float64, requires_grad=True)
    y = m(x)
    y.sum().backward()
    assert_close(y.detach(), torch.tensor([0.0, 0, 2], dtype=torch.float64))
    assert x.grad is not None
    assert_close(x.grad, torch.tensor([0.0, 0, 0.25], dtype=torch.float64))


# ---------------------------------------------------------------- scope and loops


def test_a_name_holds_from_its_line_and_binding_again_makes_a_new_value() -> None:
    assert "E0101" in codes("x: [*, N]", "y = z; z = x; return y", "[*, N]")
    assert_close(module("x: [*, N]", "y = x; x = x * 2; return x + y", "[*, N]")(X), 3 * X)


def test_a_loop_binds_outside_names_anew() -> None:
    assert_close(module("x: [*, N]", "for i in 0..3 { x = x + i }; return x", "[*, N]")(X), X + 3)


def test_a_loop_unrolls_over_ranges_and_lists() -> None:
    assert_close(module("x: [*, N]", "for w in [2, 1 / 2, 3] { x = x * w }; return x", "[*, N]")(X), X * 3)
    assert_close(module("x: [*, N], n: int = 2", "for i in 1..n { x = x * 2 }; return x", "[*, N]", n=4)(X), X * 8)
    assert_close(module("x: [*, N]", "for i in 0..0 { x = x * 2 }; return x", "[*, N]")(X), X)


def test_names_carry_static_indices() -> None:
    body = "for i in 0..4 { skip[i] = x * i }; for i in 0..3 { x = x + skip[3 - i] }; return x + skip[2]"
    assert_close(module("x: [*, N]", body, "[*, N]")(X), X * (1 + 3 + 2 + 1 + 2))
    assert "E0101" in codes("x: [*, N]", "skip[0] = x; return skip[1]", "[*, N]")


# ---------------------------------------------------------------- parameters and results


def test_an_optional_tensor_may_be_left_out() -> None:
    text = program("x: [*, N], keep: bool [*, N] = none", "if keep == none { y = x } else { y = where(keep, x, 0) }; return y", "[*, N]")
    keep = torch.rand(2, 3, 6) > 0.5
    m = compiled(text)
    assert_close(m(X), X)
    assert_close(m(X, keep), X * keep)
    assert_close(m(x=X, keep=keep), X * keep)
    assert_close(compiled(text, inputs=("keep",))(X, keep), X * keep)


def test_an_axis_that_no_input_has_is_a_parameter() -> None:
    m = module("x: [*, N], K: axis", "return x * sum(zeros(K) + 1, K)", "[*, N]", K=5)
    assert_close(m(X), 5 * X)
    assert "E0501" in told(program("x: [*, N], K: axis", "return expand(x, K)", "[*, N, K]"))


def test_several_results_are_a_named_tuple() -> None:
    text = (
        "block two(x: [*, N]) -> (most: [*], all: [*, N]) {\n    return max(x, N), x * 2\n}\n\n"
        "block t(x: [*, N]) -> (a: [*], b: [*, N]) {\n    m, y = two(x)\n    return m * 2, y\n}\n"
    )
    found = compiled(text)(X)
    assert found._fields == ("a", "b")
    assert_close(found.a, 2 * X.amax(-1))
    assert_close(found[1], 2 * X)
    assert "E0306" in said(text.replace("m, y = two(x)", "m, y, z = two(x)"))


def test_results_are_checked_against_their_declaration() -> None:
    assert "E0504" in codes("x: [*, N, D]", "return x", "[*, N]")
    assert "E0306" in codes("x: [*, N, D]", "return x, x", "[*, N, D]")


# ---------------------------------------------------------------- finite and safe


def test_a_block_cannot_call_itself() -> None:
    assert "E0508" in said("block a(x: [*]) -> [*] {\n    return b(x)\n}\n\nblock b(x: [*]) -> [*] {\n    return a(x)\n}\n")


def test_use_takes_names_never_paths(tmp_path: object) -> None:
    import attn

    for line in ('use "../secret" (x)', "use ../secret (x)", "use /etc/passwd (x)"):
        assert any(d.severity == "error" for d in attn.check(attn.text(f"{line}\nblock t(x: [*]) -> [*] {{ return x }}\n")))


def test_use_looks_in_the_library_and_beside_the_file(tmp_path: object) -> None:
    from pathlib import Path

    import attn

    folder = Path(str(tmp_path))
    (folder / "mine.attn").write_text("block double(x: [*]) -> [*] { return x * 2 }\n", encoding="utf-8")
    main = "use mine (double)\nuse std.channel (se)\nblock t(x: [*, C, H, W]) -> [*, C, H, W] { return double(se(x)) }\n"
    (folder / "main.attn").write_text(main, encoding="utf-8")
    assert attn.check(folder / "main.attn") == []
    assert next(d.code for d in attn.check(attn.text(main)) if d.severity == "error") == "E0040"
    with pytest.raises(AttnError):
        attn.compile(attn.text(main), C=16)
