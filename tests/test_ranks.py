"""Two processes that torchrun starts run one model together, and find what one process finds."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import distributed

from benchmark.errors import CannotRun
from benchmark.inputs.model_entry import ModelEntry
from benchmark.ranks import rank, ranks, refuse_alone
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.record import Trace

needs_gloo = pytest.mark.skipif(
    importlib.util.find_spec("torch.distributed.run") is None
    or not distributed.is_available()
    or not distributed.is_gloo_available(),
    reason="needs torchrun and gloo",
)
MEASURE = """
import sys
from pathlib import Path

import torch

from benchmark.decoding.engine import Limits
from benchmark.decoding.prepare import load
from benchmark.decoding.proven import capture_proven
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine
from benchmark.ranks import rank

folder, parallel, file = sys.argv[1:]
torch.set_num_threads(1)
entry = ModelEntry(path=folder, parallel=None if parallel == "none" else parallel)
machine = Machine(torch.device("cpu"), None, trust_remote_code=False)
model = load(entry, locate(entry, Hub(download=False), machine), machine)
proven = capture_proven(model, [[*range(5, 25)], [*range(30, 70)], [*range(60, 80)]], Limits(12, 2))
proven.capture.trace.write_parquet(Path(f"{file}-{rank()}.parquet"))
"""


def traces(tmp_path: Path, folder: Path, parallel: str, processes: int) -> list[Trace]:
    """The trace of a model on some prompts, as each of the processes has it."""
    script = tmp_path / "measure.py"
    script.write_text(MEASURE)
    spread = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(spread if processes > 1 else []), str(script), str(folder), parallel]
    ended = subprocess.run(
        [*command, str(tmp_path / parallel)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    return [Trace.read_parquet(tmp_path / f"{parallel}-{number}.parquet") for number in range(processes)]


@needs_gloo
@pytest.mark.parametrize(("kind", "parallel"), [("llama", "tensor"), ("qwen3_moe", "expert")])
def test_two_ranks_have_the_tokens_and_exits_of_one_process(tmp_path: Path, kind: str, parallel: str):
    folder = tmp_path / kind
    tiny_model(kind, "causal").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (alone,) = traces(tmp_path, folder, "none", 1)
    for spread in traces(tmp_path, folder, parallel, 2):
        for name in ("prompt", "target", "matches", "sampled"):
            assert np.array_equal(getattr(alone, name), getattr(spread, name)), name
        for name in ("similarity_logit", "similarity_logit_raw", "similarity_hidden"):
            np.testing.assert_allclose(getattr(alone, name), getattr(spread, name), atol=1e-5)


def test_a_process_that_was_started_alone_runs_no_spread_model(monkeypatch: pytest.MonkeyPatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (rank(), ranks()) == (0, 1)
    with pytest.raises(CannotRun, match="torchrun --nproc-per-node 2 -m pytest"):
        refuse_alone()


def test_a_model_is_spread_in_one_way():
    with pytest.raises(ValueError, match="'parallel' and 'device_map' do not go together"):
        ModelEntry(path="model", parallel="tensor", device_map="auto")
