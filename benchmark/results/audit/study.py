"""What a row has because of its study: the columns of that study and none of another, and settings that can be."""

import math
from collections.abc import Iterator

from benchmark.errors import InputError
from benchmark.inputs.settings import GatedSettings
from benchmark.metrics.experiments.gates import EVERY_GATE
from benchmark.metrics.experiments.studies import RECORDED
from benchmark.metrics.gates.judged import looks_of
from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row

_NEEDED = {
    "oracle": ("top_k", "sampled_tokens", "signals_asked", "signal_tokens", "generate_seconds", "oracle_seconds"),
    "decoding": (
        *("gate", "policy", "check_every", "min_exit_layer"),
        *("threshold", "full_tokens", "gated_seconds", "full_seconds"),
    ),
    "clock": ("rounds_asked", "max_pending"),
}
"""What every case of a study that went well has."""
_OTHERS = {
    "oracle": ("sample_asked", "engine_asked", "engine"),
    "decoding": ("threshold_asked", "target_asked", "calibration_prompts", "calibration_agreement"),
    "clock": (
        *("gate", "policy", "check_every", "min_exit_layer", "threshold", "threshold_asked", "target_asked"),
        *("calibration_prompts", "calibration_agreement", "alone_missing", "deferred_missing", "drafted_missing"),
    ),
}
"""What some of them have, too, and those of no other study."""
_ROUNDING = 1e-9


def of_another_study(row: Row) -> Iterator[Fault]:
    """What a row lacks of its study, has of another, or was asked for and cannot be.

    Args:
        row: of a case that went well.
    """
    if row.suite not in RECORDED:
        yield Fault("suite", f"there is no study {told(row.suite)}; there are: {', '.join(RECORDED)}")
        return
    for column in _NEEDED[row.suite]:
        if getattr(row, column) is None:
            yield Fault(column, "is missing")
    own = {*_NEEDED[row.suite], *_OTHERS[row.suite], *RECORDED[row.suite].columns}
    for study, recorded in RECORDED.items():
        if study != row.suite:
            foreign = {*_NEEDED[study], *_OTHERS[study], *recorded.columns} - own
            yield from (
                Fault(column, f"is of a study of {study}, and the row is of another")
                for column in sorted(foreign)
                if getattr(row, column) is not None
            )
    if (row.capture == "given") != (row.texts_sha256 is not None):
        yield Fault("texts_sha256", "given texts have a hash, and no others")
    if row.capture == "given" and row.suite != "oracle":
        yield Fault("capture", f"texts are given in a study of the oracle, and the row is of one of {row.suite}")
    if (row.parallel is None) != (row.ranks is None):
        yield Fault("ranks", "a model that is run by several processes says how many, and no other")
    if row.capture == "given" and row.scorer is not None:
        yield Fault("scorer", "given texts are nobody's answers, and are not scored")
    yield from _engine(row)
    if row.workload_kind == "text" and row.capture != "given":
        yield Fault("capture", "texts of the kind 'text' are given")
    for column in (name for name in type(row).model_fields if name.endswith("_seconds")):
        if getattr(row, column) == 0:
            yield Fault(column, "nothing takes no time")
    if row.suite == "decoding":
        yield from _rule(row)


def _engine(row: Row) -> Iterator[Fault]:
    """What is wrong with the engine that was asked for, and with the one that decoded."""
    if row.engine_asked is not None and (row.capture == "given" or row.architecture == "encoder"):
        yield Fault("engine_asked", f"is {told(row.engine_asked)}, and the model wrote no text")
    if (row.engine is None) != (row.engine_asked is None):
        yield Fault("engine", "is there where one was asked for, and nowhere else")
    if row.engine == "two-phase" and row.engine_asked == "generate":
        yield Fault("engine", "is two-phase, and was asked to be generate")
    if row.engine == "two-phase" and not row.with_cache:
        yield Fault("engine", "is two-phase, which decodes with a cache, and the row was measured without")


def _rule(row: Row) -> Iterator[Fault]:
    """What is wrong with the gate, and with the threshold that decided."""
    if None in (row.gate, row.policy, row.check_every, row.min_exit_layer, row.threshold, row.num_layers):
        return  # that is told
    assert row.gate and row.policy and row.check_every and row.min_exit_layer and row.num_layers
    try:
        GatedSettings(row.gate, row.threshold_asked, row.target_asked, row.policy, row.check_every, row.min_exit_layer)
    except InputError as error:
        yield Fault("gate", str(error).partition(": ")[2])
        return
    if row.policy == "copy" and not row.with_cache:
        yield Fault("policy", "copies what a cache holds, and the row was measured without a cache")
    aside = row.calibration_prompts is not None
    if aside and row.threshold_asked is not None:
        yield Fault("calibration_prompts", "a threshold was given, so no prompt has chosen it")
    if (row.calibration_agreement is not None) != (row.target_asked is not None):
        yield Fault("calibration_agreement", "is there where a target is given, and nowhere else")
    if row.target_asked is not None:
        if not aside:
            yield Fault("calibration_prompts", "is missing: no threshold without prompts that choose it")
        if row.calibration_agreement is not None and row.calibration_agreement < row.target_asked - _ROUNDING:
            yield Fault("calibration_agreement", f"is below the target of {row.target_asked:g}")
        return
    looks = len(looks_of(row.num_layers, row.min_exit_layer, row.check_every))
    whole = EVERY_GATE[row.gate].whole(looks, row.num_layers)
    expected = 1.0 if row.threshold_asked is None else row.threshold_asked / whole
    if not math.isclose(row.threshold or 0, expected, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        yield Fault("threshold", f"is {told(row.threshold)}, and what was asked for is {told(expected)}")
