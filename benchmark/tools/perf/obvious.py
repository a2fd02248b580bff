"""The obvious oracle, for comparison: ask `generate` for hidden states, apply the head to every layer, step by step.

It holds the states of the whole prompts, and knows of norm and head only what is true of most models: norms are no part
of the hidden states of inner layers, but of the last one's.
"""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from benchmark.readout.loaded_model import LoadedModel


def obvious_oracle(loaded: LoadedModel, ids: Tensor, mask: Tensor, max_new_tokens: int) -> tuple[Tensor, Tensor]:
    """Decode a batch of a causal model and read out every layer of every token.

    Returns:
        Whether each layer's token is the full model's, and the centred logit cosine: batch × steps × layers. Steps
        behind the end of a text are read as well.
    """
    model = loaded.model
    norm, head = model.get_submodule(loaded.anatomy.seam_path), model.get_output_embeddings()
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
        matches, cosines = [], []
        for step, states in enumerate(out.hidden_states):
            target = out.sequences[:, ids.shape[1] + step]
            last = head(states[-1][:, -1]).float()
            last = last - last.mean(-1, keepdim=True)
            same, similar = [], []
            for layer, state in enumerate(states[1:], start=1):
                normed = state[:, -1] if layer == len(states) - 1 else norm(state[:, -1])
                logits = head(normed).float()
                same.append(logits.argmax(-1) == target)
                similar.append(cosine_similarity(logits - logits.mean(-1, keepdim=True), last, dim=-1))
            matches.append(torch.stack(same, dim=-1))
            cosines.append(torch.stack(similar, dim=-1))
    return torch.stack(matches, dim=1), torch.stack(cosines, dim=1)
