"""Random programs say the same compiled and interpreted. `scripts/fuzz.py` runs as many as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fuzz import main, outcome
from random_programs import program

CHUNK = 20


@pytest.mark.parametrize("first", range(0, 200, CHUNK))
def test_random_programs_agree(first: int) -> None:
    torch.set_num_threads(1)
    found: list[str] = []
    for seed in range(first, first + CHUNK):
        made = program(seed)
        what, why = outcome(made, seed)
        assert what != "wrong", f"seed {seed}, bind {made.bind}, free {made.free}: {why}\n{made.text}"
        found.append(what)
    assert found.count("same") >= CHUNK * 0.8  # a name at several sizes is the mistake that is left


def test_a_number_is_a_program() -> None:
    assert program(7) == program(7)
    assert len({program(seed).text for seed in range(50)}) == 50


def test_every_line_is_used() -> None:
    """What the programs are made of: no operator of the generator is always refused by the values at hand."""
    text = "".join(program(seed, 9).text for seed in range(600))
    words = "attend scores chunk= sink_logit= weights=true gate( pair( scan reverse for conv unfold linear( each= dot( where= softmax1"
    words += " sparsemax entmax15 split( fill= merge( rename( concat( stack( at= expand( pad( argsort( topk( layernorm groupnorm batchnorm"
    words += " cumsum( roll( shift( flip( argmax( sum( logsumexp( pos( size("
    assert [word for word in words.split() if word not in text] == []


def test_a_program_that_fails_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("fuzz.outcome", lambda made, seed: ("wrong", "off by 2"))
    monkeypatch.setattr("sys.argv", ["fuzz.py", "1", "--seed", "3", "--into", str(tmp_path)])
    assert main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "wrong 1"
    text = (tmp_path / "program_3.attn").read_text()
    assert "# off by 2" in text
    assert program(3).text in text
