"""Which entries `--model`, `--workload` and `--shard` pick."""

import argparse
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import InputError
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.selection import Shard, in_shard, select
from benchmark.interface.values import shard


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


SIZES = st.lists(st.one_of(st.none(), st.integers(1, 10**12)), max_size=40)


def entries(sizes: list[int | None]) -> list[ModelEntry]:
    return [ModelEntry(id=f"lab/m{number}", name=f"m{number}", parameters=size) for number, size in enumerate(sizes)]


@given(SIZES, st.sampled_from([1, 2, 3, 8]))
def test_every_model_is_in_exactly_one_shard(sizes: list[int | None], of: int):
    models = entries(sizes)
    shards = [in_shard(models, Shard(number, of)) for number in range(1, of + 1)]
    assert sorted(entry.name for part in shards for entry in part) == sorted(entry.name for entry in models)
    assert all(part == [entry for entry in models if entry in part] for part in shards)


@given(SIZES, st.sampled_from([2, 3, 8]), st.randoms())
def test_the_order_of_the_file_moves_no_model(sizes: list[int | None], of: int, random):
    models = entries(sizes)
    shuffled = random.sample(models, len(models))
    for number in range(1, of + 1):
        part, other = (in_shard(order, Shard(number, of)) for order in (models, shuffled))
        assert {entry.name for entry in part} == {entry.name for entry in other}


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=40), st.sampled_from([2, 3, 8]))
def test_shards_are_balanced(sizes: list[int], of: int):
    """No more than the mean and the largest model: what such an assignment is known to hold."""
    models = entries(list(sizes))
    loads = [sum(entry.parameters or 0 for entry in in_shard(models, Shard(number, of))) for number in range(1, of + 1)]
    assert max(loads) <= sum(sizes) / of + max(sizes)


def test_a_size_that_is_not_known_counts_as_the_median():
    models = entries([100, None, 60, 40])
    assert [entry.name for entry in in_shard(models, Shard(1, 2))] == ["m0", "m3"]
    assert [entry.name for entry in in_shard(models, Shard(2, 2))] == ["m1", "m2"]


def test_what_a_person_writes():
    assert shard("3/8") == Shard(3, 8)
    assert str(Shard(3, 8)) == "3/8"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "-1/4", "1/4/2", "1.0/4", ""])
def test_a_wrong_share_is_refused(text: str):
    with pytest.raises(argparse.ArgumentTypeError, match="must be one of so many, from 1/4 to 4/4, not "):
        shard(text)
