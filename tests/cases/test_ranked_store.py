"""Rows of several ranks: no row goes well whose tokens or exits differ from rank to rank."""

from pathlib import Path

import pytest

from benchmark.cases import ranked_store
from benchmark.cases.ranked_store import RankedStore
from benchmark.errors import MeasurementError
from benchmark.results.row import Row
from benchmark.trace.record import Trace


def test_ranks_that_disagree_write_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranked_store, "of_all", lambda digest: [digest, digest, "another"])
    monkeypatch.setattr(ranked_store, "_digest", lambda record: "one")
    store = RankedStore(tmp_path)
    path = store.path("tiny", "chat", "oracle", "0123abcd")
    with pytest.raises(MeasurementError, match="ranks disagree: rank 2 has other tokens or exits than rank 0"):
        store.write(path, Row.model_construct(), Trace.__new__(Trace))
    assert not path.exists()
