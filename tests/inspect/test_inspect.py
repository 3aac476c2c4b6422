"""`attn.inspect` finds the attention and the gates of a module, and its report says what plain PyTorch says."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import attn
from attn.cli import main as cli
from attn.compiler.inspect.html import pack
from attn.compiler.inspect.inspecting import grid_of
from attn.compiler.inspect.samples import Sample
from attn.compiler.inspect.sites import gates_of, sites_of
from attn.compiler.program import load

NET = """attn 1

block net(ids: int [B, N], keep: bool [B, N], V: axis, D: axis, heads: int = 2) -> [B, N, D] {
    param word: [V, D] = normal(1.0)
    axis h = heads, d = D / heads
    x = word[V=ids]
    for i in 0..2 {
        q = linear(x, D -> h d) as layers[i].q
        k = linear(x, D -> h d) as layers[i].k
        a = scores(q, k, over=N, dot=d) |> softmax(over=N', where=rename(keep, N -> N')) as layers[i].a
        x = x + (read(a, x |> split(D -> h d), over=N) |> merge(h d -> D))
    }
    return x
}
"""
SIZES: dict[str, Any] = {"V": 12, "D": 8}


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    return attn.compile(attn.text(NET), **SIZES)


@pytest.fixture(scope="module")
def inputs() -> dict[str, Tensor]:
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    return {"ids": ids, "keep": torch.tensor([[True] * 4, [True, True, True, False]])}


def direct(module: Any, ids: Tensor, keep: Tensor) -> list[Tensor]:
    """The maps [B, h, N, N'] of every layer."""
    weights, found = module.state_dict(), list[Tensor]()
    x = weights["word"][ids]
    for i in range(2):
        q, k = (
            torch.nn.functional.linear(x, weights[f"layers.{i}.{name}.weight"], weights[f"layers.{i}.{name}.bias"]).unflatten(-1, (2, 4))
            for name in "qk"
        )
        s = torch.einsum("bnhd,bmhd->bhnm", q, k) / 2
        found.append(s.masked_fill(~keep[:, None, None], -torch.inf).softmax(-1))
        x = x + torch.einsum("bhnm,bmhd->bnhd", found[-1], x.unflatten(-1, (2, 4))).flatten(-2)
    return found


def test_maps_and_heads_are_those_of_plain_pytorch(module: Any, inputs: dict[str, Tensor]) -> None:
    report = attn.inspect(module, inputs, sinks=1.2).report
    expected = direct(module, **inputs)
    assert [site.head_count for site in report.sites] == [2, 2]
    for place, sample in enumerate(report.samples):
        for one, whole in zip(sample.maps, expected, strict=True):
            map = whole[place].double()
            torch.testing.assert_close(torch.tensor(one.maps, dtype=torch.float64), map, atol=1e-5, rtol=1e-4)
            apart = (torch.arange(4)[:, None] - torch.arange(4)).abs()
            for head, numbers in zip(map, one.heads, strict=True):
                assert numbers.entropy == pytest.approx(
                    float(-torch.special.xlogy(head, head).sum(-1).mean() / 0.6931471805599453), rel=1e-4
                )
                assert numbers.distance == pytest.approx(float((head * apart).sum(-1).mean()), rel=1e-4)
                greedy = {j for j in range(4) if float(head[:, j].mean()) * 4 >= 1.2}
                assert {sink.token for sink in numbers.sinks} == greedy
                assert numbers.greatest == pytest.approx(float(head.mean(0).max()) * 4, rel=1e-4)
            assert one.shares == pytest.approx((map.mean((0, 1)) * 4).tolist(), rel=1e-4)
    flow = report.samples[0].token_flow
    assert flow is not None
    assert flow.sites == [site.name for site in report.sites]
    assert sum(flow.rollout[0]) == pytest.approx(1, abs=1e-4)


def test_the_module_is_left_as_it_was(module: Any, inputs: dict[str, Tensor]) -> None:
    before = set(module.__dict__), module.training, set(module._modules)
    attn.inspect(module, inputs)
    assert (set(module.__dict__), module.training, set(module._modules)) == before


def test_states_are_left_as_they_were_and_a_fixed_batch_is_not_cut() -> None:
    text = """
    block f(x: [B, D]) -> [B, D] {
        state last: [B, D] = 0
        next last = x
        return x * sigmoid(last + x * 2 + mean(x, D))
    }"""
    module: Any = attn.compile(attn.text(text), B=2, D=4)
    found = attn.inspect(module, {"x": torch.ones(2, 4)})
    assert repr(found) == "<1 gate of f, on 1 sample>"
    assert module.last.abs().max() == 0


def test_one_query_is_one_row() -> None:
    text = "block f(q: [B, D], memory: [B, T, D]) -> [B, D] {\n    return attend(q, memory, memory, over=T, dot=D)\n}"
    q, memory = torch.randn(1, 4), torch.randn(1, 5, 4)
    (one,) = attn.inspect(attn.compile(attn.text(text)), {"q": q, "memory": memory}).report.samples[0].maps
    assert one.maps[0][0] == pytest.approx((memory @ q[0] / 2).softmax(-1)[0].tolist(), abs=1e-4)


def test_inputs_come_in_the_dtype_of_the_weights() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 8)
    half = attn.inspect(attn.std.heads.mha(D=8, heads=2, dtype="bfloat16"), {"x": x}).report
    assert sum(half.samples[0].maps[0].maps[0][0]) == pytest.approx(1, abs=1e-3)


