"""Locks, and drafts that nobody will finish. How files are written whole is in `test_results.py`."""

import os
import threading
import time
from pathlib import Path

import pytest

from benchmark.atomic_files import atomic_file, locked, remove_forgotten
from benchmark.results.store import Store

DAY = 24 * 3600


class TestLocks:
    """One at a time."""

    def test_the_second_waits_for_the_first(self, tmp_path: Path):
        path, order = tmp_path / "a.txt", []

        def second() -> None:
            with locked(path):
                order.append("second")

        with locked(path):
            thread = threading.Thread(target=second)
            thread.start()
            time.sleep(0.1)
            order.append("first")
        thread.join()
        assert order == ["first", "second"]

    def test_many_add_up_what_one_reads_and_writes(self, tmp_path: Path):
        path = tmp_path / "count"
        path.write_text("0")

        def add() -> None:
            for _ in range(50):
                with locked(path):
                    path.write_text(str(int(path.read_text()) + 1))

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert path.read_text() == "200"

    def test_nothing_is_left(self, tmp_path: Path):
        with locked(tmp_path / "a.txt"):
            assert len(list(tmp_path.iterdir())) == 1
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_left_after_an_error(self, tmp_path: Path):
        with pytest.raises(ValueError, match="no"), locked(tmp_path / "a.txt"):
            raise ValueError("no")
        assert list(tmp_path.iterdir()) == []

    def test_a_lock_that_a_killed_process_left_is_taken_over(self, tmp_path: Path):
        (tmp_path / ".a.txt.lock").touch()
        with locked(tmp_path / "a.txt"):
            pass
        assert list(tmp_path.iterdir()) == []


class TestForgottenLocks:
    """Locks of killed processes go; those that somebody holds stay."""

    def test_one_that_nobody_holds_is_removed(self, tmp_path: Path):
        lock = tmp_path / "tiny" / ".oracle-0123abcd.case.lock"
        lock.parent.mkdir()
        lock.write_text("process 1 on elsewhere")
        remove_forgotten(tmp_path)
        assert not lock.exists()

    def test_one_that_is_held_stays_and_is_the_lock_still(self, tmp_path: Path):
        with locked(tmp_path / "a.txt"):
            remove_forgotten(tmp_path)
            assert (tmp_path / ".a.txt.lock").exists()

    def test_what_is_only_called_so_stays(self, tmp_path: Path):
        (tmp_path / ".letter.lock").write_text("x" * 1000)
        (tmp_path / ".link.lock").symlink_to(tmp_path / "made")
        remove_forgotten(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {".letter.lock", ".link.lock"}


class TestForgottenDrafts:
    """Drafts of killed writers go when they are old."""

    def draft(self, folder: Path, age: float) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / ".oracle-0123abcd.json.x1y2.draft"
        draft.write_text("{")
        os.utime(draft, (time.time() - age,) * 2)
        return draft

    def test_an_old_one_is_removed(self, tmp_path: Path):
        draft = self.draft(tmp_path / "tiny" / "chat", 2 * DAY)
        remove_forgotten(tmp_path)
        assert not draft.exists()

    def test_a_new_one_may_still_be_written(self, tmp_path: Path):
        draft = self.draft(tmp_path / "tiny" / "chat", DAY / 2)
        remove_forgotten(tmp_path)
        assert draft.exists()

    def test_nothing_else_is_touched(self, tmp_path: Path):
        other = tmp_path / "my.draft"
        other.write_text("a letter")
        os.utime(other, (0, 0))
        remove_forgotten(tmp_path)
        assert other.exists()

    def test_a_session_begins_with_it(self, tmp_path: Path):
        draft = self.draft(tmp_path / "tiny" / "chat", 2 * DAY)
        Store(tmp_path).check_writable()
        assert not draft.exists()

    def test_drafts_are_called_so(self, tmp_path: Path):
        with atomic_file(tmp_path / "oracle-0123abcd.json") as draft:
            os.utime(draft, (0, 0))
            remove_forgotten(tmp_path)
            assert not draft.exists()
            draft.touch()
