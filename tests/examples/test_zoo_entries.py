"""What `zoo.yaml` may say, and what a person is told who wrote something else."""

from pathlib import Path

import pytest
import yaml

from benchmark.errors import InputError
from examples.zoo.entries import read_zoo

SHIPPED = Path(__file__).parents[2] / "examples" / "zoo" / "zoo.yaml"
SMOKE = SHIPPED.with_name("smoke.yaml")


def written(folder: Path, *models: object, **sections: object) -> Path:
    """A file with the sections of the smoke version, and these models."""
    said = yaml.safe_load(SMOKE.read_text(encoding="utf-8")) | sections
    path = folder / "zoo.yaml"
    path.write_text(yaml.safe_dump(said | ({"models": list(models)} if models else {})), encoding="utf-8")
    return path


def test_the_shipped_list_has_seeds_where_differences_need_them():
    zoo = read_zoo(SHIPPED)
    seeds = {}
    for model in zoo.models:
        seeds.setdefault(model.entry.name, []).append(model.seed)
    several = {name for name, some in seeds.items() if len(some) >= 3}
    assert several == {"dense", "moe-active", "mamba2", "layerskip", "instruct"}
    assert all(len(model.entry.saved_at) == 6 for model in zoo.models)
    tuned = next(model for model in zoo.models if model.base is not None)
    assert (tuned.base.name, tuned.entry.parameters) == ("dense-s1", tuned.base.entry.parameters)


def test_checkpoints_are_log_spaced_and_end_with_the_last_step(tmp_path):
    (model,) = read_zoo(written(tmp_path, {"name": "a", "steps": 100, "checkpoints": 4})).models
    assert model.entry.saved_at == [12, 25, 50, 100]


def test_an_entry_says_only_what_differs(tmp_path):
    small, deep = read_zoo(written(tmp_path, {"name": "a"}, {"name": "b", "layers": 9, "seeds": [4]})).models
    assert (small.entry.layers, deep.entry.layers, deep.name) == (3, 9, "b-s4")
    assert deep.entry.width == small.entry.width


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"architecture": "lstm"},
            "field 'architecture': input should be 'dense', 'moe', 'mamba2' or 'hybrid', got 'l",
        ),
        ({"layer": 3}, "field 'layer': unknown field; did you mean 'layers'?"),
        ({"steps": 0}, "field 'steps': input should be greater than 0, got 0"),
        ({"steps": "many"}, "field 'steps': input should be a valid integer, got 'many'"),
        ({"learning_rate": float("nan")}, "field 'learning_rate': input should be a finite number, got nan"),
        ({"width": 50}, "field 'width': input should be a multiple of 32, got 50"),
        ({"name": "../../etc"}, "field 'name': string should match"),
        ({"steps": 8, "checkpoints": 6}, "6 checkpoints need 32 'steps' or more"),
        ({"architecture": "moe", "exit_loss": {"scale": 0.2, "dropout": 0.1, "rotation": 2}}, "leave it out"),
        ({"seeds": [1, 1]}, "'seeds' names one twice"),
        ({"seeds": []}, "field 'seeds': list should have at least 1 item"),
        ({"tuned_from": "nobody"}, "field 'tuned_from': 'nobody' is no trained entry above this one; name one"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_entry_and_field(tmp_path, entry, said):
    with pytest.raises(InputError) as caught:
        read_zoo(written(tmp_path, {"name": "mine"} | entry))
    message = str(caught.value)
    assert said in message
    assert message.startswith(f"{tmp_path / 'zoo.yaml'}: entry 1 (")
    assert "\n" not in message


def test_bad_defaults_are_told_once(tmp_path):
    defaults = yaml.safe_load(SMOKE.read_text(encoding="utf-8"))["defaults"] | {"width": 50}
    with pytest.raises(InputError, match=r"zoo.yaml: defaults: field 'width': [^\n]*$"):
        read_zoo(written(tmp_path, {"name": "a"}, {"name": "b"}, defaults=defaults))


@pytest.mark.parametrize(
    ("names", "said"),
    [(("a", "A"), "'A-s1' is there twice"), (("a", "a"), "'a-s1' is there twice")],
)
def test_names_that_share_a_folder_are_refused(tmp_path, names, said):
    with pytest.raises(InputError, match=said):
        read_zoo(written(tmp_path, *({"name": name} for name in names)))


def test_a_seed_that_the_base_was_not_trained_with(tmp_path):
    with pytest.raises(InputError, match="'a' has no seed 2; train it there, too"):
        read_zoo(written(tmp_path, {"name": "a"}, {"name": "b", "tuned_from": "a", "seeds": [2]}))


def test_yaml_builds_no_objects(tmp_path):
    path = tmp_path / "zoo.yaml"
    path.write_text("models: !!python/object/apply:os.getcwd []\n", encoding="utf-8")
    with pytest.raises(InputError, match="not readable as YAML"):
        read_zoo(path)


def test_a_section_that_is_missing_or_unknown(tmp_path):
    with pytest.raises(InputError, match="field 'model': unknown field"):
        read_zoo(written(tmp_path, model=1))
    path = tmp_path / "zoo.yaml"
    path.write_text("text: {vocabulary: 512}\n", encoding="utf-8")
    with pytest.raises(InputError, match="field 'workloads': is missing"):
        read_zoo(path)
