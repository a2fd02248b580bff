"""No gated decoding without proof: at load, a short text is written with exits that are known, and held against others.

Without a look the text is the model's own, and so it is where the oracle decides and nothing is missing. With exits at
random the text is that of the engine without a cache; and a cache whose entries are copied must hold those of each
layer where they are looked for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from benchmark.anatomy.unchanged import unchanged
from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.generate import Greedy
from benchmark.decoding.gated.cache_proof import refuse_entries_not_copied, refuse_entries_of_other_layers
from benchmark.decoding.gated.decode import decode
from benchmark.decoding.gated.on_generate import NoCache, decode_gated
from benchmark.decoding.gated.rule import NEVER, GatedText, Given
from benchmark.decoding.gated.without_cache import NOTHING_TO_COPY, decode_without_cache
from benchmark.decoding.prepare import PROOF_TEXT
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import Policy
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import TOLERANCE
from benchmark.trace.sample import Sampling

NEW_TOKENS = 4
PROMPT_TOKENS = 9


def prove_gated(loaded: LoadedModel, policy: Policy) -> LoadedModel:
    """Check what gated decoding writes under a policy.

    Args:
        loaded: as `prepare` returned it.
        policy: that texts are to be decoded with.

    Returns:
        The model; no longer `batchable` when under this policy a text depends on the texts beside it, and no longer
        `with_cache` when it keeps none.

    Raises:
        MeasurementError: the policy cannot be had with this model, or not be proven; says why.
    """
    return prove_policy(prove_full_text(loaded), policy)


def prove_full_text(loaded: LoadedModel) -> LoadedModel:
    """Check that a text without looks is the model's own, and that the oracle keeps it where no state is missing.

    Returns:
        The model; no longer `with_cache` when it keeps none.

    Raises:
        MeasurementError: it is not, or the model writes no text.
    """
    if loaded.task == "masked":
        raise MeasurementError("gated decoding: an encoder writes no text")
    with _told("gated decoding", ""):
        prompt = _prompt(loaded)
        own = _own_text(loaded, prompt)
        asked = replace(NEVER, looks=tuple(range(1, loaded.anatomy.num_layers)), oracle=True)
        for rule, what in ((NEVER, "without a look"), (asked, "with the oracle's exits and every state")):
            try:
                (text,) = decode(loaded, [prompt], Limits(NEW_TOKENS, 1), rule, "recompute")
            except NoCache:
                return prove_full_text(replace(loaded, with_cache=False, batchable=False))
            if text.tokens != own and not _near_tie(loaded, prompt, text, own):
                raise MeasurementError(
                    f"gated decoding: {what}, the tokens {list(text.tokens)} are written, by the model itself "
                    f"{list(own)}; report this model"
                )
    return loaded


def prove_policy(loaded: LoadedModel, policy: Policy) -> LoadedModel:
    """Check texts whose tokens leave at random; arguments and errors are those of `prove_gated`."""
    if not loaded.with_cache:
        if policy == "copy":
            raise MeasurementError(NOTHING_TO_COPY)
        return loaded  # it is decoded by the engine that the other one would be held against
    with _told(f"policy {policy}", "; choose another policy"):
        prompt = _prompt(loaded)
        prompts = [prompt, prompt[::-1] if loaded.recurrent else prompt[len(prompt) // 3 :]]
        rng = np.random.default_rng(0)
        last = loaded.anatomy.num_layers
        # A token that leaves at the first layer is one of which all others lack the state.
        exits = [[last, first, *rng.integers(1, last + 1, NEW_TOKENS - 2).tolist()] for first in (1, max(1, last - 1))]
        if policy == "copy":
            refuse_entries_of_other_layers(loaded, prompt)
            refuse_entries_not_copied(loaded, prompt, exits[0])
        return _as_batchable(loaded, prompts, exits, policy)


def _prompt(loaded: LoadedModel) -> list[int]:
    ids: list[int] = loaded.tokenizer(PROOF_TEXT).input_ids[:PROMPT_TOKENS]
    return ids


def _own_text(loaded: LoadedModel, prompt: Sequence[int]) -> tuple[int, ...]:
    """Return what the model writes when nobody watches."""
    if not loaded.with_cache:
        captured = capture(Greedy(), loaded, [prompt], Limits(NEW_TOKENS, 1), Sampling(tokens=1, top_k=1))
        return tuple(captured.trace.target.tolist())
    ids = torch.tensor([list(prompt)], device=loaded.device)
    with unchanged(loaded.model, loaded.rewritten):
        written = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS)
    return tuple(written[0, 1 if loaded.task == "encoder-decoder" else len(prompt) :].tolist())


def _near_tie(loaded: LoadedModel, prompt: Sequence[int], text: GatedText, own: Sequence[int]) -> bool:
    """Whether a full text differs from the model's own by nothing but a tie within the rounding of 16 bit."""
    every = Given([[loaded.anatomy.num_layers]])
    reference = _Reference.of(loaded, prompt, every, "recompute")
    return reference.allows(loaded, text.tokens) and reference.allows(loaded, own)


