"""The table of choices: a mean for each layer and metric, with its interval over questions."""

import numpy as np
import pytest

from benchmark.metrics.tables.choices import choices_table


def test_each_layer_has_its_share_of_right_answers_and_an_interval_around_it():
    right = np.array([[0, 0, 1, 0, 1, 0], [1, 1, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1]], float)
    table = choices_table({"acc": right, "acc_norm": 1 - right})
    assert table["layer"].tolist() == [1, 2, 3]
    assert table["acc"].tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert table["acc_norm"].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert (table["acc_ci_low"] <= table["acc"]).all() and (table["acc"] <= table["acc_ci_high"]).all()
    assert table["acc_ci_low"].iloc[-1] == table["acc_ci_high"].iloc[-1] == 1


def test_one_question_has_no_interval():
    table = choices_table({"acc": np.ones((2, 1))})
    assert table["acc_ci_low"].isna().all() and table["acc"].tolist() == [1, 1]
