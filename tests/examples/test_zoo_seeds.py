"""Differences between variants, with intervals over seeds: what is found where it was planted, and nowhere else."""

import math
from pathlib import Path

import pytest
from folders import write_case, write_decoding

from examples.zoo.seeds import as_text, differences, final_models, variant_and_seed


def planted(folder: Path, **gains: tuple[float, ...]) -> None:
    """Final checkpoints of so many seeds, each with an earlier one of which nothing is to be seen."""
    for name, seeds in gains.items():
        for seed, gain in enumerate(seeds, start=1):
            for step, some in ((4, 0.9), (8, gain)):
                where = {"checkpoint": f"checkpoint-{step}", "source": f"path:{name}-s{seed}/checkpoint-{step}"}
                model = f"{name}-s{seed}@checkpoint-{step}"
                write_case(folder, model, "zoo_prose", some, training_step=step, **where)


def test_a_difference_is_told_with_its_interval_over_seeds(tmp_path):
    planted(tmp_path, dense=(0.20, 0.21, 0.22), layerskip=(0.40, 0.41, 0.42), mamba2=(0.10, 0.20, 0.35))
    found = differences(final_models(tmp_path))
    lines = found.set_index(["variant", "measure"])
    layerskip, mamba2 = lines.loc[("layerskip", "skip_ratio")], lines.loc[("mamba2", "skip_ratio")]
    # Welch by hand: the variance of each is 0.0001, so the error is √(2 × 0.0001 / 3), with 4 degrees of freedom.
    assert layerskip["difference"] == pytest.approx(0.2)
    assert layerskip["high"] - layerskip["difference"] == pytest.approx(2.776 * (2e-4 / 3) ** 0.5, rel=1e-3)
    assert mamba2["low"] < 0 < mamba2["high"]
    said = as_text(found).splitlines()[1:]
    assert all(line.endswith("beyond the spread over seeds") for line in said if "layerskip" in line)
    assert all(line.endswith("within it") for line in said if "mamba2" in line)


def test_a_variant_of_one_seed_has_a_difference_and_no_interval(tmp_path):
    planted(tmp_path, dense=(0.20, 0.22), hybrid=(0.40,))
    found = differences(final_models(tmp_path))
    line = found.set_index("measure").loc["skip_ratio"]
    assert line["difference"] == pytest.approx(0.19)
    assert math.isnan(line["low"])
    assert math.isnan(line["high"])
    assert (line["seeds"], line["dense_seeds"]) == (1, 2)
    assert all(said.endswith("no interval") for said in as_text(found).splitlines()[1:])


def test_without_the_dense_model_there_is_nothing_to_compare(tmp_path):
    planted(tmp_path, hybrid=(0.40, 0.41))
    assert as_text(differences(final_models(tmp_path))).startswith("over seeds: nothing to compare")


def test_a_model_has_the_means_of_its_workloads_and_of_rules_that_can_be_built(tmp_path):
    write_case(tmp_path, "dense-s1", "zoo_prose", 0.2, skip_ratio_chance=0.1)
    write_case(tmp_path, "dense-s1", "zoo_functions", 0.4, skip_ratio_chance=0.1)
    write_decoding(tmp_path, "dense-s1", "zoo_prose", harmless_only=False)
    (model,) = final_models(tmp_path).itertuples()
    assert model.variant == "dense"
    assert model.skip_ratio == pytest.approx(0.3)
    assert model.above_chance == pytest.approx(0.2)
    assert model.decoded_skip_ratio == pytest.approx(0.3)


def test_a_model_that_lacks_a_workload_has_no_mean(tmp_path):
    write_case(tmp_path, "dense-s1", "zoo_prose", 0.2)
    write_case(tmp_path, "dense-s1", "zoo_functions", 0.4)
    write_case(tmp_path, "dense-s2", "zoo_prose", 0.2)
    models = final_models(tmp_path)
    assert models["skip_ratio"].notna().tolist() == [True, False]


def test_speedups_have_the_harmonic_mean_of_workloads(tmp_path):
    write_case(tmp_path, "dense-s1", "zoo_prose", 0.2, gate_speed_99=1.0)
    write_case(tmp_path, "dense-s1", "zoo_functions", 0.4, gate_speed_99=2.0)
    assert final_models(tmp_path)["gate_speed_99"].tolist() == pytest.approx([4 / 3])


def test_tuned_models_are_paired_with_the_dense_ones_of_their_seeds(tmp_path):
    for seed, (dense, tuned) in enumerate([(0.10, 0.15), (0.30, 0.36), (0.50, 0.54)], start=1):
        write_case(tmp_path, f"dense-s{seed}", "zoo_prose", dense)
        write_case(tmp_path, f"instruct-s{seed}", "zoo_prose", tuned, stage="instruct")
    line = differences(final_models(tmp_path)).set_index("measure").loc["skip_ratio"]
    # By hand: differences of 0.05, 0.06 and 0.04 have a standard error of 0.01 / √3, with 2 degrees of freedom.
    assert line["difference"] == pytest.approx(0.05)
    assert line["high"] - line["difference"] == pytest.approx(4.303 * 0.01 / 3**0.5, rel=1e-3)


def test_where_no_seed_differs_there_is_no_interval(tmp_path):
    planted(tmp_path, dense=(0.20, 0.20), hybrid=(0.40, 0.40))
    assert differences(final_models(tmp_path))["low"].isna().all()


def test_rows_of_limited_runs_only_are_not_compared(tmp_path):
    write_case(tmp_path, "dense-s1", "zoo_prose", 0.2, limited=True)
    assert differences(final_models(tmp_path)).empty


@pytest.mark.parametrize("name", ["moe-active-s12", "moe-active-s1@checkpoint-40"])
def test_a_variant_is_a_name_without_its_seed(name):
    assert variant_and_seed(name)[0] == "moe-active"
