"""A session that torchrun starts on two ranks: one set of rows and one report, with the tokens of a session of one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import distributed

from benchmark.results.row import Row
from benchmark.trace.record import Trace

pytestmark = pytest.mark.skipif(
    not distributed.is_available() or not distributed.is_gloo_available(), reason="needs torchrun and gloo"
)
ROOT = Path(__file__).parents[2]


def session(folder: Path, model: Path, parallel: str | None, processes: int) -> subprocess.CompletedProcess[str]:
    """A session of one suite on two prompts, with its results in a folder."""
    file = folder.with_suffix(".yaml")
    file.write_text(json.dumps({"models": [{"name": "tiny", "path": str(model), "parallel": parallel}]}))
    spread = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(spread if processes > 1 else []), "-m", "pytest", "-p", "no:cacheprovider"]
    options = ["--device", "cpu", "--workload", "translation", "--limit", "2", "--max-new-tokens", "6"]
    return subprocess.run(
        [*command, "suites/test_exits.py", "--model-file", file, "--results-dir", folder, *options],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def row_in(folder: Path) -> tuple[Row, Trace]:
    """The only row of a folder, and its tokens."""
    (file,) = folder.rglob("oracle-*.json")
    return Row(**json.loads(file.read_text())), Trace.read_parquet(file.with_suffix(".parquet"))


def test_two_ranks_leave_the_row_of_one_session_and_resume(tmp_path: Path, make_tiny: Callable[..., Path]):
    model = make_tiny(tmp_path / "model")
    assert session(tmp_path / "alone", model, None, 1).returncode == 0
    together = session(tmp_path / "together", model, "tensor", 2)
    assert together.returncode == 0, together.stdout + together.stderr
    assert together.stdout.count("test session starts") == together.stdout.count("1 passed") == 1
    (one, alone), (row, spread) = row_in(tmp_path / "alone"), row_in(tmp_path / "together")
    assert (one.parallel, one.ranks, row.parallel, row.ranks) == (None, None, "tensor", 2)
    assert row.speedup_bound_head is None
    assert one.configuration != row.configuration
    for name in ("prompt", "target", "matches", "sampled", "predictions", "rank", "half_matches"):
        assert np.array_equal(getattr(alone, name), getattr(spread, name)), name
    np.testing.assert_allclose(alone.similarity_logit, spread.similarity_logit, atol=1e-5)
    again = session(tmp_path / "together", model, "tensor", 2)
    assert (again.returncode, again.stdout.count("1 skipped")) == (0, 1), again.stdout + again.stderr


def test_a_process_that_was_started_alone_skips_a_spread_model(tmp_path: Path, make_tiny: Callable[..., Path]):
    ended = session(tmp_path / "alone", make_tiny(tmp_path / "model"), "tensor", 1)
    assert "this one was started alone; torchrun --nproc-per-node 2 -m pytest" in " ".join(ended.stdout.split())
    assert not list(tmp_path.rglob("oracle-*.json"))
