"""Folders that a stranger filled: what is in them is told, and nothing of it opened."""

import os
from pathlib import Path

from benchmark.results.folder_scan import irregular, paths_below


def test_entries_are_files_and_links_in_the_order_of_their_names(tmp_path: Path):
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / "b" / "deep" / "file").touch()
    (tmp_path / "a").symlink_to(tmp_path)  # followed, it would never end
    (tmp_path / "c").symlink_to("nowhere")
    os.mkfifo(tmp_path / "d")
    assert paths_below(tmp_path) == [tmp_path / name for name in ("a", "b/deep/file", "c", "d")]


def test_only_files_and_nothing_at_all_may_be_read(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    told = {name: irregular(tmp_path / name) for name in ("file", "missing", "link", "folder", "pipe")}
    assert told.pop("file") is None
    assert told.pop("missing") is None
    assert (told.pop("link") or "").startswith("is a link, ")
    assert set(told.values()) == {"is not a regular file; remove it"}
