"""One line a layer: how often it prefers the right answer of a multiple-choice task."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.metrics.statistics.bootstrap import interval_columns


def choices_table(values: Mapping[str, NDArray[np.float64]], seed: int = 0) -> pd.DataFrame:
    """Return the mean of each metric by layer, with its 95 % bootstrap interval over questions.

    Args:
        values: L × questions, by the name of the metric, such as `acc`: what a layer gets for a question, 0 to 1.
        seed: of the bootstrap draws.

    Returns:
        `layer`, counted from 1; of each metric its mean by its own name, `…_ci_low` and `…_ci_high`, which are NaN with
        one question.
    """
    lines = []
    for layer in range(len(next(iter(values.values())))):
        line: dict[str, float | None] = {"layer": layer + 1}
        for name, of_layers in values.items():
            right = of_layers[layer]
            line |= {name: float(right.mean())} | interval_columns(name, right, np.arange(len(right)), seed)
        lines.append(line)
    return pd.DataFrame(lines)
