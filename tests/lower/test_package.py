"""`attn compile -o NAME.pt2`: kernels and weights in one file, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from golden_support import GOLDEN, Golden

import attn
from attn.cli import main

GATE = """
block gate(x: [*, N, C], keep: bool [*, N]) -> (y: [*, N, C], s: [*, C]) {
    s = sum(x * keep, N) |> linear(C -> C) as fc |> batchnorm(C) as norm
    return x * s, s
}
"""


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["compile", *arguments])
    return done.output


@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")  # PyTorch's, of itself
def test_a_package_has_the_weights_and_open_sizes(tmp_path: Path) -> None:
    """The one test that makes a package: the compiler is asked not to optimise, since only its answer matters."""
    from torch._inductor import config

    (tmp_path / "gate.attn").write_text(GATE, encoding="utf-8")
    module = attn.compile(tmp_path / "gate.attn", C=4, mode="infer")
    assert "runtime.prepared(" in module.code  # the package has the norm in the weights of the linear map, too
    module.get_buffer("norm.running_mean").add_(1)
    attn.save_weights(module, tmp_path / "gate.safetensors")
    quick = {"aot_inductor.compile_wrapper_opt_level": "O0", "aot_inductor.precompile_headers": False}
    with config.patch({**quick, "cpp_cache_precompile_headers": False}):
        told = run(f"{tmp_path}/gate.attn", "-b", "C=4", "--weights", f"{tmp_path}/gate.safetensors", "-o", f"{tmp_path}/gate.pt2")
    assert told == f"wrote {tmp_path}/gate.pt2\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gate.attn", "gate.pt2", "gate.safetensors"]
    package = attn.load_package(tmp_path / "gate.pt2")
    for batch, places in ((2, 5), (7, 3)):
        x, keep = torch.randn(batch, places, 4), torch.rand(batch, places) < 0.6
        made, wanted = package(x, keep=keep), module(x, keep)
        assert made._fields == ("y", "s")
        assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(made, wanted, strict=True))
    with pytest.raises(ValueError, match="E0601"):
        package(torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(TypeError, match="gate takes x, keep"):
        package(torch.randn(2, 5, 4))


def test_a_state_is_refused(golden: Callable[[Path, Callable[[Golden], str]], None], tmp_path: Path) -> None:
    def told(case: Golden) -> str:
        (tmp_path / "change.attn").write_text(case.source, encoding="utf-8")
        return run(f"{tmp_path}/change.attn", "-b", "D=4", "-o", f"{tmp_path}/change.pt2").replace(f"{tmp_path}/", "")

    golden(GOLDEN / "backends" / "E0705-state.txt", told)
    assert [path.name for path in tmp_path.iterdir()] == ["change.attn"]


def test_what_is_no_package_is_told(tmp_path: Path) -> None:
    (tmp_path / "some.pt2").write_bytes(b"not a package")
    for name in ("some.pt2", "none.pt2"):
        with pytest.raises(attn.AttnError, match="E0705"):
            attn.load_package(tmp_path / name)


def test_weights_do_not_go_into_a_text() -> None:
    assert "--weights goes with -o NAME.pt2" in run("std.channel:se", "-b", "C=16", "--weights", "se.safetensors")
