"""Make `import torchvision`, and with it `import timm`, work beside a build of torch that its compiled operators do not fit.

The only torchvision wheel on PyPI for Linux is made for CUDA and for one version of torch. Beside another torch its operators do not
load, and its import then fails because it describes the shapes of operators that nobody declared. The models that the tests compare
with use none of these operators, so declaring them, without any implementation, is enough.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

_NAMESPACE = "torchvision"
_DESCRIBERS = ("register_fake", "register_meta", "register_autograd", "register_kernel")
_kept: list[torch.library.Library] = []  # a library that is dropped takes its declarations with it


def prepare() -> bool:
    """Declare the operators of torchvision unless they load. Call it before importing torchvision or timm.

    Returns False where torchvision is not installed. Calling it again does nothing.
    """
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    package = Path(spec.origin).parent
    if not _kept and not _loads(package):
        library = torch.library.Library(_NAMESPACE, "DEF")
        for name in sorted(_described(package)):
            library.define(f"{name}(Tensor x) -> Tensor")
        _kept.append(library)
    return True


def _loads(package: Path) -> bool:
    try:
        for binary in package.glob("_C*.so"):
            torch.ops.load_library(str(binary))
    except OSError:
        return False
    return True


def _described(package: Path) -> set[str]:
    """Names of the operators whose shapes or gradients torchvision describes when it is imported."""
    return {name for path in package.glob("_*_registrations.py") for name in _names(ast.parse(path.read_text(encoding="utf-8")))}


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _called(node.func) in _DESCRIBERS:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value.removeprefix(f"{_NAMESPACE}::")


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
