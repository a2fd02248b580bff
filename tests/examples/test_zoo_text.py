"""The text of the zoo: what is held out, what prompts and instructions are cut out of, and where it is from."""

import hashlib
import json
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from benchmark.errors import InputError
from benchmark.inputs.workload_entry import load_workload
from examples.zoo.__main__ import prepare
from examples.zoo.corpus import Document, standard_library
from examples.zoo.entries import Workloads, read_zoo
from examples.zoo.excerpts import functions, instructions, prose, write_workloads
from examples.zoo.tokens import Examples, instruction_examples, text_examples, train_tokenizer, unigram_loss

SMOKE = Path(__file__).parents[2] / "examples" / "zoo" / "smoke.yaml"
STDLIB = Path(sysconfig.get_path("stdlib"))
SOURCE = '''class Well:
    def deep(self, rope):
        """Return how deep it is.

        By letting down a rope.
        """
        return rope.length

    async def dry(self):
        return False
'''


@pytest.fixture(scope="module")
def corpus(zoo_text: Path) -> dict:
    return json.loads((zoo_text / "corpus.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def library() -> list[Document]:
    """All documents of this Python."""
    return standard_library()


def test_the_list_of_files_names_hashes_parts_and_the_licence(corpus):
    assert "PSF-2.0" in corpus["licence"]
    parts = {part: {d["name"] for d in corpus["documents"] if d["part"] == part} for part in ("train", "held-out")}
    assert {part: len(names) for part, names in parts.items()} == {"train": 40, "held-out": 40}
    assert not parts["train"] & parts["held-out"]
    for document in corpus["documents"][:5]:
        file = STDLIB / document["name"].partition("#")[0]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == document["sha256"]


def test_no_tests_and_no_other_packages_are_read(library):
    names = [document.name for document in library]
    assert {"argparse.py", "json/decoder.py", "pydoc_data/topics.py#if"} <= {*names}
    assert not [name for name in names if {"test", "site-packages", "encodings"} & {*name.split("/")}]
    assert 0.05 < np.mean([document.part == "held-out" for document in library]) < 0.2


def test_what_is_there_is_not_made_again(zoo_text):
    zoo = read_zoo(SMOKE)
    before = (zoo_text / "train.npy").stat().st_mtime_ns
    prepare(zoo, zoo_text)
    assert (zoo_text / "train.npy").stat().st_mtime_ns == before


def test_prompts_are_of_held_out_documents_only_and_load_as_workloads(zoo_text, library):
    held_out = [d for d in library if d.part == "held-out"]
    texts = [text for d in held_out for text in (*(f.source for f in functions(d)), *prose(d))]
    for name in ("zoo_functions", "zoo_prose"):
        workload = load_workload(zoo_text / f"{name}.yaml")
        assert (workload.prompts, workload.kind, workload.licence) == (8, "completion", "PSF-2.0")
        records = [json.loads(line) for line in (zoo_text / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len(records) == 8
        for record in records:
            assert any(text.startswith(record["prompt"]) and record["rest"] in text for text in texts)
            assert 120 <= len(record["prompt"]) <= 400


def test_functions_with_a_docstring_are_cut_out_without_their_indentation():
    (deep,) = functions(Document("well.py", "", SOURCE))
    assert deep.source.startswith('def deep(self, rope):\n    """Return how')
    assert deep.source.endswith("    return rope.length\n")
    assert functions(Document("well.rst", "", SOURCE)) == []
    assert functions(Document("broken.py", "", "def (")) == []


def test_instructions_ask_what_a_function_does_and_for_the_function():
    explain, write = instructions([Document("deep/well.py", "", SOURCE)])
    assert explain == ("What does deep(self, rope) of the module deep.well do?", "Return how deep it is.")
    assert write[0] == "Write a function deep. Return how deep it is."
    assert write[1].startswith("def deep(self, rope):")


def test_too_little_text_is_told(tmp_path):
    asked = Workloads(prompts=8, max_new_tokens=4, gates=["margin=0.5"], policies=["propagate"])
    few = [Document("well.py", "", SOURCE)]
    with pytest.raises(InputError, match=r"zoo_functions: too little text: [01] held-out prompts of 8; ask for fewer"):
        write_workloads(few, asked, tmp_path)
    with pytest.raises(InputError, match="'vocabulary': too little text for 4096 tokens"):
        train_tokenizer(few, 4096)
    with pytest.raises(InputError, match="too little text: 3 tokens, fewer than one text of 16"):
        text_examples(np.arange(3, dtype=np.uint16), 16)
    with pytest.raises(InputError, match="too little text: 1 texts, fewer than a batch of 2; lower 'batch'"):
        text_examples(np.arange(17, dtype=np.uint16), 16).batch(0, 2, seed=1)


def test_every_token_is_predicted_once():
    examples = text_examples(np.arange(33, dtype=np.uint16), 16)
    assert examples.ids[:, 1:].ravel().tolist() == list(range(1, 33))
    assert examples.ids[1, 0] == 16


def test_a_pass_over_the_text_sees_each_of_it_once_in_an_order_of_the_seed():
    examples = text_examples(np.arange(16 * 6 + 1, dtype=np.uint16), 16)

    def firsts(seed: int, steps: range) -> list[int]:
        return [int(row[0]) for step in steps for row in examples.batch(step, 2, seed).ids]

    assert sorted(firsts(1, range(3))) == sorted(firsts(1, range(3, 6))) == [0, 16, 32, 48, 64, 80]
    assert firsts(1, range(3)) != firsts(2, range(3))
    assert firsts(1, range(3)) == firsts(1, range(3))


def test_of_an_instruction_the_answer_is_learned(zoo_text, tmp_path):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(zoo_text)
    file = tmp_path / "asked.jsonl"
    file.write_text(json.dumps({"instruction": "Why?", "answer": "So."}) + "\n", encoding="utf-8")
    examples = instruction_examples(file, tokenizer, 32)
    assert tokenizer.decode(examples.ids[0, 1:][examples.learned[0]]) == "So.<eos>"
    assert tokenizer.decode(examples.ids[0]).startswith("<user>Why?<assistant>So.<eos><eos>")


def test_the_loss_of_a_unigram_worked_by_hand():
    train = Examples(np.array([[0, 1, 1, 1]]), np.ones((1, 3), dtype=bool))
    held_out = Examples(np.array([[0, 1, 0]]), np.array([[True, False]]))
    # Counts with one added: token 0 once, token 1 four times.
    assert unigram_loss(train, held_out, 2) == pytest.approx(-np.log(4 / 5))
