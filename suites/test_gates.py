"""Real gates on the full model's own text: what do they skip, at what price, and do they find the oracle's exits?"""

from benchmark.cases.case import Case
from benchmark.metrics.exits import first_match, skip_ratio
from benchmark.metrics.experiments.gates import BUILDABLE, GATES


def test_gates(case: Case) -> None:
    """A gate that keeps every token skips no more than the oracle, and every token is kept or leaves too early."""
    columns = case.columns(GATES).model_dump()
    ceiling = float(skip_ratio(first_match(case.trace.matches), case.trace.num_layers).mean())
    for gate in BUILDABLE:
        skipped, agreement, located, early = (
            columns[f"gate_{gate.name}_{part}"] or [] for part in ("skip_ratio", "agreement", "located", "early")
        )
        for number, kept in enumerate(agreement):
            assert abs(kept + early[number] - 1) < 1e-9
            assert located[number] <= kept + 1e-9
            assert kept < 1 or skipped[number] <= ceiling + 1e-9
