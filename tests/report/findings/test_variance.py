"""How the variance of exit depth splits between model, workload, both together, and prompt."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.report.findings.variance import BALANCE, COMPONENTS, components, pairs, variance_shares

TRUTH = {"model": 0.010, "workload": 0.004, "model × workload": 0.002, "prompt": 0.005}


def simulated(rng: np.random.Generator, prompts_of_all: float = 0.0, missing: float = 0.0) -> pd.DataFrame:
    """12 models × 8 workloads × up to 10 prompts with the variances of `TRUTH`.

    Args:
        rng: random numbers.
        prompts_of_all: share of the variance between prompts that is the same for every model.
        missing: share of the cells that were not measured, and of the prompts of the others.
    """
    shape = (12, 8, 10)
    model, workload, both, prompt = (np.sqrt(TRUTH[name]) for name in COMPONENTS)
    depth = (
        0.7
        + rng.normal(0, model, (12, 1, 1))
        + rng.normal(0, workload, (1, 8, 1))
        + rng.normal(0, both, (12, 8, 1))
        + rng.normal(0, prompt * np.sqrt(prompts_of_all), (1, 8, 10))
        + rng.normal(0, prompt * np.sqrt(1 - prompts_of_all), shape)
    )
    kept = (rng.random((12, 8, 1)) >= missing) & (rng.random(shape) >= missing)
    return table(depth)[kept.reshape(-1)]


def table(depth: NDArray[np.float64]) -> pd.DataFrame:
    """Models × workloads × prompts as one row a prompt."""
    model, workload, prompt = (axis.reshape(-1) for axis in np.indices(depth.shape))
    names = {"model": [f"m{number:02}" for number in model], "workload": [f"w{number}" for number in workload]}
    return pd.DataFrame(names | {"prompt": prompt, "depth": depth.reshape(-1)})


def variances(depths: pd.DataFrame) -> NDArray[np.float64]:
    found = pairs(depths)
    return components(found, np.ones((1, len(found.same_workload.one_model))))[0]


class TestComponents:
    """The four variances."""

    @pytest.mark.parametrize("prompts_of_all", [0.0, 0.8])
    @pytest.mark.parametrize("missing", [0.0, 0.3])
    def test_known_variances_are_recovered_on_average(self, prompts_of_all: float, missing: float):
        rng = np.random.default_rng(1)
        found = np.array([variances(simulated(rng, prompts_of_all, missing)) for _ in range(150)])
        error = found.std(axis=0) / np.sqrt(len(found))
        assert np.all(np.abs(found.mean(axis=0) - list(TRUTH.values())) < 3.5 * error)
        assert np.all(error < 0.1 * np.array(list(TRUTH.values())))

    @given(st.integers(2, 5), st.integers(2, 5), st.integers(2, 5), st.integers(0, 2**32))
    def test_a_balanced_table_gives_the_classical_estimators(self, a: int, b: int, n: int, seed: int):
        depth = np.random.default_rng(seed).normal(size=(a, b, n))
        cell, row, column, overall = depth.mean(axis=2), depth.mean(axis=(1, 2)), depth.mean(axis=(0, 2)), depth.mean()
        mean_square_model = b * n * ((row - overall) ** 2).sum() / (a - 1)
        mean_square_workload = a * n * ((column - overall) ** 2).sum() / (b - 1)
        both = cell - row[:, None] - column + overall
        mean_square_both = n * (both**2).sum() / ((a - 1) * (b - 1))
        mean_square_prompt = depth.var(axis=2, ddof=1).mean()
        depths = table(depth)
        depths["prompt"] = np.arange(len(depths))  # no prompt is put to two models
        assert variances(depths) == pytest.approx(
            [
                (mean_square_model - mean_square_both) / (b * n),
                (mean_square_workload - mean_square_both) / (a * n),
                (mean_square_both - mean_square_prompt) / n,
                mean_square_prompt,
            ],
            abs=1e-9,
        )

    @given(st.floats(-10, 10))
    def test_all_depths_may_be_larger_by_the_same(self, more: float):
        depths = table(np.random.default_rng(2).random((3, 3, 3)))
        lifted = depths.assign(depth=depths["depth"] + more)
        assert variances(lifted) == pytest.approx(variances(depths), abs=1e-9)

    def test_a_model_drawn_twice_is_as_the_same_model_on_its_own(self):
        found = pairs(simulated(np.random.default_rng(3)))
        once, twice = np.ones((1, 12)), np.full((1, 12), 2.0)
        assert components(found, twice) == pytest.approx(components(found, once))

    def test_a_lineage_drawn_twice_is_as_the_same_lineage_on_its_own(self):
        depths = simulated(np.random.default_rng(3))
        lineage = pd.Series({model: f"line{number // 2}" for number, model in enumerate(sorted(set(depths["model"])))})
        found = pairs(depths, lineage)
        within = found.same_workload.one_lineage.sum() / found.same_workload_cells.one_lineage.sum()
        alone = components(found, np.eye(1, 6))
        assert components(found, 2 * np.eye(1, 6)) == pytest.approx(alone, nan_ok=True)
        assert np.isfinite(alone).all()
        assert within > 0

    def test_lineages_change_no_number_but_only_how_far_it_moves(self):
        depths = simulated(np.random.default_rng(3))
        lineage = pd.Series({model: model[:2] for model in set(depths["model"])})
        apart, together = pairs(depths), pairs(depths, lineage)
        assert components(together, np.ones((1, 2))) == pytest.approx(components(apart, np.ones((1, 12))))


class TestShares:
    """What is reported."""

    def test_shares_add_up_to_one(self):
        shares, _ = variance_shares(simulated(np.random.default_rng(4)))
        assert sum(share.value for share in shares[:4]) == pytest.approx(1)

    def test_the_last_number_weighs_the_model_against_the_workload(self):
        shares, _ = variance_shares(simulated(np.random.default_rng(4)))
        value = {share.name: share.value for share in shares}
        assert value[BALANCE] == pytest.approx(value["model"] - value["workload"] - value["model × workload"])

    def test_the_interval_holds_the_truth(self):
        shares, _ = variance_shares(simulated(np.random.default_rng(5)))
        assert all(share.low < TRUTH[share.name] / sum(TRUTH.values()) < share.high for share in shares[:4])

    def test_a_negative_variance_counts_as_zero_and_is_named(self):
        # Every cell has the same two prompts, so cells differ less than prompts within them let expect.
        depth = np.broadcast_to([0.4, 0.6], (6, 3, 2))
        depths = table(depth)
        depths["prompt"] = np.arange(len(depths))
        shares, negative = variance_shares(depths)
        assert [share.value for share in shares[:4]] == [0, 0, 0, 1]
        assert "model × workload" in negative

    @pytest.mark.parametrize(("models", "workloads"), [(1, 5), (5, 1), (0, 0)])
    def test_one_model_or_workload_cannot_be_split(self, models: int, workloads: int):
        shares, _ = variance_shares(table(np.random.default_rng(6).random((models, workloads, 3))))
        assert all(share.value is None for share in shares)
        assert shares[0].missing == f"needs two models and two workloads, here are {models} and {workloads}"

    def test_few_models_give_shares_without_an_interval(self):
        shares, _ = variance_shares(table(np.random.default_rng(7).random((3, 3, 4))))
        assert (shares[0].low, shares[0].missing) == (None, "more models needed: 3")
        assert shares[0].value is not None

    def test_single_prompts_cannot_be_split(self):
        shares, _ = variance_shares(table(np.random.default_rng(8).random((8, 3, 1))))
        assert shares[0].missing == "no two prompts of a case, or no difference between any"
