"""The engine that a model can be decoded by with early exits."""

from collections.abc import Sequence

from benchmark.decoding.buffer import Progress
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import GatedText, Given, Policy, Rule
from benchmark.decoding.gated.without_cache import decode_without_cache
from benchmark.errors import MeasurementError
from benchmark.readout.loaded_model import LoadedModel


def decode(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    rule: Rule | Given,
    policy: Policy,
    progress: Progress = lambda tokens, prompts: None,
) -> list[GatedText]:
    """Return the text behind each prompt; see `decode_gated`.

    Raises:
        MeasurementError: the model cannot be decoded so.
    """
    if model.with_cache:
        return decode_gated(model, prompts, limits, rule, policy, progress)
    if policy == "copy":
        raise MeasurementError("policy copy: the model is decoded without a cache; choose another policy")
    return decode_without_cache(model, prompts, limits, rule, policy, progress)
