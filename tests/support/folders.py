"""Made-up results folders: rows and their tokens, with exits as early as a test wants them."""

from pathlib import Path
from typing import Any

import numpy as np
from strategies import row_of, trace_of

from benchmark.results.row import Row
from benchmark.results.store import Store
from benchmark.results.versions import examine

LAYERS = 50
PROMPTS = 4
_SPREAD = np.array([-0.04, -0.02, 0.02, 0.04])


class Content:
    """Bytes in the place of tokens."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def write_parquet(self, path: Path) -> None:
        path.write_bytes(self.content)


def read_row(path: Path) -> Row | None:
    """The row in a file, or None when it is missing, damaged or of another version."""
    found = examine(path)
    return found.row if found else None


def write_case(folder: Path, model: str, workload: str, gain: float, **columns: Any) -> Row:
    """A full run in which a token skips about `gain` of the layers, more in some prompts than in others."""
    depth = np.repeat(1 - gain - _SPREAD, 2)  # two tokens a prompt
    exits = np.clip(np.rint(depth * LAYERS), 1, LAYERS).astype(int)
    prompt = np.repeat(np.arange(PROMPTS), 2)
    trace = trace_of((np.arange(1, LAYERS + 1) >= exits[:, None]).astype(int), prompt=prompt)
    plain = {
        "source": f"hub:lab/{model}",
        "architecture": "dense",
        "stage": "base",
        "dtype": "bfloat16",
        "parameters": 7_000_000_000,
        "num_layers": LAYERS,
        "max_new_tokens": 2,
        "prompts_sha256": "the usual prompts",
        "exit_layer_mean": float(exits.mean()),
        "skip_ratio": gain,
        "skip_ratio_chance": 0.02,
        "eas": 0.2 + gain / 2,
        "speedup_bound_layers": 1 / (1 - gain),
        "speedup_bound_head": 1 / (1 - 0.8 * gain),
        "speedup_bound_kv": 1 / (1 - 0.7 * gain),
        "gate_speed_99": 1 + gain / 10,
        "gate_found_99": 0.1,
        "speedup_speculation": 1 + gain / 20,
    }
    store = Store(folder)
    row = row_of(model=model, workload=workload, **(plain | columns))
    return store.write(store.path(model, workload, row.suite, row.configuration), row, trace)


def write_decoding(folder: Path, model: str, workload: str, harmless_only: bool, **columns: Any) -> Row:
    """A full run in which early exits skip a third of the layers, at a loss of a fifth of the score or of nothing."""
    store = Store(folder)
    plain = {
        "source": f"hub:lab/{model}",
        "architecture": "dense",
        "dtype": "bfloat16",
        "gate": "margin",
        "policy": "propagate",
        "skip_ratio": 0.3,
        "score_loss": 0.2 if harmless_only else 0.0,
    }
    row = row_of(suite="decoding", model=model, workload=workload, **(plain | columns))
    return store.write(store.path(model, workload, row.suite, row.configuration), row)


def write_world(folder: Path, claimed: bool) -> None:
    """Models of which every published claim is true, or the contrary of every claim.

    70 models on three workloads: every family has a model a year; each base model has one tuned from it; dense,
    mixture-of-experts and recurrent models, large and small ones.
    """
    rng = np.random.default_rng(7)
    sign = 1 if claimed else -1
    for family, kind in enumerate(("dense", "dense", "dense", "moe", "ssm", "moe", "hybrid")):
        for year in range(2021, 2026):
            large = (family + year) % 3 == 0
            base = 0.4 + sign * (0.08 * (kind == "dense") + 0.08 * large - 0.03 * (year - 2023))
            for stage in ("base", "instruct"):
                name = f"family{family}-{year}"
                gain = base - sign * 0.06 * (stage == "instruct") + rng.normal(0, 0.01)
                for number, workload in enumerate(("chat", "code", "math")):
                    skip = gain + (0.01 if claimed else 0.12) * (number - 1) + rng.normal(0, 0.004)
                    write_case(
                        folder,
                        name if stage == "base" else f"{name}-instruct",
                        workload,
                        skip,
                        family=f"family{family}",
                        released=f"{year}-06",
                        architecture=kind,
                        stage=stage,
                        base_model=None if stage == "base" else f"lab/{name}",
                        parameters=30_000_000_000 if large else 7_000_000_000,
                        eas=0.2 + sign * skip / 4,
                        skip_ratio_chance=skip - sign * 0.1,
                        gate_speed_99=1 + skip / 10,
                        gate_found_99=0.5 - sign * 0.4,
                    )
                    write_decoding(folder, name if stage == "base" else f"{name}-instruct", workload, claimed)
