"""Which entries `--model` and `--workload` pick."""

from dataclasses import dataclass

import pytest

from benchmark.errors import InputError
from benchmark.selection import select


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
