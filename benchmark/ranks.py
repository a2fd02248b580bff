"""The processes that torchrun started to run one model together: which of them this is, and what they tell each other.

Each is called a rank. All run the same cases in the same order, so that each of their forward passes meets the same of
the others. Rank 0 alone decides, writes and prints.
"""

import os
from collections.abc import Sequence
from typing import Any

from benchmark.errors import CannotRun


def rank() -> int:
    """Return the number of this process among those that torchrun started; 0 of one that was started alone."""
    return int(os.environ.get("RANK", "0"))


def ranks() -> int:
    """Return how many processes torchrun started; 1 where it started none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def refuse_alone() -> None:
    """Make sure that torchrun started this process.

    Raises:
        CannotRun: it did not.
    """
    if "WORLD_SIZE" not in os.environ:
        raise CannotRun(
            "a model with 'parallel' is spread over processes, and this one was started alone",
            "torchrun --nproc-per-node 2 -m pytest suites/ --model-file models.yaml",
        )


def join(device_type: str) -> None:
    """Meet the other ranks, once: over gloo on a CPU, over the accelerator's own library elsewhere."""
    import torch
    from torch import distributed

    if distributed.is_initialized():
        return
    if device_type != "cpu":
        torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group(distributed.get_default_backend_for_device(device_type))


def of_first(value: Any) -> Any:
    """Return what rank 0 gave; each rank must ask, and the others' values are dropped."""
    if ranks() == 1:
        return value
    from torch import distributed

    told = [value]
    distributed.broadcast_object_list(told, src=0)
    return told[0]


def of_all(value: Any) -> Sequence[Any]:
    """Return what each rank gave, in their order; each rank must ask."""
    if ranks() == 1:
        return [value]
    from torch import distributed

    told: list[Any] = [None] * ranks()
    distributed.all_gather_object(told, value)
    return told
