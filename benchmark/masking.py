"""Exits of encoder models: a forward pass over texts with some tokens masked, read out at the masked positions.

The same trace as decoding gives: a token is a masked position, its target what the full model fills in.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor

from benchmark.capture import Capture, Progress, Step, assemble, batches, now
from benchmark.errors import MeasurementError
from benchmark.loaded import LoadedModel

MASKED_SHARE = 0.15
"""Of the tokens of a text, as in the training of BERT (arXiv 1810.04805, §3.1)."""


def fill_masks(
    loaded: LoadedModel,
    texts: Sequence[Sequence[int]],
    most_masks: int,
    batch_size: int,
    seed: int,
    progress: Progress = lambda tokens, prompts: None,
) -> Capture:
    """Mask tokens of every text and record every exit at every masked position.

    Args:
        loaded: an encoder with a masked-token head.
        texts: token ids of each text, special tokens included; those are never masked.
        most_masks: masked positions a text at most.
        batch_size: the most texts in one pass.
        seed: of the choice of positions.
        progress: told after every batch.

    Raises:
        MeasurementError: the tokenizer has no mask token, no text can be masked, or the logits of a layer are NaN.
    """
    mask_id = loaded.tokenizer.mask_token_id
    if mask_id is None:
        raise MeasurementError("the tokenizer has no mask token")
    masked = [_positions(text, loaded, most_masks, np.random.default_rng([seed, n])) for n, text in enumerate(texts)]
    steps, oracle_seconds, largest = [], 0.0, 0
    start = now(loaded.device)
    together = batch_size if loaded.batchable else 1
    for members in batches([len(text) for text in texts], together, equal_length=loaded.recurrent):
        rows = np.concatenate([np.full(len(masked[member]), row) for row, member in enumerate(members)])
        positions = np.concatenate([masked[member] for member in members])
        states = _masked_states(loaded, [texts[member] for member in members], rows, positions, mask_id)
        reading_from = now(loaded.device)
        if len(rows):
            steps.append(Step(np.array(members)[rows], positions, loaded.readout.read(states).cpu()))
        oracle_seconds += now(loaded.device) - reading_from
        largest = max(largest, len(members))
        progress(len(rows), len(members))
    if not steps:
        raise MeasurementError("no text is long enough to be masked")
    total = now(loaded.device) - start
    return Capture(assemble(steps), largest, total - oracle_seconds, oracle_seconds)


def _positions(text: Sequence[int], loaded: LoadedModel, most: int, rng: np.random.Generator) -> np.ndarray:
    special = set(loaded.tokenizer.all_special_ids)
    ordinary = [position for position, token in enumerate(text) if token not in special]
    count = min(most, max(1, round(MASKED_SHARE * len(ordinary))), len(ordinary))
    return np.sort(rng.choice(np.array(ordinary, dtype=np.int64), size=count, replace=False))


def _masked_states(
    loaded: LoadedModel, texts: list[Sequence[int]], rows: np.ndarray, positions: np.ndarray, mask_id: int
) -> list[Tensor]:
    """Outputs of layers 1..L at the masked positions, in the layout of as many texts of one position."""
    width = max(len(text) for text in texts)
    ids = torch.tensor([[*text, *[loaded.pad_id] * (width - len(text))] for text in texts], device=loaded.device)
    attended = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts], device=loaded.device)
    at_rows, at_positions = torch.tensor(rows, device=loaded.device), torch.tensor(positions, device=loaded.device)
    ids[at_rows, at_positions] = mask_id
    states: dict[int, Tensor] = {}

    with ExitStack() as stack, torch.inference_mode():
        for index, layer in enumerate(loaded.anatomy.layers):

            def keep(_: object, __: object, output: object, index: int = index) -> None:
                state = loaded.anatomy.layers[index].state_out(output)
                states[index] = loaded.anatomy.select(state, at_rows.to(state.device), at_positions.to(state.device))

            stack.callback(layer.module.register_forward_hook(keep).remove)
        loaded.model(input_ids=ids, attention_mask=attended)
    return [states[index].to(loaded.device) for index in range(loaded.anatomy.num_layers)]
