"""The workloads that ship with the project."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from benchmark.errors import InputError
from benchmark.inputs.catalog import WORKLOAD_FOLDER, load_workloads
from benchmark.inputs.fields import ScorerName
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.metrics.answers.scorers import SCORERS
from benchmark.models.hub import Hub

SPECS = load_workloads()
BUILT_IN = [spec for spec in SPECS if spec.source.id is None]
FROM_THE_HUB = [spec for spec in SPECS if spec.source.id is not None]
SHIPPED = [spec for spec in BUILT_IN if spec.source.package is None]


def each(specs: list[WorkloadEntry]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spec", specs, ids=[spec.name for spec in specs])


def all_prompts(spec: WorkloadEntry) -> list[str]:
    return [prompt.text for prompt in read_prompts(spec, 10**9, Hub(download=False))]


def test_at_least_seven_need_no_network():
    names = {spec.name for spec in BUILT_IN}
    assert len(names) >= 7
    assert {
        "chat",
        "humaneval",
        "math",
        "open_ended_writing",
        "question_answering",
        "summarization",
        "translation",
    } <= names


def test_at_least_six_come_from_the_hub():
    assert len(FROM_THE_HUB) >= 6


def test_humaneval_has_its_164_problems():
    humaneval = next(spec for spec in SPECS if spec.name == "humaneval")
    prompts = all_prompts(humaneval)
    assert len(prompts) == 164
    assert prompts[0].startswith("from typing import List\n\n\ndef has_close_elements(")
    assert humaneval.kind == "completion"


@each(FROM_THE_HUB)
def test_a_dataset_of_the_hub_is_pinned_to_a_commit(spec: WorkloadEntry):
    assert spec.source.revision is not None
    assert re.fullmatch(r"[0-9a-f]{40}", spec.source.revision)


@each(BUILT_IN)
def test_it_has_the_prompts_a_full_run_takes(spec: WorkloadEntry):
    assert len(all_prompts(spec)) >= spec.prompts


@each(SHIPPED)
def test_it_has_at_least_24_prompts(spec: WorkloadEntry):
    assert len(all_prompts(spec)) >= 24


@each(BUILT_IN)
def test_no_prompt_is_there_twice(spec: WorkloadEntry):
    prompts = [" ".join(prompt.split()).casefold() for prompt in all_prompts(spec)]
    assert len(set(prompts)) == len(prompts)


@each(SHIPPED)
def test_no_field_is_empty_and_no_id_is_there_twice(spec: WorkloadEntry):
    records = [json.loads(line) for line in (WORKLOAD_FOLDER / spec.source.file).read_text().splitlines()]
    values = [value for record in records for value in record.values()]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    assert [] not in values and all(isinstance(text, str) and text.strip() for text in texts)
    assert len({record["id"] for record in records}) == len(records)


@each(BUILT_IN)
def test_every_prompt_of_a_workload_with_a_scorer_has_a_reference_that_it_can_score(spec: WorkloadEntry):
    prompts = read_prompts(spec, 10**9, Hub(download=False))
    assert all(bool(prompt.targets) == (spec.scorer is not None) for prompt in prompts)
    if spec.scorer in SCORERS:
        assert all(SCORERS[spec.scorer].score(prompt.targets[0], prompt.targets) > 0.999 for prompt in prompts)


def test_every_scorer_there_is_may_be_asked_for():
    assert set(get_args(ScorerName)) == {*SCORERS, "pass_at_1", "lm_eval"}


@each(SPECS)
def test_it_says_what_it_is_and_under_which_licence(spec: WorkloadEntry):
    assert spec.licence.strip()
    assert spec.description.strip()


@each(SPECS)
def test_its_template_names_something_of_the_record(spec: WorkloadEntry):
    assert spec.template is None or re.search(r"\{\w+", spec.template)


def test_no_data_lie_there_that_no_workload_reads():
    assert {Path(path).name for path in WORKLOAD_FOLDER.glob("*.jsonl")} == {spec.source.file for spec in SHIPPED}


class TestFilesOfOnesOwn:
    """A workload anywhere on disk."""

    def write(self, folder: Path, name: str = "mine") -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.yaml"
        path.write_text(
            f"name: {name}\ndescription: mine\nsource: {{file: texts.jsonl}}\nfield: text\nkind: completion\n"
            "prompts: 2\nmax_new_tokens: 4\nlicence: CC0-1.0\n"
        )
        (folder / "texts.jsonl").write_text('{"text": "One."}\n{"text": "Two."}\n')
        return path

    def test_it_comes_behind_the_others_and_its_data_are_beside_it(self, tmp_path: Path):
        *shipped, mine = load_workloads([self.write(tmp_path)])
        assert shipped == load_workloads()
        assert all_prompts(mine) == ["One.", "Two."]

    def test_a_name_that_ships_is_refused(self, tmp_path: Path):
        path = self.write(tmp_path, "chat")
        with pytest.raises(InputError) as error:
            load_workloads([path])
        problem = "field 'name': 'chat' ships with ExitBench; give the workload and its file another name"
        assert str(error.value) == f"{path}: {problem}"

    def test_and_so_is_one_of_another_file(self, tmp_path: Path):
        first, second = self.write(tmp_path / "a"), self.write(tmp_path / "b")
        with pytest.raises(InputError, match=f"'mine' is in {first}; give"):
            load_workloads([first, second])

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"nowhere.yaml: no such file"):
            load_workloads([tmp_path / "nowhere.yaml"])
