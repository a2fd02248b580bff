"""The three ways in which transformers' language models are run, and one forward pass of each.

A causal model continues its input. An encoder-decoder reads the input once and writes with its decoder. An encoder
fills in masked positions.
"""

from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)
from transformers.utils import ModelOutput

from benchmark.trace.costs import Task

AUTO_CLASS: dict[Task, Any] = {
    "causal": AutoModelForCausalLM,
    "encoder-decoder": AutoModelForSeq2SeqLM,
    "masked": AutoModelForMaskedLM,
}
TYPES: dict[Task, Mapping[str, Any]] = {
    "causal": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "encoder-decoder": MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "masked": MODEL_FOR_MASKED_LM_MAPPING_NAMES,
}


def task_of(config: Mapping[str, Any]) -> Task | None:
    """How a checkpoint is run, from its parsed `config.json`; None when transformers has no language model of its type.

    Many types come as more than one kind; the class the checkpoint was saved as decides. Where it does not say, what
    comes as encoder and as decoder is a decoder only if the config says that too.
    """
    kind = str(config.get("model_type"))
    architectures = config.get("architectures")
    saved_as = {str(name) for name in architectures} if isinstance(architectures, list) else set()
    order: list[Task] = ["causal", "encoder-decoder", "masked"]
    if config.get("is_encoder_decoder"):
        order = ["encoder-decoder", "causal", "masked"]
    elif not config.get("is_decoder") and kind in TYPES["masked"]:
        order = ["masked", "causal", "encoder-decoder"]
    having = [task for task in order if kind in TYPES[task]]
    exact = [task for task in having if TYPES[task][kind] in saved_as]
    return next(iter(exact or having), None)


def input_device(model: PreTrainedModel) -> torch.device:
    """Where token ids go: the CPU for a model whose weights are kept elsewhere and brought when needed."""
    return torch.device("cpu") if model.device.type == "meta" else model.device


def runs_as(task: Task, model: PreTrainedModel) -> Task:
    """How a loaded model is run. Some that are listed as encoder-decoders have a decoder only, such as audio models."""
    return "causal" if task == "encoder-decoder" and not model.config.is_encoder_decoder else task


def run_encoder(model: PreTrainedModel, task: Task, ids: Tensor) -> ModelOutput | None:
    """Output of an encoder-decoder's encoder for ids (batch × positions); None for models without one."""
    if task != "encoder-decoder":
        return None
    with torch.inference_mode():
        return model.get_encoder()(input_ids=ids, return_dict=True)


def forward_logits(
    model: PreTrainedModel, task: Task, ids: Tensor, encoded: ModelOutput | None, last: int | None = None
) -> Tensor:
    """Logits of one forward pass without a cache: batch × positions × vocabulary.

    Args:
        model: any of the three kinds.
        task: which.
        ids: batch × positions, what the layer stack runs on; the decoder's input of an encoder-decoder.
        encoded: what `run_encoder` returned, for one text or for as many as there are in the batch.
        last: return the logits of the last so many positions only; a long text has many.
    """
    few = {"logits_to_keep": last} if last is not None and keeps_last(model, task) else {}
    with torch.inference_mode():
        if encoded is not None:
            states = encoded.last_hidden_state.expand(len(ids), -1, -1)
            encoded = type(encoded)(**{**encoded, "last_hidden_state": states})
            logits = model(decoder_input_ids=ids, encoder_outputs=encoded, use_cache=False).logits
        elif task == "masked":
            logits = model(input_ids=ids).logits
        else:
            logits = model(input_ids=ids, use_cache=False, **few).logits
    return logits if last is None else logits[:, -last:]


def keeps_last(model: PreTrainedModel, task: Task) -> bool:
    """Whether one forward pass can be asked for the logits of its last positions only."""
    return task == "causal" and "logits_to_keep" in signature(model.forward).parameters