@dataclass(frozen=True)
class _Reference:
    """A text that the engine without a cache wrote, and the logits of each of its tokens."""

    text: GatedText
    logits: Sequence[Tensor]

    @classmethod
    def of(cls, loaded: LoadedModel, prompt: Sequence[int], exits: Given, policy: Policy) -> "_Reference":
        """Write it."""
        logits: list[Tensor] = []
        (text,) = decode_without_cache(
            loaded, [prompt], Limits(NEW_TOKENS, 1), exits, policy, said=lambda row: logits.append(row.float())
        )
        return cls(text, logits)

    def allows(self, loaded: LoadedModel, tokens: Sequence[int]) -> bool:
        """Whether tokens are the text's: in float32 all, in 16 bit up to the first where two are nearly as likely."""
        pairs = zip(tokens, self.text.tokens, strict=False)
        differing = next((number for number, (one, other) in enumerate(pairs) if one != other), None)
        if differing is None:
            return len(tokens) == len(self.text.tokens)
        logits = self.logits[differing]
        gap = logits.max() - logits[tokens[differing]]
        rounding = 2 * TOLERANCE[loaded.model.dtype] * logits.abs().max()  # of each of the two logits
        return loaded.model.dtype != torch.float32 and bool(gap <= rounding)


def _as_batchable(
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], exits: Sequence[Sequence[int]], policy: Policy
) -> LoadedModel:
    """Return the model, `batchable` or no longer so.

    Raises:
        MeasurementError: not even alone are the texts what they should be.
    """
    given, alone = Given(exits), replace(loaded, batchable=False)
    right: Callable[[Sequence[GatedText]], bool]
    if policy != "copy" or loaded.model.dtype != torch.float32:
        # Copying rounds nothing, so in 16 bit, where texts may fall apart at a tie, the states below it are looked at.
        policy = "propagate" if policy == "copy" else policy
        references = [
            _Reference.of(loaded, prompt, Given([some]), policy) for prompt, some in zip(prompts, exits, strict=True)
        ]

        def right(texts: Sequence[GatedText]) -> bool:
            return all(one.allows(loaded, text.tokens) for one, text in zip(references, texts, strict=True))
    else:
        truth = decode_gated(alone, prompts, Limits(NEW_TOKENS, 1), given, policy)

        def right(texts: Sequence[GatedText]) -> bool:
            return truth == texts

    if loaded.batchable:
        together = replace(loaded, thresholds=())
        try:
            if right(decode_gated(together, prompts, Limits(NEW_TOKENS, len(prompts)), given, policy)):
                return loaded
        except torch.OutOfMemoryError:
            raise
        except (MeasurementError, RuntimeError, ValueError, IndexError):
            pass
    if not right(decode_gated(alone, prompts, Limits(NEW_TOKENS, 1), given, policy)):
        raise MeasurementError("with a cache, another text is written than in passes over the whole text")
    return alone


@contextmanager
def _told(start: str, end: str) -> Iterator[None]:
    """Inside the block, what goes wrong is told with its start and end."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except MeasurementError as error:
        if str(error).startswith(start):
            raise
        raise MeasurementError(f"{start}: {error}{end}") from error
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        reason = " ".join(str(error).split())[:150]
        raise MeasurementError(f"{start}: {type(error).__name__}: {reason}{end}") from error
