"""Which entries `--model` and `--workload` pick."""

from dataclasses import dataclass

import pytest

from benchmark.errors import InputError
from benchmark.inputs.selection import select


@dataclass(frozen=True)
class Entry:
    name: str


ENTRIES = [Entry("Qwen3-8B"), Entry("Llama-3.1-8B"), Entry("Qwen3-8B-Base"), Entry("pythia-1.4b@step1000")]


def names(*patterns: str) -> list[str]:
    return [entry.name for entry in select(ENTRIES, patterns, "--model", "models.yaml")]


def test_no_pattern_picks_all():
    assert names() == ["Qwen3-8B", "Llama-3.1-8B", "Qwen3-8B-Base", "pythia-1.4b@step1000"]


def test_a_name_picks_that_entry_and_none_that_begins_like_it():
    assert names("Qwen3-8B") == ["Qwen3-8B"]


def test_a_glob_picks_all_it_matches():
    assert names("Qwen3-*") == ["Qwen3-8B", "Qwen3-8B-Base"]


def test_a_glob_of_one_character():
    assert names("pythia-1.4b@step?000") == ["pythia-1.4b@step1000"]


def test_several_patterns_keep_the_order_of_the_file_and_pick_nothing_twice():
    assert names("*-Base", "Llama*", "Qwen3*") == ["Qwen3-8B", "Llama-3.1-8B", "Qwen3-8B-Base"]


def test_the_name_of_an_entry_picks_all_its_checkpoints():
    entries = [Entry("toy@step1"), Entry("toy@step2"), Entry("toys@step1")]
    assert select(entries, ["toy"], "--model", "models.yaml") == entries[:2]
    assert select(entries, ["toy@*"], "--model", "models.yaml") == entries[:2]


def test_a_model_of_that_very_name_is_picked_alone():
    entries = [Entry("toy@step1"), Entry("toy")]
    assert select(entries, ["toy"], "--model", "models.yaml") == [Entry("toy")]


def test_case_matters():
    with pytest.raises(InputError):
        names("qwen3-8b")


def test_a_name_with_brackets_picks_itself():
    assert select([Entry("a[1]")], ["a[1]"], "--model", "models.yaml") == [Entry("a[1]")]


def test_a_pattern_without_a_match_is_an_error_that_lists_the_names():
    with pytest.raises(InputError) as refusal:
        names("Qwen3-8B", "GPT*")
    assert str(refusal.value) == (
        "--model 'GPT*' matches nothing in models.yaml; "
        "there are: Qwen3-8B, Llama-3.1-8B, Qwen3-8B-Base, pythia-1.4b@step1000"
    )


class TestOfManyNames:
    """Fifty names do not help; those near to what was asked for do."""

    MANY = (*ENTRIES, *(Entry(f"filler-{number}") for number in range(50)))
    ALL = "all 54 are listed by: exitbench plan"

    def refusal(self, pattern: str) -> str:
        with pytest.raises(InputError) as refusal:
            select(self.MANY, [pattern], "--model", "models.yaml")
        return str(refusal.value).removeprefix(f"--model '{pattern}' matches nothing in models.yaml; ")

    @pytest.mark.parametrize("pattern", ["qwen3-8b-base", "Qwen3-8B-Bsae", "Qwen/Qwen3-8B-Base-2507"])
    def test_the_nearest_is_told(self, pattern: str):
        assert self.refusal(pattern).startswith("near to it: Qwen3-8B-Base")
        assert self.refusal(pattern).endswith(self.ALL)

    def test_names_that_hold_what_was_asked_for_are_near_however_long_they_are(self):
        assert self.refusal("pythia") == f"near to it: pythia-1.4b@step1000; {self.ALL}"

    def test_a_few_of_many_that_are_near(self):
        assert self.refusal("fill") == f"near to it: filler-0, filler-1, filler-2, filler-3, filler-4; {self.ALL}"

    def test_without_a_near_one_it_says_how_to_list_all(self):
        assert self.refusal("xyz*") == self.ALL
