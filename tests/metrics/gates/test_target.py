"""The threshold for a target: it keeps what it is to keep, and no other one that does skips more."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MadeUp, made_up

from benchmark.errors import MeasurementError
from benchmark.metrics.experiments.gates import BUILDABLE
from benchmark.metrics.gates.curve import exits_at
from benchmark.metrics.gates.gate import Gate, Margin, Static
from benchmark.metrics.gates.judged import looks_of
from benchmark.metrics.gates.seen import Seen
from benchmark.metrics.gates.target import aimed


def seen_of(made: MadeUp, start: int, every: int) -> Seen:
    trace = made.trace()
    return Seen.of(trace, 4).at(looks_of(trace.num_layers, start, every))


def applied(gate: Gate, seen: Seen, threshold: float) -> tuple[float, float]:
    """Share of the tokens that are right at their exits, and layers skipped, by a plain loop."""
    right = skipped = 0
    for token, place in enumerate(exits_at(gate.score(seen), threshold)):
        leaves = place < len(seen.looks)
        right += not leaves or seen.matches[token, place]
        skipped += seen.num_layers - seen.looks[place] if leaves else 0
    return right / len(seen.prompt), skipped


@given(
    made=made_up(max_tokens=12).map(lambda made: replace(made, all_signals=True)),
    gate=st.sampled_from([gate for gate in BUILDABLE if gate.name != "learned"]),
    target=st.sampled_from([0.25, 0.5, 0.9, 1.0]),
    start=st.integers(1, 3),
    every=st.integers(1, 2),
)
def test_it_keeps_the_target_and_no_threshold_that_does_skips_more(made, gate, target, start, every):
    seen = seen_of(made, start, every)
    score = gate.score(seen)
    thresholds = np.unique(score[~np.isnan(score)])
    possible = [applied(gate, seen, threshold) for threshold in thresholds]
    enough = [skipped for kept, skipped in possible if kept >= target - 1e-9 and skipped]
    if not enough:
        with pytest.raises(MeasurementError, match=f"gate {gate.name}: no threshold lets a token leave and keeps"):
            aimed(gate, seen, target)
        return
    chosen = aimed(gate, seen, target)
    kept, skipped = applied(chosen.gate, seen, chosen.threshold)
    assert 0 <= chosen.threshold <= 1
    assert kept == pytest.approx(chosen.agreement) and kept >= target - 1e-9
    assert skipped == max(enough)


def plain(matches: list[list[bool]], margins: list[list[float]]) -> Seen:
    """Tokens with these matches and margins at every look below the last of three layers."""
    right, margin = np.array(matches), np.array(margins, np.float32)
    nothing = np.zeros_like(margin)
    tokens = len(right)
    return Seen(np.array([1, 2]), 3, 9, np.arange(tokens), right, nothing, margin, margin, nothing, nothing.astype(int))


def test_by_hand():
    seen = plain([[True, True], [False, True], [False, False]], [[0.9, 0.9], [0.4, 0.8], [0.1, 0.2]])
    for target, threshold, agreement in ((1.0, 0.8, 1.0), (0.6, 0.4, 2 / 3)):
        chosen = aimed(Margin(), seen, target)
        assert (chosen.threshold, chosen.agreement) == (pytest.approx(threshold), pytest.approx(agreement))


def test_a_target_that_no_threshold_reaches_is_one_line_that_says_how_near_one_comes():
    seen = plain([[False, False], [False, True]], [[0.9, 0.9], [0.4, 0.5]])
    with pytest.raises(MeasurementError) as error:
        aimed(Margin(), seen, 0.9)
    assert str(error.value) == (
        "gate margin: no threshold lets a token leave and keeps 90.0% of the calibration prompts' tokens; "
        "the closest keeps 50.0%; ask for less"
    )


def test_a_gate_that_never_leaves_says_so():
    with pytest.raises(MeasurementError, match="no token ever leaves"):
        aimed(Margin(), plain([[True, True]], [[np.nan, np.nan]]), 0.5)


def test_a_layer_is_chosen_like_any_threshold():
    seen = plain([[True, True], [False, True]], [[0.0, 0.0], [0.0, 0.0]])
    assert aimed(Static(), seen, 1.0).threshold == pytest.approx(2 / 3)
    assert aimed(Static(), seen, 0.5).threshold == pytest.approx(1 / 3)
