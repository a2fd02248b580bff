"""A capture in two phases: the model writes its texts undisturbed, then they are read, many in one pass.

On a GPU a step of decoding waits for launches. Compiled it does not, but a hook that reads would keep it from that.
Exits are held against what the model says in the second phase. In float32 that is the text; in 16 bit some tokens are
others, where two logits lie closer together than rounding, and the record says which.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from benchmark.decoding.batching import batches
from benchmark.decoding.buffer import Capture, Phase, Progress, capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.engines.given_text import GivenText
from benchmark.decoding.engines.write import write
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.record import Trace, WrittenTrace
from benchmark.trace.sample import Sampling


@dataclass(frozen=True)
class TwoPhases:
    """A capture, and what was read for it."""

    capture: Capture
    """Its trace is a `WrittenTrace` if some token is another in the second phase."""
    read: GivenText
    """The texts that were written."""


def capture_in_two_phases(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    sampling: Sampling,
    progress: Progress,
    phase: Phase = lambda what: None,
) -> TwoPhases:
    """Let a model write behind prompts, and record every exit of every token that it has written.

    Args:
        model: a causal model or an encoder-decoder, decoded with a cache.
        prompts: token ids of each prompt.
        limits: how much to write; the texts are read in batches as large as memory allows.
        sampling: which tokens are looked at with all their logits: those that decoding step by step would look at.
        progress: told after every step of writing.
        phase: told what is done next.

    Raises:
        MeasurementError: as `capture` does.
    """
    phase("decoding")
    start = hardware.now(model.device)
    read = GivenText(write(model, prompts, limits, progress), most=limits.max_new_tokens)
    seconds = hardware.now(model.device) - start
    captured = capture(
        read, model, prompts, Limits(limits.max_new_tokens, len(prompts)), sampling, given=read.texts, phase=phase
    )
    together = batches(model, prompts, limits.batch_size, limits.max_new_tokens)
    whole = replace(
        captured,
        trace=_as_written(captured.trace),
        batch_size=max(map(len, together)),
        generate_seconds=captured.generate_seconds + seconds,
    )
    return TwoPhases(whole, read)


def _as_written(trace: Trace) -> Trace:
    """Return a trace of given texts as one of texts that the model wrote."""
    columns = {field.name: getattr(trace, field.name) for field in fields(Trace)}
    same = (trace.token == trace.target).all()
    return Trace(**columns) if same else WrittenTrace(**columns, written=trace.token)
