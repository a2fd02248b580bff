"""What somebody may do to an honest row of the decoding study, and the column that the check has to name."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.results.recompute import recompute
from benchmark.results.store import sha256
from benchmark.trace.decoded import Decoded

Values = np.ndarray


class DecodedRow:
    """A copy of an honest row and its texts, to plant something into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens = path.with_suffix(".parquet")

    @property
    def row(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())

    @property
    def record(self) -> Decoded:
        return Decoded.read_parquet(self.tokens)

    def edit(self, **columns: Any) -> None:
        """Change columns of the row and nothing else."""
        self.path.write_text(json.dumps(self.row | columns))

    def replace(self, **arrays: Any) -> None:
        """Change arrays of the record, and its hash."""
        replace(self.record, **arrays).write_parquet(self.tokens)
        self.edit(token_records_sha256=sha256(self.tokens))

    def forge(self, **arrays: Any) -> None:
        """Change arrays of the record, and all columns that follow from them."""
        self.replace(**arrays)
        list(recompute(self.path.parent))
        (self.path.parent / "table.csv").unlink()

    def rule(self, **said: Any) -> None:
        """Change what the record says of the rule."""
        gated = self.record.gated
        self.forge(gated=type(gated)(**asdict(gated) | said))

    def without(self, some: Callable[[Decoded], Values]) -> None:
        """Leave tokens away, and recount."""
        record = self.record
        kept = ~some(record)
        arrays = {name: array[kept] for name, array in vars(record).items() if name != "gated"}
        left = replace(record, **arrays)
        self.edit(tokens=left.num_tokens, full_tokens=len(left.token) - left.num_tokens)
        self.replace(**arrays)


def first(array: Values, value: Any) -> Values:
    array = array.copy()
    array[0] = value
    return array


def where(record: Decoded, some: Values, array: Values, value: Any) -> Values:
    """The array with a value at the first of some tokens."""
    return first_of(array, np.flatnonzero(some)[0], value)


def first_of(array: Values, place: Any, value: Any) -> Values:
    array = array.copy()
    array[place] = value
    return array


def other_answers(case: DecodedRow) -> None:
    """Texts with early exits answer what the full model does, and score as it does."""
    record = case.record
    for name in ("answer", "score"):
        array = getattr(record, name).copy()
        array[record.last & ~record.full] = array[record.last & record.full]
        case.forge(**{name: array})


