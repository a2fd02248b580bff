"""The machine: card, driver, memory, versions."""

import os
import platform
import sys
from importlib import metadata

import torch

from benchmark.models import hardware
from benchmark.tools.gpu.journal import Figures

_LIBRARIES = ("transformers", "tokenizers", "accelerate", "numpy", "pandas", "pyarrow", "pydantic", "triton", "kernels")


def environment(device: torch.device, figures: Figures) -> None:
    """Fill in what the machine is."""
    figures["accelerator"] = hardware.accelerator(device)
    figures["driver"] = hardware.driver(device)
    figures["memory_free_bytes"] = hardware.free_memory(device)
    figures["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    figures["python"] = sys.version.split()[0]
    figures["platform"] = platform.platform()
    figures["torch"] = torch.__version__
    for name in _LIBRARIES:
        try:
            figures[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            figures[name] = None
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        figures["memory_bytes"] = card.total_memory
        figures["multiprocessors"] = card.multi_processor_count
        figures["capability"] = f"{card.major}.{card.minor}"
        figures["cudnn"] = torch.backends.cudnn.version()
