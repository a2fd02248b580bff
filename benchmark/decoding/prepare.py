"""From a model in memory to one that is ready to be measured: anatomy found, readout and decoding proven."""

import gc
import re
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from benchmark.anatomy.layers import Anatomy
from benchmark.anatomy.midlayer import find_halves
from benchmark.anatomy.token_costs import read_costs
from benchmark.anatomy.unchanged import rewritten_tensors, unchanged
from benchmark.decoding.batching import length_thresholds
from benchmark.decoding.buffer import Phase
from benchmark.decoding.proof import prove_decoding, prove_masking
from benchmark.decoding.text.tokenize import leaving_open, refuse_unusable
from benchmark.errors import MeasurementError
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models.source import Machine, Source
from benchmark.models.stream import LayerStream
from benchmark.models.tasks import input_device
from benchmark.models.weights import load_weights, out_of_memory
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.proof import dissect
from benchmark.trace.costs import Costs, Task

PROOF_TEXT = "The lighthouse keeper counted the ships: one, two, three, and then"
PROOF_TOKENS = 16


def load(entry: ModelEntry, source: Source, machine: Machine, phase: Phase = lambda what: None) -> LoadedModel:
    """Load a model, find its anatomy and prove its readout.

    Args:
        entry: of the model.
        source: where its files are.
        machine: what it runs on.
        phase: told what is done next.

    Raises:
        CannotRun: a library it needs is missing, or memory ran out.
        InputError: the files cannot be read as a model.
        MeasurementError: the readout could not be proven.
    """
    weights = load_weights(entry, source, machine)
    try:
        loaded = prepare(
            weights.model, weights.tokenizer, weights.task, entry.layer_stack, entry.seam, phase, weights.stream
        )
    except torch.OutOfMemoryError:
        raise out_of_memory(machine.device) from None
    return replace(loaded, stored_as=weights.stored_as)


def prepare(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    stack: str | None = None,
    seam: str | None = None,
    phase: Phase = lambda what: None,
    stream: LayerStream | None = None,
) -> LoadedModel:
    """Make a model in memory ready to be measured: plain greedy decoding, anatomy found, readout proven.

    Args:
        model: on its device.
        tokenizer: of the model.
        task: how the model is run.
        stack: module path of the layer stack, where it is not to be found by watching.
        seam: module path of the seam, likewise.
        phase: told what is proven next.
        stream: what reads the weights of layers when they run. Decoding is not proven then: it would read all of them
            for each token.

    Raises:
        InputError: the tokenizer knows no words, or loses text.
        MeasurementError: the layers were not found, or the readout does not reproduce the model.
    """
    refuse_unusable(tokenizer, PROOF_TEXT)
    phase("proving 1 of 4: layers and readout")
    model.eval().requires_grad_(False)
    # Parts of a sum are not to be rounded to 16 bit on the way; the bounds of `benchmark.readout.screen` count on it.
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    # Nor are 32 bit to be 19, as they are in convolutions on a GPU unless told otherwise.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    end_ids = _end_ids(model, tokenizer)
    if task == "causal":
        tokenizer = leaving_open(tokenizer, end_ids)
    ids = (tokenizer.pad_token_id, getattr(model.config.get_text_config(), "pad_token_id", None), *end_ids)
    embedded = len(model.get_input_embeddings().weight)
    pad_id = next((token for token in ids if isinstance(token, int) and 0 <= token < embedded), 0)
    if model.can_generate():
        # Checkpoints ship sampling, penalties and forced tokens; the full model's token is the plain argmax.
        model.generation_config = GenerationConfig(
            do_sample=False,
            use_cache=True,
            eos_token_id=sorted(end_ids) or None,
            pad_token_id=pad_id,
            bos_token_id=model.generation_config.bos_token_id,
            decoder_start_token_id=model.generation_config.decoder_start_token_id,
        )
    probe = _probe_ids(tokenizer, model)
    rewritten = rewritten_tensors(model, task, probe)
    with unchanged(model, rewritten):
        anatomy, readout, _ = dissect(model, task, probe, stack, seam)
        phase("proving 2 of 4: what a token costs")
        with nullcontext() if stream is None else stream.held():
            costs = _costs(model, anatomy, task)
        phase("proving 3 of 4: halves of layers")
        loaded = LoadedModel(
            model=model,
            tokenizer=tokenizer,
            task=task,
            anatomy=anatomy,
            readout=readout,
            halves=find_halves(model, task, probe, anatomy),
            costs=costs,
            end_ids=end_ids,
            pad_id=pad_id,
            context=_context(model, costs),
            encoder_context=_positions(model.get_encoder()) if task == "encoder-decoder" else None,
            thresholds=length_thresholds(model.config.to_dict()),
            rewritten=rewritten,
            streamed=stream is not None,
        )
        if loaded.streamed:
            return loaded
        phase("proving 4 of 4: decoding")
        return prove_masking(loaded, probe) if task == "masked" else prove_decoding(loaded, probe)


def free_memory() -> None:
    """Give the memory of a model that is no longer referenced back to the system."""
    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()


def _probe_ids(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> Tensor:
    """A short real text: batch of 1 × positions."""
    return torch.tensor([tokenizer(PROOF_TEXT).input_ids[:PROOF_TOKENS]], device=input_device(model))


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = model.generation_config.eos_token_id if model.can_generate() else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in (*ids, tokenizer.eos_token_id) if token is not None)


def _context(model: PreTrainedModel, costs: Costs | None) -> int | None:
    if costs is not None and all(layer.mixer in ("recurrent", "none") for layer in costs.layers):
        return None  # nothing in it depends on how far away a token is
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)
    if not isinstance(limit, int):
        return None
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding))
    return limit - max((_kept(table) for table in tables if table.num_embeddings == limit), default=0)


def _positions(encoder: nn.Module) -> int | None:
    """Return the rows of the shortest position table of an encoder that a text can use; None if it has none."""
    tables = {path: module for path, module in encoder.named_modules() if isinstance(module, nn.Embedding)}
    rows = [
        table.num_embeddings - max(getattr(table, "offset", 0), _kept(table))
        for path, table in tables.items()
        if re.search("position|wpe", path) and "relative" not in path
    ]
    return min(rows, default=None)


def _kept(table: nn.Embedding) -> int:
    """Return the rows up to the one for padding, which RoBERTa and its kin keep to themselves."""
    return table.padding_idx + 1 if table.padding_idx else 0


def _costs(model: PreTrainedModel, anatomy: Anatomy, task: Task) -> Costs | None:
    if any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        # Gradients of parts that are on other ranks are not asked for in the same order there, and all would wait.
        return None
    try:
        return read_costs(model, anatomy, task)
    except torch.OutOfMemoryError:
        raise
    except (MeasurementError, RuntimeError, TypeError, ValueError):
        # Quantized layers, for one, know no gradients. The bounds that need costs are null then.
        return None
