"""Gated decoding of any model: in batches and with a cache where that holds, else alone and without one."""

from collections.abc import Sequence

from benchmark.decoding.buffer import Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import GatedText, Given, Rule
from benchmark.decoding.gated.without_cache import decode_without_cache
from benchmark.inputs.settings import Policy
from benchmark.readout.loaded_model import LoadedModel


def decode(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    rule: Rule | Given,
    policy: Policy,
    progress: Progress = lambda tokens, prompts: None,
) -> list[GatedText]:
    """Return the text behind each prompt, decoded with early exits.

    Args:
        model: for which `benchmark.decoding.gated.proof.prove_gated` has proven the policy.
        prompts: token ids of each.
        limits: how much to decode.
        rule: says where tokens leave.
        policy: says what deeper layers get of a token that has left.
        progress: told after every step.

    Raises:
        MeasurementError: the logits are not finite, or there are no entries of a cache that could be copied.
    """
    engine = decode_gated if model.with_cache else decode_without_cache
    return engine(model, prompts, limits, rule, policy, progress)
