"""Build the wheel by way of the sdist, install it in a fresh environment and use it outside the checkout.

The fresh environment borrows the dependencies of the one this script runs in, so nothing is downloaded. What it proves: the sdist
has all that the wheel needs, the wheel has every source, grammar and library file, and nothing reaches back into the checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """attn 1

# Squeeze and excitation.
block gate(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> r=C/reduction) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
    return x * s
}
"""
USE = """
import pathlib, sys, torch, attn
home = pathlib.Path(attn.__file__).resolve()
assert home.is_relative_to(pathlib.Path(sys.prefix).resolve()), f"attn comes from {home}, not from the wheel"
x = torch.randn(2, 64, 5, 7)
for module in (attn.compile("gate.attn", C=64), attn.compile("std.channel", "se", C=64)):
    assert module(x).shape == x.shape, module(x).shape
print("attn", attn.__version__, "compiles and runs from", home.parent)
"""


def build(into: Path) -> Path:
    """The wheel, built from the sdist that was built from the checkout."""
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), str(ROOT)], ROOT, quiet=True)
    (wheel,) = into.glob("attn-*.whl")
    return wheel


def missing_files(wheel: Path) -> list[str]:
    """The files of the package that git knows and the wheel lacks, and the strangers that the wheel has beside them."""
    folders = ["dsl", "compiler", "stdlib", "catalogue", "examples/systems", "src/attn"]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = [name for name in listed if (ROOT / name).is_file() and not name.endswith(".md")]
    expected = {_packed(name) for name in files}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    return sorted(f"missing from the wheel: {name}" for name in expected - packed) + sorted(
        f"in the wheel but not in the checkout: {name}" for name in packed - expected
    )


def _packed(name: str) -> str:
    """Where a file of the checkout stands in the wheel: where the links in src/attn/ and in stdlib/ lead."""
    if name.startswith("examples/"):
        return name.replace("examples/", "attn/stdlib/", 1)
    return name.removeprefix("src/") if name.startswith("src/") else f"attn/{name}"


def install(wheel: Path, home: Path) -> Path:
    """A fresh environment in `home` with the wheel in it; returns its folder of programs."""
    venv.create(home, symlinks=True)
    bin_folder = home / "bin"
    run(
        [sys.executable, "-m", "pip", "--python", str(bin_folder / "python"), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        home,
    )
    (site,) = (home / "lib").glob("python3*/site-packages")
    # A folder named in a .pth file comes after the fresh one, and its own .pth files (the editable attn) are not read.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return bin_folder


def use(bin_folder: Path, folder: Path) -> None:
    """Run what a user would run first, in a folder that is not the checkout."""
    (folder / "gate.attn").write_text(PROGRAM, encoding="utf-8")
    attn = str(bin_folder / "attn")
    run([attn, "--version"], folder)
    run([attn, "check", "gate.attn"], folder)
    run([attn, "list"], folder, quiet=True)
    run([attn, "systems"], folder, quiet=True)
    run([attn, "systems", "se"], folder, quiet=True)
    run([attn, "new", "my_se", "--from", "se"], folder)
    run([attn, "compile", "std.channel:se", "--bind", "C=64"], folder, quiet=True)
    run([str(bin_folder / "python"), "-m", "attn", "check", "gate.attn"], folder)
    run([str(bin_folder / "python"), "-c", USE], folder)


def run(command: Sequence[str], folder: Path, quiet: bool = False) -> None:
    """Run `command` in `folder` without the caller's PYTHON* settings; a failure ends this script with its output."""
    done = subprocess.run(command, cwd=folder, env=_environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\ncheck_wheel: exit status {done.returncode} from: {' '.join(command)}")
    if not quiet:
        print(done.stdout, end="")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="attn-wheel-") as name:
        folder = Path(name)
        wheel = build(folder / "dist")
        if faults := missing_files(wheel):
            raise SystemExit("\n".join(faults))
        outside = folder / "outside"
        outside.mkdir()
        use(install(wheel, folder / "venv"), outside)
        print(f"check_wheel: {wheel.name} works outside the checkout")


if __name__ == "__main__":
    main()
