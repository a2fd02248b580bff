"""Which file a row is in: a hash of what was captured, rebuilt from the row itself."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

IDENTITY = (
    *("suite", "source", "revision", "dtype_asked", "device", "device_map", "quantization", "prompts_sha256"),
    *("workload_kind", "chat_template_asked", "trust_remote_code", "layer_stack", "seam", "max_new_tokens"),
    *("batch_size_asked", "seed", "top_k", "sample_asked", "signals_asked"),
    *("scorer", "targets_sha256"),
    *("gate", "threshold_asked", "target_asked", "policy", "check_every", "min_exit_layer"),
)
"""Columns that say what was captured. How a trace is scored (alpha, tau) is no part of it. How answers are scored is: a
trace holds the scores of one scorer against one set of references."""
_LATER = {"lm_eval_task": None, "engine_asked": "generate", "parallel": None, "ranks": None}
"""The same of rows where they say something: columns that came when there were rows already, which keep their names.
Beside each is what it says of those, as null does."""
OF_GIVEN = ("capture", "texts_sha256")
"""The same of a row whose texts were given; of a row whose texts the model wrote itself they say nothing."""


OF_CLOCK = ("rounds_asked", "max_pending", "accelerator")
"""The same of a row of the study of the clock, whose seconds are of a machine."""


def configuration_of(columns: Mapping[str, Any]) -> str:
    """Return the first 8 hex digits of the SHA-256 of what was captured.

    Args:
        columns: of a row, those of `IDENTITY` among them.
    """
    names = (*IDENTITY, *OF_GIVEN) if columns.get("capture") == "given" else IDENTITY
    captured = {name: columns.get(name) for name in names}
    if columns.get("suite") == "clock":
        captured |= {name: columns.get(name) for name in OF_CLOCK}
    captured |= {name: columns[name] for name, before in _LATER.items() if columns.get(name) not in (None, before)}
    return hashlib.sha256(json.dumps(captured, sort_keys=True).encode()).hexdigest()[:8]
