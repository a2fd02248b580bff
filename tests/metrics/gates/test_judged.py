"""Choosing thresholds and judging them: costs by hand, both halves, and the laws that any gate obeys."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_column import costs_of
from hypothesis import given
from strategies import trace_of, traces

from benchmark.metrics.exits import first_match, skip_ratio
from benchmark.metrics.experiments.gates import BUILDABLE, GATES, HEADLINES, gate_experiment
from benchmark.metrics.gates.gate import Gate, Margin, Oracle, Saturation, Static
from benchmark.metrics.gates.judged import TARGETS, Judged, Trial, bytes_by_exit, certify, choose, looks_of, spacings
from benchmark.metrics.gates.seen import Seen
from benchmark.metrics.scoring import Scoring
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace

# Layers of 100, 101, 102 and 103 bytes, a head of 300, an embedding of 7.
COSTS = costs_of(4)


class TestBytes:
    """C(1..exit) + M + looks · H, and H once more unless the last look has paid it."""

    def test_of_a_gate_that_needs_the_head_to_look(self):
        read = bytes_by_exit(Margin.head, np.array([1, 3]), COSTS)
        assert read.tolist() == [100 + 7 + 300, 303 + 7 + 600, 406 + 7 + 900]

    def test_of_a_gate_that_looks_for_free(self):
        read = bytes_by_exit(Saturation.head, np.array([1, 3]), COSTS)
        assert read.tolist() == [100 + 7 + 300, 303 + 7 + 300, 406 + 7 + 300]

    def test_a_token_that_never_looks_costs_what_it_costs(self):
        assert bytes_by_exit(Margin.head, np.array([], int), COSTS).tolist() == [COSTS.token_bytes]


class TestLooks:
    """Every so many layers from one on, below the last."""

    def test_by_hand(self):
        assert looks_of(10, 2, 3).tolist() == [2, 5, 8]
        assert looks_of(1, 1, 1).tolist() == []

    def test_what_is_tried(self):
        assert spacings(Margin(), 8) == [(start, every) for start in (1, 2, 4, 6) for every in (1, 2, 4)]
        assert spacings(Margin(), 2) == [(1, 1)]
        assert spacings(Margin(), 1) == spacings(Static(), 30) == [(1, 1)]


# Of six tokens of two prompts, a margin of a half tells which layer is right; the last token of each prompt lies.
SURE = trace_of(
    [[7, 7, 7, 7], [1, 7, 7, 7], [1, 1, 1, 7]] * 2,
    prompt=[0, 0, 0, 1, 1, 1],
    prob_margin=[[0.5, 0.5, 0.5, 1], [0.25, 0.5, 0.5, 1], [0.25, 0.25, 0.5, 1]] * 2,
    all_signals=True,
)


def columns_of(trace: Trace, costs: Costs | None = None) -> dict[str, object]:
    return GATES.of(trace, Scoring(), costs or costs_of(trace.num_layers)).model_dump()


class TestChoice:
    """The best threshold that keeps the target."""

    def test_by_hand(self):
        seen = Seen.of(SURE, 4)
        for target, choice in zip(TARGETS, choose(Margin(), seen, None)["skip"], strict=True):
            # At λ = 0.5 two thirds of the tokens are right.
            assert choice.threshold == np.inf
            assert (choice.gain, target >= 0.8) == (0, True)
        without_liar = seen.tokens(SURE.matches[:, 2])
        choice = choose(Margin(), without_liar, None)["skip"][-1]
        assert (choice.threshold, choice.gain) == (0.5, 2 * (3 + 2))

    def test_the_strictest_of_equals(self):
        trace = trace_of([[7, 7, 7]], prob_margin=[[0.75, 0.9, 1]])
        assert choose(Margin(), Seen.of(trace, 4), None)["skip"][0].threshold == 0.75

    def test_what_one_half_chooses_the_other_judges(self):
        """Every layer of the even prompts is right from a margin of 0.2 on, of the odd ones from 0.8 on."""
        said = [[1, 7, 7]] * 8
        margin = [[0.1, 0.2, 1]] * 4 + [[0.5, 0.8, 1]] * 4
        trace = trace_of(said, prompt=[0] * 4 + [1] * 4, prob_margin=margin)
        columns = columns_of(trace)
        # By 0.2 the odd prompts leave at layer 1, where they are wrong; by 0.8 the even ones never leave.
        assert columns["gate_margin_agreement"] == [0.5] * len(TARGETS)
        assert columns["gate_margin_skip_ratio"] == pytest.approx([(4 * 2 + 4 * 0) / 3 / 8] * len(TARGETS))
        assert columns["gate_margin_early"] == [0.5] * len(TARGETS)
        # On all prompts together no threshold below 0.8 keeps them.
        assert columns["gate_margin_threshold"] == pytest.approx([0.8] * len(TARGETS))


class TestColumns:
    """What a row gets."""

    @given(traces(max_tokens=14, max_layers=5))
    def test_laws(self, trace: Trace):
        columns = columns_of(trace)
        ceiling = float(skip_ratio(first_match(trace.matches), trace.num_layers).mean())
        for gate in BUILDABLE:
            skipped, kept, early, located, late = (
                columns[f"gate_{gate.name}_{part}"]
                for part in ("skip_ratio", "agreement", "early", "located", "late_layers")
            )
            if skipped is None:
                assert gate.vocabulary and not trace.signalled.all()
                continue
            for number in range(len(TARGETS)):
                assert kept[number] + early[number] == pytest.approx(1)
                assert located[number] <= kept[number] + 1e-12
                assert (late[number] is None) == (located[number] == pytest.approx(kept[number]))
                assert kept[number] < 1 or skipped[number] <= ceiling + 1e-12
        for ending in HEADLINES:
            best, speed = columns[f"gate_{ending}"], columns[f"gate_speed_{ending}"]
            assert (best is None) == (speed is None) == (not trace.signalled.all())
            assert best is None or best in {gate.name for gate in BUILDABLE}

    def test_depths_at_random_are_right_as_often_as_their_layers(self):
        # By their margin of 1, which only the right layers have, tokens leave at 1, 2 and 3.
        trace = trace_of(
            [[7, 7, 7, 7], [1, 7, 7, 7], [1, 1, 7, 7]],
            prob_margin=[[1, 1, 1, 1], [0.25, 1, 1, 1], [0.25, 0.25, 1, 1]],
        )
        columns = columns_of(trace)
        assert columns["gate_margin_skip_ratio"] == pytest.approx([0.5] * len(TARGETS))
        assert columns["gate_margin_located"] == [1] * len(TARGETS)
        assert columns["gate_margin_random_agreement"] == pytest.approx([(1 / 3 + 2 / 3 + 1) / 3] * len(TARGETS))

    def test_signals_of_the_sample_give_only_gates_without_the_vocabulary(self):
        trace = trace_of([[1, 7, 7], [7, 7, 7]], prompt=[0, 1], sampled=[True, False])
        columns = columns_of(trace)
        assert columns["gates_missing"] == "signals were kept of 1 of 2 tokens; measure with --signals all"
        for gate in BUILDABLE:
            assert (columns[f"gate_{gate.name}_skip_ratio"] is None) == gate.vocabulary
        assert columns["gate_99"] is columns["gate_speed_99"] is columns["gate_skip_ratio_99"] is None

    def test_without_costs_there_are_depths_and_no_speeds(self):
        columns = GATES.of(SURE, Scoring(), None).model_dump()
        assert columns["gate_static_skip_ratio"] is not None and columns["gate_static_speed"] is None
        assert columns["gate_speed_99"] is columns["gate_99"] is None
        assert columns["gates_missing"] == "what a token costs is not known of this model"

    @pytest.mark.parametrize("said", [[[7]], [[7, 7]], [[1, 7]], [[7]] * 3, [[1, 7], [7, 7]]])
    def test_of_one_token_or_of_one_or_two_layers(self, said):
        columns = columns_of(trace_of(said))
        assert columns["gate_skip_ratio_99_ci_low"] is columns["gate_speed_99_ci_low"] is None  # one prompt
        if len(said[0]) == 1:
            assert columns["gate_margin_skip_ratio"] == columns["gate_static_skip_ratio"] == [0] * len(TARGETS)
            assert columns["gate_speed_99"] == 1
            assert columns["gate_found_99"] is None

    def test_what_is_found_is_of_the_tokens_that_could_leave(self):
        columns = columns_of(trace_of([[7, 7, 7], [1, 7, 7], [1, 2, 7]], max_prob=[[1, 1, 1], [0.1, 1, 1], [0.1] * 3]))
        assert columns["gate_found_99"] == 1


class Depth(Gate):
    """Is the surer the deeper it is."""

    name = "depth"
    head = False
    vocabulary = False

    def signal(self, seen: Seen) -> np.ndarray:
        return np.broadcast_to(seen.looks / seen.num_layers, seen.matches.shape)


class Shallow(Depth):
    """The same, told the other way round."""

    name = "shallow"
    direction = "below"

    def signal(self, seen: Seen) -> np.ndarray:
        return 1 - super().signal(seen)


class TestOwnGate:
    """One of somebody's own is judged as those of the package are."""

    @pytest.mark.parametrize("gate", [Depth(), Shallow()])
    def test_it_gives_what_the_same_gate_gives(self, gate: Gate):
        experiment = gate_experiment(gate)
        assert experiment.name == f"gate_{gate.name}"
        own, usual = experiment.of(SURE, Scoring(), COSTS).model_dump(), columns_of(SURE, COSTS)
        assert {name.removeprefix(f"gate_{gate.name}_") for name in own} == {
            name.removeprefix("gate_static_") for name in usual if name.startswith("gate_static_")
        }
        for name, value in own.items():
            expected = usual[name.replace(gate.name, "static")]
            assert value == (
                pytest.approx(expected) if isinstance(expected, list) and None not in expected else expected
            )

    def test_the_one_of_the_page_runs_as_it_stands_there(self):
        page = (Path(__file__).parents[3] / "docs" / "extending.md").read_text(encoding="utf-8")
        (block,) = (text for text in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "class Second" in text)
        names: dict[str, Any] = {}
        exec(block, names)
        trace = trace_of([[7, 7], [1, 7]], max_prob=[[0.9, 1], [0.5, 1]], prob_margin=[[0.8, 1], [0.1, 1]])
        columns = names["SECOND"].of(trace, Scoring(), costs_of(2)).model_dump()
        # Left by an unlikely second token, p₂ = 0.1, where the layer is right; it stays at p₂ = 0.4.
        assert columns["gate_second_agreement"] == [1] * len(TARGETS)
        assert columns["gate_second_skip_ratio"] == pytest.approx([0.25] * len(TARGETS))

    def test_without_its_signals_it_gives_nothing(self):
        class Probability(Gate):
            name = "probability"

            def signal(self, seen: Seen) -> np.ndarray:
                return seen.max_prob

        trace = trace_of([[1, 7], [7, 7]], sampled=[True, False])
        assert set(gate_experiment(Probability()).of(trace, Scoring(), costs_of(2)).model_dump().values()) == {None}