def test_a_large_map_is_shown_in_cells_and_measured_whole(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.randint(12, (1, 40), generator=torch.Generator().manual_seed(1))
    inputs = {"ids": ids, "keep": torch.ones(1, 40, dtype=torch.bool)}
    whole = attn.inspect(module, inputs).report
    monkeypatch.setattr("attn.compiler.inspect.reading.CELLS", 16)
    monkeypatch.setattr("attn.compiler.inspect.reading.AT_ONCE", 500)
    cells = attn.inspect(module, inputs).report
    (one, other), full = cells.samples[0].maps, whole.samples[0].maps[0]
    assert one.tokens_per_cell == other.tokens_per_cell == (3, 3)
    assert (len(one.rows), one.rows[0], one.rows[-1], one.row_count) == (14, "0-2", "39-39", 40)
    assert one.heads == full.heads
    assert one.maps[1][0][1] == pytest.approx(sum(full.maps[1][i][j] for i in range(3) for j in range(3, 6)) / 9, rel=1e-3)
    assert cells.samples[0].token_flow is None


LOOPS = """
block f(x: [*, N, D]) -> [*, N, D] {
    axis L = 3
    param wq: [L, D, E=D] = normal(0.5)
    param wk: [L, D, E] = normal(0.5)
    _, last = scan L (s: [*, N, D] = x) {
        q, k = dot(s, wq, over=D), dot(s, wk, over=D)
        y = attend(q, k, s, over=N, dot=E)
        s = s + y
        s = s * sigmoid(s + mean(s, D))
        yield y
    }
    return last
}"""


def test_each_step_of_a_loop_is_an_attention() -> None:
    torch.manual_seed(0)
    module: Any = attn.compile(attn.text(LOOPS), D=4)
    x = torch.randn(1, 5, 4)
    report = attn.inspect(module, {"x": x}).report
    assert [(site.name, site.address, site.steps) for site in report.sites] == [
        (f"weights at L={step}", "weights", {"L": step}) for step in range(3)
    ]
    s, gates = x, list[Tensor]()
    for step, one in enumerate(report.samples[0].maps):
        q, k = s @ module.wq[step], s @ module.wk[step]
        weights = (q @ k.transpose(-1, -2) / 2).softmax(-1)
        torch.testing.assert_close(torch.tensor(one.maps[0]), weights[0], atol=1e-4, rtol=1e-3)
        s = s + weights @ s
        gates.append(torch.sigmoid(s + s.mean(-1, keepdim=True)).detach())
        s = s * gates[-1]
    (flow, (gate,)) = report.samples[0].token_flow, report.samples[0].gates
    assert flow is not None
    assert flow.sites == [site.name for site in report.sites]  # one step hands its tokens to the next
    assert gate.along["L"] == pytest.approx([float(one.mean()) for one in gates], rel=1e-3)


def test_steps_that_read_one_after_the_other_are_rows_and_many_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn.compiler.inspect.reading.MOST_STEPS", 2)
    text = """
    block f(x: [B, N, D], t: [B, T, D], memory: [B, M, D]) -> (a: [B, N, D], b: [B, T, N, D]) {
        a = scan N (s: [B, D] = 0) {
            s = s + attend(s + x, memory, memory, over=M, dot=D)
            yield s
        }
        b = scan T (last: [B, D] = 0) {
            y = attend(x + t, x, x, over=N, dot=D)
            last = t
            yield y
        }
        return a, b
    }"""
    inputs = {"x": torch.randn(1, 4, 6), "t": torch.randn(1, 3, 6), "memory": torch.randn(1, 5, 6)}
    report = attn.inspect(attn.compile(attn.text(text)), inputs).report
    assert [(site.rows, site.keys, site.steps) for site in report.sites] == [
        (["N"], ["M"], {}), (["N"], ["N'"], {"T": 0}), (["N"], ["N'"], {"T": 1}),
    ]  # fmt: skip
    assert report.samples[0].token_flow is None  # the steps along T know nothing of each other
    assert report.notes[0] == "of the 3 steps of `y.weights` along T the first 2 are shown"


def test_the_page_has_the_numbers_of_the_json(module: Any, inputs: dict[str, Tensor], tmp_path: Path) -> None:
    found = attn.inspect(module, inputs)
    found.save(tmp_path / "a.html")
    found.save(tmp_path / "a.json")
    page, data = (tmp_path / "a.html").read_text(), json.loads((tmp_path / "a.json").read_text())
    assert data["samples"][0]["maps"][0]["maps"] == found.report.samples[0].maps[0].maps
    assert page.startswith("<!doctype html>")
    assert "http://" not in page.replace("http://www.w3.org", "")
    shown = json.loads(page.split('id="page-data">')[1].split("</script>")[0])
    for sample, said in zip(data["samples"], shown["samples"], strict=True):
        for one, other in zip(sample["maps"], said["maps"], strict=True):
            assert other.pop("maps") == [pack(map) for map in one.pop("maps")]
    assert {**shown, "program": data["program"]} == data  # whatever a figure is drawn from is in the JSON
    packed = pack([[0.0, 0.5], [1.0, 0.25]])
    assert list(base64.b64decode(packed["bytes"])) == [0, 128, 255, 64]
    assert repr(found) == "<2 attentions with 4 heads of net, on 2 samples>"
    assert found._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')


# ---------------------------------------------------------------- where attention is


def test_places_are_told_from_heads() -> None:
    graph = load("std.windows", "window_mha").graph(checking=True)
    (site,) = sites_of(graph)
    assert (site.rows, site.heads, site.sample) == (("u", "v"), ("h",), "*")
    assert set(site.places) == {"Y", "X"}
    (channels,) = sites_of(load("std.channel_tokens", "xca").graph(checking=True))
    assert (channels.rows, channels.keys, channels.heads) == (("d",), ("d'",), ("h",))
    (step,) = sites_of(load("std.heads", "mqa_step").graph(checking=True))
    assert (step.rows, step.keys, step.heads) == ((), ("N",), ("h",))
    assert sites_of(load("std.linear", "efficient_attention").graph(checking=True)) == ()  # no map of tokens is ever made


@pytest.mark.parametrize(
    ("block", "axes"),
    [
        ("std.channel:se", [("C",)]),
        ("std.channel:cbam", [("C",), ("H", "W")]),
        ("std.channel:gct", [("C",)]),
        ("std.triplet:triplet", [("H", "W"), ("C", "W"), ("C", "H")]),
        ("std.context:global_context", [("H", "W")]),
        ("std.linear:additive_attention", [("N", "h")] * 2),
        ("std.cross_layer:pkcam", [("C",)]),
        ("std.axial:axis_attention", [("N",)]),
        ("std.recurrence:lstm", [("E", "N")] * 3),
        ("std.feedforward:swiglu", []),
        ("std.pointwise:quick_gelu", []),
        ("std.heads:mha", []),
    ],
)
def test_gates_are_found_by_what_they_do(block: str, axes: list[tuple[str, ...]]) -> None:
    source, _, name = block.partition(":")
    assert [gate.axes for gate in gates_of(load(source, name).graph(checking=True))] == axes


def test_gates_of_cbam_are_those_of_plain_pytorch() -> None:
    module = attn.std.channel.cbam(C=8, reduction=2).eval()
    x, weights = torch.randn(1, 8, 5, 6), module.state_dict()
    report = attn.inspect(module, {"x": x}).report
    channel, spatial = report.samples[0].gates

    def mlp(y: Tensor) -> Tensor:
        return torch.relu(y @ weights["fc1.weight"].T) @ weights["fc2.weight"].T

    gate = torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))
    torch.testing.assert_close(torch.tensor(channel.along["C"]), gate[0], atol=1e-4, rtol=0)
    assert (spatial.plane_axes, spatial.is_places) == (("H", "W"), True)
    assert spatial.plane is not None
    assert len(spatial.plane) == 5
    assert spatial.along["H"] == pytest.approx([sum(row) / 6 for row in spatial.plane], rel=1e-3)
    assert repr(attn.inspect(module, {"x": x})) == "<2 gates of cbam, on 1 sample>"


