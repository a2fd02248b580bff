"""Differences between variants, with intervals over seeds: what is found where it was planted, and nowhere else."""

from pathlib import Path

import pytest
from folders import write_case

from examples.zoo.seeds import differences, told


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
    lines = differences(tmp_path).set_index(["variant", "measure"])
    layerskip, mamba2 = lines.loc[("layerskip", "skip_ratio")], lines.loc[("mamba2", "skip_ratio")]
    # Welch by hand: the variance of each is 0.0001, so the error is √(2 × 0.0001 / 3), with 4 degrees of freedom.
    assert layerskip["difference"] == pytest.approx(0.2)
    assert layerskip["high"] - layerskip["difference"] == pytest.approx(2.776 * (2e-4 / 3) ** 0.5, rel=1e-3)
    assert mamba2["low"] < 0 < mamba2["high"]
    said = told(differences(tmp_path)).splitlines()[1:]
    assert all(line.endswith("beyond the spread over seeds") for line in said if "layerskip" in line)
    assert all(line.endswith("within it") for line in said if "mamba2" in line)


def test_a_variant_of_one_seed_has_no_interval_and_no_line(tmp_path):
    planted(tmp_path, dense=(0.20, 0.21), hybrid=(0.40,))
    assert differences(tmp_path).empty
    assert told(differences(tmp_path)).startswith("over seeds: nothing to compare")


def test_rows_of_limited_runs_only_are_not_compared(tmp_path):
    write_case(tmp_path, "dense-s1", "zoo_prose", 0.2, limited=True)
    assert differences(tmp_path).empty
