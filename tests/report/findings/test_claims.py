"""Published claims held against made-up results: in some they are true, in some the contrary is, some are too few."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from folders import write_case, write_world

from benchmark.errors import InputError
from benchmark.report.findings.claims import Finding, Findings, findings, findings_of
from benchmark.report.findings.comparable_rows import table_of
from benchmark.report.findings.comparisons import MEASURES, base_and_tuned, training, years
from benchmark.report.findings.estimates import Estimate
from benchmark.report.findings.text import as_data, as_text
from benchmark.results.row.frame import SCHEMA_VERSION
from benchmark.results.versions import inventory

CLAIMS = (
    "Newer generations of a family have less to gain.",
    "Dense models have more to gain than mixtures of experts.",
    "Dense models have more to gain than state-space models.",
    "Models above 20 B parameters have more to gain.",
    "Base models have more to gain than those tuned from them.",
    "Exits belong to the model, hardly to the workload.",
    "EAS predicts the gain.",
    "EAS predicts what can be had.",
    "Models not trained for it can exit early all the same.",
    "Without training for it, gates miss most of the oracle's exits.",
    "Real gates skip little before answers suffer.",
)


def finding(found: Findings, claim: str) -> Finding:
    (one,) = (finding for finding in found.findings if finding.claim == claim)
    return one


def numbers(found: Findings, heading: str) -> dict[tuple[str, str], Estimate]:
    return {(estimate.name, estimate.unit): estimate for estimate in found.estimates[heading]}


@pytest.fixture(scope="module")
def as_claimed(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("as_claimed")
    write_world(folder, claimed=True)
    return findings(folder)


@pytest.fixture(scope="module")
def the_contrary(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("the_contrary")
    write_world(folder, claimed=False)
    return findings(folder)


@pytest.fixture(scope="module")
def three_models(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("three_models")
    for number in range(3):
        for workload in ("chat", "code"):
            write_case(folder, f"model{number}", workload, 0.3 + 0.05 * number, family="Llama", released=f"202{number}")
    return findings(folder)


class TestVerdicts:
    """An interval on one side of zero decides; anything else is not enough data."""

    def test_every_claim_is_looked_at(self, as_claimed: Findings):
        assert tuple(finding.claim for finding in as_claimed.findings) == CLAIMS

    @pytest.mark.parametrize("claim", CLAIMS)
    def test_a_claim_that_is_true_is_supported(self, as_claimed: Findings, claim: str):
        assert finding(as_claimed, claim).verdict == "supported"

    @pytest.mark.parametrize("claim", CLAIMS)
    def test_a_claim_of_which_the_contrary_is_true_is_contradicted(self, the_contrary: Findings, claim: str):
        assert finding(the_contrary, claim).verdict == "contradicted"

    @pytest.mark.parametrize("claim", CLAIMS)
    def test_three_models_are_not_enough(self, three_models: Findings, claim: str):
        one = finding(three_models, claim)
        assert one.verdict == "not enough data"
        assert one.reason is not None and one.reason.startswith("more models needed: ")

    @pytest.mark.parametrize(
        ("low", "high", "side", "verdict"),
        [
            (0.1, 0.2, 1, "supported"),
            (-0.2, -0.1, 1, "contradicted"),
            (-0.2, -0.1, -1, "supported"),
            (0.1, 0.2, -1, "contradicted"),
            (-0.1, 0.2, 1, "not enough data"),
            (0.0, 0.2, 1, "not enough data"),
        ],
    )
    def test_the_rule(self, low: float, high: float, side: Any, verdict: str):
        assert Finding("It gains.", "nobody", side, Estimate("", "", 9, 0.05, low, high)).verdict == verdict

    def test_an_interval_that_includes_zero_says_so(self):
        one = Finding("It gains.", "nobody", 1, Estimate("", "", 9, 0.05, -0.1, 0.2))
        assert one.reason == "the interval includes zero"


class TestNumbers:
    """The numbers behind the verdicts are those the results were made of."""

    def test_change_a_year(self, as_claimed: Findings):
        estimate = finding(as_claimed, CLAIMS[0]).estimate
        assert estimate.value == pytest.approx(-0.03, abs=0.006)
        assert estimate.models == 70

    def test_dense_minus_others(self, as_claimed: Findings):
        for claim in CLAIMS[1:3]:
            assert finding(as_claimed, claim).estimate.value == pytest.approx(0.08, abs=0.015)

    def test_large_minus_small(self, as_claimed: Findings):
        assert finding(as_claimed, CLAIMS[3]).estimate.value == pytest.approx(0.08, abs=0.03)

    def test_pairs_of_base_and_tuned(self, as_claimed: Findings):
        estimate = finding(as_claimed, CLAIMS[4]).estimate
        assert estimate.value == pytest.approx(0.06, abs=0.01)
        assert estimate.models == 35

    def test_above_chance(self, as_claimed: Findings):
        assert finding(as_claimed, CLAIMS[8]).estimate.value == pytest.approx(0.1)

    def test_exits_that_gates_find(self, as_claimed: Findings, the_contrary: Findings):
        assert finding(as_claimed, CLAIMS[9]).estimate.value == pytest.approx(-0.4)
        assert finding(the_contrary, CLAIMS[9]).estimate.value == pytest.approx(0.4)

    def test_rows_without_a_best_gate_are_not_compared(self, tmp_path: Path):
        write_case(tmp_path, "every", "chat", 0.3)
        write_case(tmp_path, "some", "chat", 0.2, gate_speed_99=None, gate_found_99=None)
        found = findings(tmp_path)
        assert finding(found, CLAIMS[9]).estimate.models == finding(found, CLAIMS[7]).estimate.models == 1

    def test_the_same_in_eas(self, as_claimed: Findings):
        estimate = numbers(as_claimed, "The comparisons in EAS")["base minus tuned, mean over base models", "EAS"]
        assert estimate.value == pytest.approx(0.06 / 4, abs=0.0025)

    def test_each_family_has_a_trend_of_its_own(self, as_claimed: Findings):
        trends = numbers(as_claimed, "Change a year")
        assert len(trends) == 7 * 2
        assert trends["family3 moe", "skip ratio a year"].models == 10

    def test_size_is_also_looked_at_without_a_threshold(self, as_claimed: Findings):
        assert numbers(as_claimed, "Size")["parameters and skip ratio, over models", "Spearman's ρ"].value > 0.4

    def test_shares_of_variance(self, as_claimed: Findings, the_contrary: Findings):
        share = ("workload", "share of the variance")
        heading = "What decides the depth of exits"
        assert numbers(as_claimed, heading)[share].value < 0.1 < 0.4 < numbers(the_contrary, heading)[share].value

    def test_eas_is_held_against_every_bound(self, as_claimed: Findings):
        names = [name for name, _ in numbers(as_claimed, "What EAS predicts")]
        assert len(names) == 12
        assert "EAS and speedup_bound_kv, over rows" in names


class TestWhoIsCompared:
    """Some models answer another question."""

    def test_a_model_trained_to_exit_early_is_in_no_comparison(self, tmp_path: Path):
        for number in range(4):
            stage = "early-exit" if number == 0 else "base"
            write_case(tmp_path, f"m{number}", "chat", 0.3, family="Llama", released=f"202{number}", stage=stage)
        found = findings(tmp_path)
        assert found.models == 4
        assert finding(found, CLAIMS[0]).estimate.models == 3
        assert "trained to exit early, in variance and correlations with EAS only: m0" in found.notes

    def test_another_kind_of_model_is_no_new_generation(self, tmp_path: Path):
        write_case(tmp_path, "old", "chat", 0.3, family="Qwen", released="2023", architecture="dense")
        write_case(tmp_path, "new", "chat", 0.1, family="Qwen", released="2025", architecture="moe")
        assert finding(findings(tmp_path), CLAIMS[0]).estimate.models == 0

    def test_models_without_a_date_are_named(self, tmp_path: Path):
        write_case(tmp_path, "undated", "chat", 0.3, family="Qwen", released="soon")
        assert "without family or release date, in no generation: undated" in findings(tmp_path).notes

    def test_a_pair_shares_workload_and_dtype(self, tmp_path: Path):
        write_case(tmp_path, "base", "chat", 0.3)
        write_case(tmp_path, "base", "code", 0.3)
        tuned = {"stage": "instruct", "base_model": "lab/base"}
        write_case(tmp_path, "tuned", "chat", 0.2, **tuned)
        write_case(tmp_path, "float", "code", 0.2, dtype="float32", **tuned)
        write_case(tmp_path, "continued", "code", 0.2, stage="continued", base_model="lab/base")
        found = findings(tmp_path)
        assert finding(found, CLAIMS[4]).estimate.value == pytest.approx(0.1)
        assert "tuned, without their base model in the same dtype: float" in found.notes

    def test_a_base_in_a_folder_is_told_by_its_name(self, tmp_path: Path):
        write_case(tmp_path, "base", "chat", 0.3, source="path:base")
        write_case(tmp_path, "tuned", "chat", 0.2, source="path:tuned", stage="instruct", base_model="base")
        estimate = finding(findings(tmp_path), CLAIMS[4]).estimate
        assert (estimate.value, estimate.models) == (pytest.approx(0.1), 1)

    def test_what_was_tuned_from_a_tuned_model_is_no_pair(self, tmp_path: Path):
        write_case(tmp_path, "instruct", "chat", 0.3, stage="instruct", base_model="lab/base")
        write_case(tmp_path, "distilled", "chat", 0.2, stage="distilled", base_model="lab/instruct")
        found = findings(tmp_path)
        assert finding(found, CLAIMS[4]).estimate.models == 0
        assert "tuned, without their base model in the same dtype: distilled, instruct" in found.notes

    @pytest.mark.parametrize("claim", [*CLAIMS[:1], *CLAIMS[2:]])
    def test_models_made_from_one_base_make_no_verdict(self, tmp_path: Path, claim: str):
        for number in range(24):
            write_case(
                tmp_path,
                f"t{number}",
                "chat" if number % 2 else "code",
                0.5 - number / 100,
                stage="instruct",
                base_model="lab/base",
                family="Llama",
                released=f"{2000 + number}",
                architecture="ssm" if number > 12 else "dense",
                parameters=10**9 * (40 - number),
            )
        assert finding(findings(tmp_path), claim).verdict == "not enough data"

    def test_models_tuned_from_one_base_count_as_one(self, tmp_path: Path):
        write_case(tmp_path, "base", "chat", 0.3)
        for number, stage in enumerate(("instruct", "distilled")):
            write_case(tmp_path, f"t{number}", "chat", 0.2 - 0.1 * number, stage=stage, base_model="lab/base")
        estimate = finding(findings(tmp_path), CLAIMS[4]).estimate
        assert (estimate.value, estimate.models) == (pytest.approx(0.15), 1)

    def test_training_is_ranked_within_each_model(self, tmp_path: Path):
        for step in (1000, 2000, 4000):
            for model, sign in (("up", 1), ("down", -1)):
                write_case(
                    tmp_path,
                    f"{model}@step{step}",
                    "chat",
                    0.3 + sign * step / 1e5,
                    source=f"hub:lab/{model}",
                    checkpoint=f"step{step}",
                    training_step=step,
                )
        found = numbers(findings(tmp_path), "Training")
        rho = {name: estimate.value for (name, _), estimate in found.items() if "skip ratio" in name}
        assert rho == {
            "training step and skip ratio, hub:lab/up, 3 checkpoints": pytest.approx(1),
            "training step and skip ratio, hub:lab/down, 3 checkpoints": pytest.approx(-1),
            "training step and skip ratio, mean over models": pytest.approx(0),
        }

    def test_a_published_value_stands_beside_the_one_measured_here(self, tmp_path: Path):
        write_case(tmp_path, "Qwen2-7B", "chat", 0.3, source="hub:Qwen/Qwen2-7B", eas=0.4)
        here = {reference.what: reference.here for reference in findings(tmp_path).references}
        assert here["EAS of Qwen/Qwen2-7B"] == pytest.approx(0.4)
        assert here["EAS of Qwen/Qwen3-8B"] is None


class TestOutput:
    """Tables for people, JSON for programs."""

    def test_a_claim_has_its_number_interval_models_and_verdict(self, as_claimed: Findings):
        (line,) = (line for line in as_text(as_claimed).splitlines() if line.startswith(CLAIMS[4]))
        estimate = finding(as_claimed, CLAIMS[4]).estimate
        numbers = [f"{estimate.value:+.3f}", f"[{estimate.low:+.3f},", f"{estimate.high:+.3f}]", "35"]
        assert line.removeprefix(CLAIMS[4]).split() == [*numbers, "supported"]

    def test_what_is_not_enough_says_why(self, three_models: Findings):
        assert "mean above chance (arXiv 2412.01455); more models needed: 3" in as_text(three_models)

    def test_what_was_left_out_stands_on_top(self, tmp_path: Path):
        write_case(tmp_path, "one", "chat", 0.3)
        write_case(tmp_path, "two", "chat", 0.3, limited=True)
        lines = as_text(findings(tmp_path)).splitlines()
        assert lines[0].endswith("rows 1, workloads 1, models 1 (1 in bfloat16)")
        assert lines[1] == "left out: 1 limited, not the prompts of a full run"

    def test_rows_that_are_read_already_give_the_same(self, three_models: Findings):
        table = table_of((found.path, found.row) for found in inventory(Path(three_models.folder)))
        assert findings_of(table, three_models.folder) == three_models

    def test_rows_of_another_version_are_told_of(self, tmp_path: Path):
        write_case(tmp_path, "one", "chat", 0.3)
        write_case(tmp_path, "two", "chat", 0.3)
        (path,) = (tmp_path / "two").rglob("*.json")
        path.write_text(path.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 1'))
        found = findings(tmp_path)
        assert found.notes[0] == f"{tmp_path}: JSON files not counted: 1 of an older version (measure again)"
        assert found.rows == 1

    def test_json_has_the_same_and_no_numbers_that_json_does_not_know(self, three_models: Findings):
        data = json.loads(json.dumps(as_data(three_models), allow_nan=False))
        assert [entry["claim"] for entry in data["findings"]] == list(CLAIMS)
        assert data["findings"][8]["verdict"] == "not enough data"
        assert data["findings"][8]["value"] == pytest.approx(0.33)
        assert set(data["estimates"]) == set(three_models.estimates)

    def test_rows_that_cannot_be_compared_are_no_findings(self, tmp_path: Path):
        write_case(tmp_path, "one", "chat", 0.3, limited=True)
        with pytest.raises(InputError, match="none of its rows can be compared: 1 limited"):
            findings(tmp_path)

    def test_a_row_with_nothing_but_a_skip_ratio_is_enough_for_tables(self, tmp_path: Path):
        unknown = ("source", "stage", "parameters", "eas", "skip_ratio_chance", "dtype", "speedup_bound_kv")
        nothing = dict.fromkeys(unknown)
        write_case(tmp_path, "one", "chat", 0.3, **nothing)
        assert "models 1 (1 in an unknown dtype)" in as_text(findings(tmp_path))


@pytest.mark.parametrize(
    ("released", "year"),
    [("2024-07-01", 2024.5), ("2024-06", 2024.46), ("2024", 2024.5), ("", None), ("soon", None), ("2024-13", None)],
)
def test_a_release_date_is_a_number_of_years(released: str, year: float | None):
    assert years(released) == pytest.approx(float("nan") if year is None else year, abs=0.01, nan_ok=True)


def test_no_rows_make_no_pairs_and_no_training():
    columns = ("model", "stage", "base_model", "source", "workload", "dtype", "entry", "training_step", *MEASURES)
    rows = pd.DataFrame({name: [] for name in columns}, dtype=object)
    assert base_and_tuned(rows).empty
    assert [estimate.value for estimate in training(rows)] == [None, None]