def test_patches_of_an_image_are_found() -> None:
    graph = load("examples/vit.attn").graph({"C": 3, "H": 32, "W": 48, "D": 16, "K": 4, "heads": 2, "depth": 1, "patch": 8})
    sample = Sample("x", {"image": torch.zeros(1, 3, 32, 48)})
    assert grid_of(graph, sample, 25) == ((4, 6), 1)
    assert grid_of(graph, sample, 24) == ((4, 6), 0)
    assert grid_of(graph, sample, 7) == ((2, 3), 1)
    assert grid_of(graph, Sample("x", {}), 25) == (None, 0)


# ---------------------------------------------------------------- files and the command


@pytest.fixture
def folder(module: Any, inputs: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.attn").write_text(NET, encoding="utf-8")
    attn.save_weights(module, tmp_path / "model.safetensors")
    save_file(inputs, tmp_path / "inputs.safetensors")
    words = Tokenizer(models.WordLevel({"?": 0, "it": 1, "was": 2, "too": 3, "tired": 4}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


COMMAND = ["inspect", "net.attn", "--bind", "V=12,D=8", "--weights"]


def test_a_text_is_looked_at_in_one_command(folder: Path, module: Any) -> None:
    done = CliRunner().invoke(cli, [*COMMAND, ".", "--text", "it was tired", "-o", "a.html", "-o", "a.json"])
    assert (done.exit_code, done.output) == (0, "wrote a.html\nwrote a.json\n")
    report = json.loads((folder / "a.json").read_text(encoding="utf-8"))
    assert report["samples"][0]["tokens"] == ["it", "was", "tired"]
    expected = direct(module, torch.tensor([[1, 2, 4]]), torch.ones(1, 3, dtype=torch.bool))[1][0, 1, 2, 0]
    assert report["samples"][0]["maps"][1]["maps"][1][2][0] == pytest.approx(float(expected), rel=1e-3)


def test_tensors_are_cut_into_samples(folder: Path) -> None:
    done = CliRunner().invoke(
        cli, [*COMMAND, "model.safetensors", "--input", "inputs.safetensors", "--format", "json", "--importance", "none"]
    )
    assert [sample["name"] for sample in json.loads(done.output)["samples"]] == ["sample 1", "sample 2"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--text", "it", "--tokenizer", "none.json"], "[E0608]: there is no file `none.json`"),
        (["--text", "it", "--tokenizer", "net.attn"], "[E0608]: `net.attn` cannot be read as a tokenizer"),
        (["--input", "net.attn"], "[E0608]: `net.attn` is of no kind that is known"),
        (["--input", "none.npz"], "[E0608]: `none.npz` cannot be read as .npz"),
        (["--input", "none.txt"], "[E0608]: cannot read `none.txt`"),
        (["--input", "none.png"], "[E0608]: block `net` has no input for an image"),
        (["--input", "model.safetensors"], "[E0608]: there is no input `layers.0.k.bias` of block `net`"),
        ([], "[E0608]: there is nothing to look at the module with"),
    ],
)
def test_files_that_do_not_fit_are_told(folder: Path, arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(cli, [*COMMAND, "model.safetensors", *arguments])
    assert done.exit_code == 2
    assert told in done.stderr


def test_npz_and_images_are_read(folder: Path) -> None:
    import numpy
    from PIL import Image

    numpy.savez("inputs.npz", x=numpy.ones((1, 3, 4, 6), dtype=numpy.float32))
    Image.new("RGB", (12, 8), (255, 0, 51)).save("red.png")
    module = attn.std.channel.se(C=3, reduction=1)
    assert len(attn.inspect(module, "inputs.npz").report.samples) == 1
    report = attn.inspect(attn.std.channel.se(bind={"C": 3, "H": 4, "W": 6}, reduction=1), "red.png", normalise="half").report
    assert report.samples[0].image is not None
    assert report.samples[0].name == "red.png"
    (folder / "net.attn").rename("text.png")
    with pytest.raises(attn.AttnError, match="cannot be read as an image"):
        attn.inspect(module, "x=text.png")


def test_a_block_without_attention_says_so() -> None:
    module = attn.compile(attn.text("block f(x: [*, D=4]) -> [*, D] { return relu(x) }"))
    with pytest.raises(attn.AttnError, match="E0609"):
        attn.inspect(module, {"x": torch.ones(1, 4)})


def test_flow_is_shown_to_the_tokens_that_are_asked_for(folder: Path) -> None:
    def flow_of(*options: str) -> Any:
        done = CliRunner().invoke(cli, [*COMMAND, ".", "--text", "it was too tired", "--format", "json", *options])
        assert done.exit_code == 0, done.stderr
        return json.loads(done.output)["samples"][0]["token_flow"]

    every = flow_of()
    assert every["flow_rows"] == flow_of("--flow", "all")["flow_rows"] == [0, 1, 2, 3]
    some = flow_of("--flow", "tired, 1")
    assert (some["flow_rows"], some["flow"]) == ([1, 3], [every["flow"][1], every["flow"][3]])
    assert flow_of("--flow", "none")["flow"] == []
    done = CliRunner().invoke(cli, [*COMMAND, ".", "--text", "it was too tired", "--flow", "tird"])
    assert "there is no token `tird`" in done.stderr
    assert "did you mean `tired`?" in done.stderr


def test_first_weights_are_called_random(inputs: dict[str, Tensor]) -> None:
    found = attn.inspect(attn.text(NET), inputs, flow="none", importance=None, **SIZES)
    assert found.report.notes == ["there is no checkpoint: the weights are the first ones, which are random"]


def test_importances_stand_beside_the_heads(inputs: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    whole = attn.std.layers.encoder(D=8, heads=2)
    x = torch.randn(2, 3, 8)
    found = attn.inspect(attn.std.layers.encoder, {"x": x}, D=8, bind={"heads": 2}, weights=whole.state_dict())
    expected = attn.importances(attn.std.layers.encoder, axis="h", weights=whole.state_dict(), bind={"D": 8, "heads": 2})
    assert found.report.sites[0].importance == pytest.approx(next(iter(expected.values())), rel=1e-4)
