"""Checkpoints that hold packed weights: whether they run here, and what they are once they are loaded.

transformers' own quantizers are asked, because they decide: a method may lack its library, need a GPU, or unpack all
weights when the device has no kernel for it.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers.quantizers.auto import AutoHfQuantizer

from benchmark.errors import CannotRun
from benchmark.models.source import Machine

# Libraries whose package has another name than the method; what transformers says of the others names the package.
_LIBRARIES = {
    "bitsandbytes": "bitsandbytes",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
    "aqlm": "aqlm",
    "hqq": "hqq",
    "compressed-tensors": "compressed_tensors",
    "quanto": "optimum.quanto",
    "torchao": "torchao",
    "eetq": "eetq",
    "higgs": "flute",
}
_BITS = {"mxfp4": 4.25, "nvfp4": 4.5, "fp8": 8.0, "mxfp8": 8.25, "fbgemm_fp8": 8.0}
"""Of a packed weight with its share of the scales, for methods that have one width only."""
_UNPACKED_WHEN_RUN = "compressed-tensors"
"""The method that unpacks every layer when it is run first."""


@dataclass(frozen=True)
class Packing:
    """How the weights of a checkpoint are packed."""

    bits: float
    """Of a packed weight."""
    unpacked: bool
    """Whether they are numbers of the model's type once it runs; else they stay as they are in the file."""


def quantization_of(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a parsed `config.json` says of how its weights are packed; None if they are not."""
    text = config.get("text_config")
    inner = text if isinstance(text, dict) else {}
    quantized = config.get("quantization_config") or inner.get("quantization_config")
    return quantized if isinstance(quantized, dict) else None


def packing(config: Mapping[str, Any], machine: Machine) -> Packing | None:
    """Return how a checkpoint is packed, from its parsed `config.json`; None if it is not.

    Raises:
        CannotRun: a library is missing, or the device cannot run it.
    """
    quantized = quantization_of(config)
    if quantized is None:
        return None
    method = "bitsandbytes" if quantized.get("load_in_4bit") or quantized.get("load_in_8bit") else None
    method = method or str(quantized.get("quant_method"))
    library = _LIBRARIES.get(method)
    if library is not None and importlib.util.find_spec(library.partition(".")[0]) is None:
        raise CannotRun(
            f"the checkpoint is quantized with {method}, which is not installed",
            f"python -m pip install {library}",
        )
    if not AutoHfQuantizer.supports_quant_method({"quant_method": "none", **quantized}):
        return None  # transformers loads it as if it were not there
    transformers.logging.set_verbosity_error()  # what it says of unpacking is no news to whoever counts it
    try:
        quantizer = AutoHfQuantizer.from_config(dict(quantized), pre_quantized=True)
        quantizer.validate_environment(device_map={"": machine.device}, weights_only=True)
    except Exception as error:
        # Of any kind: each method has errors of its own.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CannotRun(
            f"the checkpoint is quantized with {method}, which cannot run here: {reason}",
            "name a checkpoint of this model that is not quantized",
        ) from None
    unpacked = bool(getattr(quantizer.quantization_config, "dequantize", False))
    if machine.device.type == "cpu" and method == "mxfp4":
        unpacked = True  # decided later, for want of kernels
    elif machine.device.type == "cpu" and torch.cuda.is_available() and method in _BITS and not unpacked:
        raise CannotRun(
            f"transformers loads a checkpoint quantized with {method} for the GPU of this machine",
            "run it on the GPU, or hide that with CUDA_VISIBLE_DEVICES=",
            setting="device",
        )
    return Packing(_bits(method, quantized), unpacked or method == _UNPACKED_WHEN_RUN)


def _bits(method: str, quantized: Mapping[str, Any]) -> float:
    """Width of a packed weight; 8, the widest there is, where nothing says it."""
    if method in _BITS:
        return _BITS[method]
    if quantized.get("load_in_4bit"):
        return 4.5
    groups = quantized.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict) and isinstance(weights.get("num_bits"), int):
            return float(weights["num_bits"])
    bits = quantized.get("bits") or quantized.get("w_bit") or quantized.get("nbits")
    return float(bits) if isinstance(bits, int) and 0 < bits <= 8 else 8.0
