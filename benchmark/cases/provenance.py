"""What a row says about how it came about."""

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmark.models import hardware


def provenance(device: torch.device) -> dict[str, Any]:
    """The provenance columns of a row made now on this device."""
    commit, dirty = _checkout()
    return {
        "harness_version": version("exitbench"),
        "harness_commit": commit,
        "harness_dirty": dirty,
        "torch_version": torch.__version__,
        "transformers_version": transformers.__version__,
        "python_version": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "accelerator": hardware.accelerator(device),
        "driver": hardware.driver(device),
    }


@lru_cache(maxsize=1)
def _checkout() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the checkout this package runs from, as they were when first asked."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
        # Results and notes may lie around untracked; code and workloads may not.
        added = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", "benchmark", "suites")
        return commit, bool(changed or added)
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    # Fixed arguments, no shell.
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()  # noqa: S603
