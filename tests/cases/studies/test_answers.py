"""Scores of answers: by the scorer of the workload, at the last token of each prompt."""

from typing import Any

import numpy as np
import pytest

from benchmark.cases.code.passes import passes
from benchmark.cases.identity import Asked
from benchmark.cases.studies.answers import NOT_ALLOWED, Scores, score_answers
from benchmark.cases.studies.oracle import measure
from benchmark.decoding.prepare import prepare
from benchmark.errors import CannotRun
from benchmark.inputs.fields import ScorerName
from benchmark.inputs.prompt import Prompt
from benchmark.metrics.answers.scorers import SCORERS
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.sample import Sampling

SAMPLING = Sampling(tokens=1, top_k=1)


def asked(scorer: ScorerName | None, *targets: tuple[str, ...], stop: tuple[str, ...] = (), **more: Any) -> Asked:
    """What is asked where the prompts have these reference answers."""
    prompts = tuple(
        Prompt(id=f"w/{number}", messages=text, targets=some, stop=stop)
        for number, (text, some) in enumerate(zip(("one two", "x", "four five"), targets, strict=False))
    )
    return Asked(prompts, False, 6, 2, SAMPLING, scorer, **more)


class TestScores:
    """Of answers that are given."""

    def test_each_answer_is_held_against_the_references_of_its_prompt(self):
        scores = score_answers(asked("exact_number", ("3",), ("4", "5")), {0: "It is 3.", 1: "It is 6."})
        assert (scores.by_prompt, scores.errors, scores.missing) == ({0: 1.0, 1: 0.0}, [], None)

    def test_prompts_that_were_left_out_have_none(self):
        assert score_answers(asked("exact_number", ("3",), ("4",)), {1: "4"}).by_prompt == {1: 1.0}

    def test_an_answer_that_the_scorer_fails_on_counts_as_wrong_and_is_named(self):
        scores = score_answers(asked("exact_number", ("3",), ("many",)), {0: "3", 1: "many"})
        assert (scores.by_prompt, scores.errors, scores.missing) == ({0: 1.0, 1: 0.0}, ["w/1"], None)

    def test_without_a_scorer_there_are_none(self):
        assert score_answers(asked(None, ("3",)), {0: "3"}) == Scores({})

    def test_code_is_not_run_unless_somebody_allows_it(self):
        scores = score_answers(asked("pass_at_1", ("raise SystemError",)), {0: "1"})
        assert (scores.by_prompt, scores.errors, scores.missing) == ({}, None, NOT_ALLOWED)

    def test_code_has_to_pass_all_tests_behind_prompt_and_answer(self):
        try:
            passes("")
        except CannotRun as error:
            pytest.skip(str(error))
        prompts = tuple(
            Prompt(id=str(number), messages="def f(x):\n", targets=("assert f(1) == 2", "assert f(2) == 3"))
            for number in range(4)
        )
        code = Asked(prompts, False, 6, 2, SAMPLING, "pass_at_1", allow_code_execution=True)
        answers = {0: "    return x + 1", 1: "    return 2", 2: " ", 3: "    return x + 1\nraise ValueError"}
        assert score_answers(code, answers).by_prompt == {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0}
        behind = {0: "    return x + 1\nprint(1 / 0)", 1: "\n    return x + 1\ndef g():\n    raise ValueError"}
        assert score_answers(code, behind).by_prompt == {0: 1.0, 1: 1.0}

    def test_where_code_cannot_be_shut_away_it_is_said(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("sys.platform", "darwin")
        scores = score_answers(asked("pass_at_1", ("",), allow_code_execution=True), {0: "1"})
        assert scores.by_prompt == {} and scores.errors is None
        assert scores.missing is not None and scores.missing.startswith("code is run in namespaces of Linux")

    def test_they_stand_at_the_last_token_of_each_prompt(self):
        placed = Scores({2: 0.5, 5: 1.0}).at_ends(np.array([2, 2, 4, 5, 5, 5], np.int32))
        np.testing.assert_array_equal(placed, [np.nan, 0.5, np.nan, np.nan, np.nan, 1.0])


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    return prepare(tiny_model("llama", "causal"), tiny_tokenizer(), "causal")


class TestMeasured:
    """Of answers that a model writes."""

    def test_the_answer_is_the_text_without_special_tokens(self, llama: LoadedModel):
        wanted = ("w", "ab c", "one")
        measurement = measure(llama, asked("chrf", *((text,) for text in wanted)), lambda tokens, prompts: None)
        trace = measurement.capture.trace
        for number, reference in enumerate(wanted):
            mine = trace.prompt == number
            answer = llama.tokenizer.decode(trace.target[mine], skip_special_tokens=True)
            assert trace.score[mine][-1] == SCORERS["chrf"].score(answer, [reference])
            assert np.isnan(trace.score[mine][:-1]).all()

    def test_it_is_cut_before_a_stop_string(self, llama: LoadedModel):
        whole = measure(llama, asked(None, ()), lambda tokens, prompts: None).capture.trace
        text = "".join(whole.text.tolist())
        stop = text[2:4]
        stopped = measure(llama, asked("exact_answer", (text[:2],), stop=(stop,)), lambda tokens, prompts: None)
        assert stopped.capture.trace.num_tokens < whole.num_tokens
        assert stopped.capture.trace.score[-1] == SCORERS["exact_answer"].score(text[: text.index(stop)], [text[:2]])
        assert stopped.scores.errors == []

    def test_without_references_nothing_is_scored(self, llama: LoadedModel):
        measurement = measure(llama, asked(None, (), ()), lambda tokens, prompts: None)
        assert np.isnan(measurement.capture.trace.score).all()
        assert (measurement.scores.errors, measurement.scores.missing) == (None, None)

    def test_a_decoder_behind_an_encoder_answers_too(self):
        model = prepare(tiny_model("t5", "encoder-decoder"), tiny_tokenizer(), "encoder-decoder")
        trace = measure(model, asked("chrf", ("a",), ("b",)), lambda tokens, prompts: None).capture.trace
        assert (~np.isnan(trace.score)).sum() == 2
