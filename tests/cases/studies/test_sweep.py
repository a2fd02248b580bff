"""A sweep: which thresholds are tried, and when it is known what may be skipped."""

import pytest
from strategies import row_of

from benchmark.cases.studies.sweep import Scale, sweep
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import GateName
from benchmark.metrics.experiments.decoding.loss import max_skip_ratio_at_loss
from benchmark.results.row import Row


class World:
    """A model whose tokens skip less, and answer better, the stricter the threshold is."""

    def __init__(self, scale: Scale, harmless: float) -> None:
        self.scale, self.harmless = scale, harmless
        self.asked: list[float] = []

    def row(self, threshold: float) -> Row:
        self.asked.append(threshold)
        places = [place / 1000 for place in range(1001)]
        place = min(places, key=lambda one: abs(self.scale.threshold(one) - threshold))
        skip = self.scale.most * (1 - place)
        loss = max(0.0, skip - self.harmless)
        return row_of(suite="decoding", gate=self.scale.gate, skip_ratio=skip, score_loss=loss, score_full=0.5)


@pytest.mark.parametrize("harmless", [0.0, 0.07, 0.5, 2.0])
@pytest.mark.parametrize("gate", ["margin", "entropy", "patience", "static"])
def test_what_may_be_skipped_is_bracketed(gate: GateName, harmless: float):
    scale = Scale(gate, num_layers=200, min_exit_layer=1, check_every=1)
    world = World(scale, harmless)
    rows = list(sweep(scale, world.row))
    for most in (0.01, 0.05):
        found = max_skip_ratio_at_loss([row.skip_ratio for row in rows], [row.score_loss for row in rows], most)
        true = min(scale.most, harmless + most)
        assert true - 0.03 <= found <= true + 1e-9
    assert len(world.asked) == len(set(world.asked)) == len(rows) <= 24


def test_the_same_thresholds_are_tried_again_so_that_rows_on_disk_serve():
    scale = Scale("margin", 30, 1, 1)
    first, second = World(scale, 0.1), World(scale, 0.1)
    assert list(sweep(scale, first.row)) == list(sweep(scale, second.row))
    assert first.asked == second.asked


@pytest.mark.parametrize(("gate", "ends"), [("patience", (1, 5)), ("static", (2, 10)), ("max_prob", (0, 0.9999))])
def test_thresholds_are_those_that_a_person_would_write(gate: GateName, ends: tuple[float, float]):
    scale = Scale(gate, num_layers=12, min_exit_layer=2, check_every=2)
    assert (scale.threshold(0), scale.threshold(1)) == ends
    tried = [scale.threshold(place / 10) for place in range(11)]
    assert tried == sorted(tried)


def test_without_a_score_there_is_nothing_to_lose():
    row = row_of(suite="decoding", gate="margin", skip_ratio=0.1, score_full=0.0, workload="math")
    with pytest.raises(MeasurementError, match="math: there is no loss of score, because the full model's score is 0"):
        list(sweep(Scale("margin", 30, 1, 1), lambda threshold: row))
