"""Fourier transforms against the matrix that defines them, and the parts of complex numbers."""

from __future__ import annotations

from math import pi
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn


def compiled(signature: str, body: str, results: str) -> Any:
    return attn.compile(attn.text(f"block t({signature}) -> {results} {{\n    {body}\n}}"))


def numbers(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def matrix(n: int, sign: int = -1) -> Tensor:
    """Entry [k, j] is exp(sign * 2 pi i k j / n)."""
    k = torch.arange(n, dtype=torch.float64)
    angle = sign * 2 * pi * k[:, None] * k / n
    return torch.complex(angle.cos(), angle.sin())


@pytest.mark.parametrize("n", [1, 4, 5])
def test_a_transform_is_its_matrix(n: int) -> None:
    x = numbers(2, n, 3)
    m = matrix(n)
    z = torch.einsum("kj,bjd->bkd", m, x.to(m.dtype))
    assert_close(compiled("x: [B, N, D]", "return fft(x, N)", "complex [B, N, D]")(x), z)
    assert_close(compiled("x: [B, N, D]", "return fft(x, N -> F)", "complex [B, F, D]")(x), z)
    assert_close(compiled("x: [B, N, D]", "return rfft(x, N -> F)", "complex [B, F, D]")(x), z[:, : n // 2 + 1])
    assert_close(
        compiled("x: [B, N, D]", "return ifft(x, N)", "complex [B, N, D]")(x), torch.einsum("kj,bjd->bkd", matrix(n, 1), x.to(m.dtype)) / n
    )


@pytest.mark.parametrize(("norm", "factor"), [("backward", 1.0), ("forward", 1 / 5), ("ortho", 5**-0.5)])
def test_the_norm_says_where_the_size_divides(norm: str, factor: float) -> None:
    x = numbers(2, 5)
    plain = compiled("x: [B, N]", "return fft(x, N)", "complex [B, N]")(x)
    assert_close(compiled("x: [B, N]", f"return fft(x, N, norm={norm})", "complex [B, N]")(x), plain * factor)
    back = compiled("x: [B, N]", f"z = rfft(x, N -> F, norm={norm})\n    return irfft(z, F -> N, norm={norm})", "[B, N]")
    assert_close(back(x), x)


@pytest.mark.parametrize("shape", [(2, 5, 6), (3, 4, 7), (1, 1, 1)])
def test_several_axes_at_once_halve_the_last(shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    z = compiled("x: [B, H, W]", "return rfft(x, H W -> U V)", "complex [B, U, V]")(x)
    assert_close(z, torch.fft.fft(torch.fft.fft(x, dim=1), dim=2)[:, :, : shape[2] // 2 + 1])
    turned = compiled("x: [B, H, W]", "return rfft(x, W H -> V U)", "complex [B, U, V]")(x)
    assert_close(turned, torch.fft.fft(torch.fft.fft(x, dim=1), dim=2)[:, : shape[1] // 2 + 1])
    kept = compiled("x: [B, H, W]", "z = rfft(x, H W -> H F)\n    return irfft(z, H F -> H W)", "[B, H, W]")
    assert_close(kept(x), x)
    assert_close(compiled("x: [B, H, W]", "return real(ifft(fft(x, H W), H W))", "[B, H, W]")(x), x)


def test_a_given_size_undoes_an_even_or_an_odd_one() -> None:
    z = torch.fft.rfft(numbers(2, 7))
    for n in (6, 7):
        y = compiled("z: complex [B, F]", f"return irfft(z, F -> N={n})", f"[B, N={n}]")(z)
        assert_close(y, torch.fft.irfft(z, n=n))


@pytest.mark.parametrize("body", [
    "z = rfft(x, N -> F)\n    return irfft(z * exp(-0.3 * pos(F)), F -> N)", "z = fft(x, N)\n    return real(z * z) + imag(z)",
    "z = fft(x, N)\n    return abs(z + 9) + angle(z + 9)", "return real(complex(x, x * x) * conj(complex(1, x)))"])  # fmt: skip
def test_gradients_pass_through_complex_numbers(body: str) -> None:
    assert torch.autograd.gradcheck(compiled("x: [B, N]", body, "[B, N]"), (numbers(2, 5),))


def test_parts_of_complex_numbers() -> None:
    z = torch.complex(numbers(2, 3).detach(), numbers(2, 3).detach().flip(0))
    for name, expected in (("real", z.real), ("imag", z.imag), ("angle", torch.angle(z))):
        assert_close(compiled("z: complex [B, N]", f"return {name}(z)", "[B, N]")(z), expected)
    assert_close(compiled("z: complex [B, N]", "return conj(z)", "complex [B, N]")(z), torch.complex(z.real, -z.imag))


def test_complex_numbers_are_made_of_parts_that_broadcast() -> None:
    a, b = numbers(2, 3), numbers(3)
    z = compiled("a: [B, N], b: [N]", "return complex(a, b)", "complex [B, N]")(a, b)
    assert_close(z, torch.complex(a, b.expand(2, 3)))
    assert_close(compiled("a: [B, N]", "return complex(0, a)", "complex [B, N]")(a), torch.complex(torch.zeros_like(a), a))


def test_parts_of_real_numbers() -> None:
    x = torch.tensor([[1.0, -2.0]])
    assert torch.equal(compiled("x: [B, N]", "return real(x) + conj(x)", "[B, N]")(x), 2 * x)
    assert_close(compiled("x: [B, N]", "return angle(x)", "[B, N]")(x), torch.tensor([[0.0, pi]]))


def test_half_precision_is_transformed_in_float32() -> None:
    x = numbers(2, 5).detach().half()
    z = compiled("x: [B, N]", "return rfft(x, N -> F)", "complex [B, F]")(x)
    assert z.dtype == torch.complex64
    assert_close(z, torch.fft.rfft(x.float()))
    for body in (
        "z = rfft(x, N -> F)\n    return irfft(z, F -> N)",
        "return real(fft(x, N))",
        "return imag(fft(x, N))",
        "return angle(fft(x, N))",
    ):
        assert compiled("x: [B, N]", body, "[B, N]")(x).dtype == torch.float16


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return fft(x)", "E0212"),
        ("return rfft(fft(x, N), N)", "E0310"),
        ("return irfft(fft(x, N), N)", "E0209"),
        ("return irfft(fft(x, N), N -> M)", "E0206"),
        ("return irfft(fft(x, N), N -> M=9)", "E0202"),
        ("return imag(x)", "E0310"),
        ("return complex(fft(x, N), x)", "E0310"),
        ("return rfft(x, N -> B)", "E0204"),
        ("return rfft(x, N -> F=6)", "E0202"),
    ],
)
def test_mistakes_have_their_codes(body: str, expected: str) -> None:
    with pytest.raises(attn.AttnError) as found:
        compiled("x: [B, N=6]", body, "[B, N]")
    assert [one.code for one in found.value.diagnostics] == [expected]