def certified_of(gate: Gate, trace: Trace) -> tuple[float, Judged] | None:
    seen = Seen.of(trace, 4)
    return certify(gate, seen, Trial.of([gate], seen, None))


class TestCertified:
    """Thresholds that hold with 95 % confidence."""

    def test_enough_prompts_certify_what_is_always_right(self):
        trace = trace_of([[7, 7]] * 60, prompt=range(60))
        threshold, judged = certified_of(Oracle(), trace)
        assert threshold == 0
        assert (judged.exits == 1).all()
        assert certified_of(Oracle(), trace_of([[7, 7]] * 58, prompt=range(58))) is None

    def test_a_threshold_that_changes_too_much_is_not(self):
        said = [[7, 7]] * 90 + [[1, 7]] * 10
        trace = trace_of(said, prompt=range(100), max_prob=[[0.95, 1]] * 90 + [[0.55, 1]] * 10)
        columns = columns_of(trace)
        assert 0.55 < columns["gate_max_prob_certified_threshold"] <= 0.95
        assert columns["gate_max_prob_certified_skip_ratio"] == pytest.approx(0.45)

    def test_a_gate_that_is_fitted_is_certified_on_the_other_half(self):
        said = [[7, 7], [1, 7]] * 100
        margin = [[0.9, 1], [0.1, 1]] * 100
        trace = trace_of(said, prompt=np.repeat(range(100), 2), prob_margin=margin)
        assert columns_of(trace)["gate_learned_certified_threshold"] is None  # 50 prompts are too few
        more = trace_of(said * 2, prompt=np.repeat(range(200), 2), prob_margin=margin * 2)
        assert columns_of(more)["gate_learned_certified_skip_ratio"] == pytest.approx(0.25)