PLANTS: dict[str, tuple[Callable[[DecodedRow], object], str]] = {
    # Columns that follow from the record.
    "edited skip ratio": (lambda c: c.edit(skip_ratio=c.row["skip_ratio"] + 0.01), "skip_ratio"),
    "edited fidelity": (lambda c: c.edit(same_until=1.0), "same_until"),
    "edited loss": (lambda c: c.edit(score_loss=0.0), "score_loss"),
    "edited interval": (lambda c: c.edit(score_loss_ci_low=-9.0, score_loss_ci_high=9.0), "score_loss_ci_low"),
    "edited speed": (lambda c: c.edit(speedup_gated=9.0), "speedup_gated"),
    "edited looks": (lambda c: c.edit(looks_per_token=0.0), "looks_per_token"),
    "list too short": (lambda c: c.edit(exit_share=c.row["exit_share"][1:]), "exit_share"),
    "fidelity above 1": (lambda c: c.edit(chrf=1.5), "chrf"),
    # What the row says that was run.
    "wrong token count": (lambda c: c.edit(tokens=c.row["tokens"] + 1), "tokens"),
    "wrong count of the full model": (lambda c: c.edit(full_tokens=1), "full_tokens"),
    "wrong prompt count": (lambda c: c.edit(prompts=3), "prompts"),
    "another gate": (lambda c: c.edit(gate="max_prob"), "gate"),
    "another policy": (lambda c: c.edit(policy="recompute"), "policy"),
    "looks in other layers": (lambda c: c.edit(check_every=2), "check_every"),
    "looks from another layer on": (lambda c: c.edit(min_exit_layer=2), "check_every"),
    "looks in no layer": (lambda c: c.edit(min_exit_layer=10**12), "check_every"),
    "another target": (lambda c: c.edit(target_asked=0.99), "calibration_agreement"),
    "a target and a threshold": (lambda c: c.edit(threshold_asked=0.5), "gate"),
    "no target": (lambda c: c.edit(target_asked=None), "gate"),
    "a threshold for the target": (lambda c: c.edit(target_asked=None, threshold_asked=0.5), "threshold"),
    "no threshold": (lambda c: c.edit(threshold=None), "threshold"),
    "a threshold of 0": (lambda c: c.edit(threshold=0.0), "threshold"),
    "a threshold above 1": (lambda c: c.edit(threshold=1.5), "threshold"),
    "no calibration": (lambda c: c.edit(calibration_prompts=None), "calibration_prompts"),
    "no agreement": (lambda c: c.edit(calibration_agreement=None), "calibration_agreement"),
    "agreement below the target": (lambda c: c.edit(calibration_agreement=0.1), "calibration_agreement"),
    "fewer layers": (lambda c: c.edit(num_layers=3), "num_layers"),
    "no time": (lambda c: c.edit(gated_seconds=0.0), "gated_seconds"),
    "no time of the full model": (lambda c: c.edit(full_seconds=None), "full_seconds"),
    "another study": (lambda c: c.edit(suite="oracle"), ""),
    "unknown study": (lambda c: c.edit(suite="luck"), ""),
    "columns of the other study": (lambda c: c.edit(eas=0.5), "eas"),
    "settings of the other study": (lambda c: c.edit(signals_asked="all"), "signals_asked"),
    "seconds of the other study": (lambda c: c.edit(oracle_seconds=1.0), "oracle_seconds"),
    "an experiment of the other study": (lambda c: c.edit(experiments=["decoding", "exits"]), "experiments"),
    "no experiment": (lambda c: c.edit(experiments=[]), "experiments"),
    "no scorer": (lambda c: c.edit(scorer=None, targets_sha256=None), "scorer"),
    "no errors told": (lambda c: c.edit(score_errors=None), "score_missing"),
    "error on no prompt": (lambda c: c.edit(score_errors=["translation/0"]), "score_errors"),
    # What the record says of the rule.
    "record of another gate": (lambda c: c.rule(gate="entropy"), "gate"),
    "record of a gate without the head": (lambda c: c.rule(head=False), "head"),
    "record of another policy": (lambda c: c.rule(policy="copy"), "policy"),
    "record of other looks": (lambda c: c.rule(looks=(1, 3)), "check_every"),
    "record of more layers": (lambda c: c.rule(num_layers=5), "num_layers"),
    # Each array.
    "text of another prompt": (lambda c: c.forge(prompt=c.record.prompt + 2), "prompt"),
    "text of a prompt that was set aside": (lambda c: c.forge(prompt=c.record.prompt - 1), "calibration_prompts"),
    "negative prompt": (lambda c: c.forge(prompt=c.record.prompt - 9), "prompt"),
    "prompts in another order": (lambda c: c.replace(prompt=c.record.prompt[::-1]), "prompt"),
    "prompt of the largest number": (lambda c: c.replace(prompt=np.full_like(c.record.prompt, 2**31 - 1)), "position"),
    "position left out": (lambda c: c.forge(position=c.record.position + (c.record.position > 2)), "position"),
    "the full model first": (lambda c: c.forge(full=~c.record.full), "full"),
    "only the full model": (lambda c: c.replace(full=c.record.full | True), "tokens"),
    "token beyond the vocabulary": (lambda c: c.forge(token=first(c.record.token, 10**6)), "token"),
    "negative token": (lambda c: c.forge(token=first_of(c.record.token, 2, -1)), "token"),
    "another first token": (lambda c: c.forge(token=first(c.record.token, (c.record.token[0] + 1) % 99)), "token"),
    "exit beyond the last layer": (lambda c: c.replace(exit_layer=c.record.exit_layer + 1), "exit_layer"),
    "exit before the first layer": (lambda c: c.replace(exit_layer=c.record.exit_layer * 0), "exit_layer"),
    "first tokens that leave": (lambda c: c.forge(exit_layer=first(c.record.exit_layer, 1)), "exit_layer"),
    "a full model that leaves": (
        lambda c: c.forge(exit_layer=where(c.record, c.record.full, c.record.exit_layer, 1)),
        "exit_layer",
    ),
    "texts that never leave and differ": (
        lambda c: c.forge(exit_layer=c.record.exit_layer * 0 + c.record.num_layers),
        "token",
    ),
    "another answer": (
        lambda c: c.forge(answer=where(c.record, c.record.last, c.record.answer, "Zebra 42")),
        "answer",
    ),
    "an answer within a text": (lambda c: c.forge(answer=first(c.record.answer, "x")), "answer"),
    "answers of the full model": (other_answers, "answer"),
    "better scores": (
        lambda c: c.forge(score=np.where(c.record.last & ~c.record.full, 1.0, c.record.score)),
        "score",
    ),
    "worse scores of the full model": (
        lambda c: c.forge(score=np.where(c.record.last & c.record.full, 0.5, c.record.score)),
        "score",
    ),
    "scores above 1": (lambda c: c.forge(score=np.where(c.record.last, 2.0, np.nan)), "score"),
    "a score within a text": (lambda c: c.forge(score=first(c.record.score, 0.5)), "score"),
    "scores of one text alone": (lambda c: c.forge(score=np.where(c.record.full, c.record.score, np.nan)), "score"),
    "no scores": (lambda c: c.forge(score=c.record.score * np.nan), "score"),
    # Texts that are left away, in whole or in part.
    "texts cut short": (lambda c: c.without(lambda record: record.position > 4), "token"),
    "a prompt without its full text": (
        lambda c: c.without(lambda record: record.full & (record.prompt == record.prompt.max())),
        "prompt",
    ),
    "a prompt less": (lambda c: c.without(lambda record: record.prompt == record.prompt.max()), "prompts"),
    "no text with early exits": (lambda c: c.without(lambda record: ~record.full), "tokens"),
    "no text at all": (lambda c: c.without(lambda record: record.full | True), "token_records_sha256"),
    # The file.
    "truncated": (lambda c: c.tokens.write_bytes(c.tokens.read_bytes()[:-100]), "token_records_sha256"),
    "missing": (lambda c: c.tokens.unlink(), "token_records_sha256"),
    "failed with numbers": (lambda c: c.edit(status="failed", error="no"), "same_until"),
}
"""What was planted: how, and what the check has to name."""
