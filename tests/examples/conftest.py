"""The demo as a module, its weights, and the model of another library that they were made for."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torchvision_shim
from safetensors.torch import load_file
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
Reference = Callable[[Tensor, Tensor, torch.dtype], Tensor]


def imported(path: Path) -> ModuleType:
    """A file as a module, whether or not it can be found by name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def demo() -> ModuleType:
    return imported(ROOT / "examples" / "minilm.py")


@pytest.fixture(scope="session")
def folder(demo: ModuleType) -> Path:
    return demo.model_folder(None)


@pytest.fixture(scope="session")
def checkpoint(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="session")
def reference(folder: Path, checkpoint: dict[str, Tensor]) -> Reference:
    """Sentence embeddings [B, D] by transformers' BertModel, pooled as sentence-transformers does."""
    torchvision_shim.prepare()  # transformers imports torchvision where it is installed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import BertConfig, BertModel
    model: Any = BertModel(BertConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))).eval()
    model.load_state_dict({name: tensor for name, tensor in checkpoint.items() if name != "embeddings.position_ids"})

    def embed(ids: Tensor, keep: Tensor, dtype: torch.dtype) -> Tensor:
        with torch.inference_mode():
            tokens = model.to(dtype)(input_ids=ids, attention_mask=keep.long()).last_hidden_state
            weight = keep.unsqueeze(-1).to(dtype)
            mean = (tokens * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2, dim=1)

    return embed
