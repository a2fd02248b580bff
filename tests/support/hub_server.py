"""A real server on this machine that speaks the hub's protocol."""

import hashlib
import http.server
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
GONE = 410  # an error that the client does not try again for half a minute


@dataclass
class Repo:
    """A repository of the hub: its files, and how the hub treats those who ask for it."""

    files: dict[str, bytes]
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes to claim instead of the real ones."""
    commit: str = COMMIT
    gguf: dict[str, int] | None = None
    """What the hub tells of the GGUF files of a repository that has some."""
    gated: bool = False
    forbidden: bool = False

    def size(self, name: str) -> int:
        return self.sizes.get(name, len(self.files[name]))


class HubServer(http.server.ThreadingHTTPServer):
    """As much of the hub as `huggingface_hub` asks for, with a log of what it asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.log: list[str] = []
        self.broken: dict[str, int] = {}
        """Parts of paths that are answered with an error of this code."""
        self.slow: dict[str, float] = {}
        """Parts of paths whose content is answered after so many seconds."""
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        # Some versions of the client report which program uses them; that has nothing to do with our requests.
        if path == "/api/agent-harnesses":
            return self._answer(404)
        self.server.log.append(f"{self.command} {path}")
        for part, code in self.server.broken.items():
            if part in path:
                return self._answer(code)
        if self.command == "GET":
            time.sleep(sum(seconds for part, seconds in self.server.slow.items() if part in path))
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            repo = self._repo(parts[1], "/".join(parts[2:4]))
            return self._api(repo, "/".join(parts[2:4]), *parts[4:6]) if repo else None
        kind = "datasets" if parts[0] == "datasets" else "models"
        parts = parts[1:] if kind == "datasets" else parts
        repo = self._repo(kind, "/".join(parts[:2]))
        return self._file(repo, parts[3], "/".join(parts[4:])) if repo else None

    def _repo(self, kind: str, name: str) -> Repo | None:
        repo = self.server.repos.get((kind, name))
        if repo is None:
            # What the hub says to those who show no token, for missing and private repositories alike.
            self._answer(401, {"X-Error-Code": "RepoNotFound"})
        elif repo.forbidden:
            self._answer(403)
            return None
        return repo

    def _api(self, repo: Repo, name: str, what: str = "revision", revision: str = "main") -> None:
        if revision not in ("main", repo.commit):
            return self._answer(404, {"X-Error-Code": "RevisionNotFound"})
        if what == "tree":
            tree = [{"type": "file", "path": f, "size": repo.size(f), "oid": _sha1(repo.files[f])} for f in repo.files]
            return self._answer(200, body=json.dumps(tree).encode())
        siblings = [{"rfilename": name, "size": repo.size(name)} for name in repo.files]
        info = {"id": name, "modelId": name, "sha": repo.commit, "siblings": siblings, "gated": repo.gated, "tags": []}
        info |= {"gguf": repo.gguf} if repo.gguf else {}
        return self._answer(200, body=json.dumps(info).encode())

    def _file(self, repo: Repo, revision: str, name: str) -> None:
        commit = {"X-Repo-Commit": repo.commit}
        if repo.gated:
            return self._answer(403, {"X-Error-Code": "GatedRepo"})
        if revision not in ("main", repo.commit):
            return self._answer(404, {"X-Error-Code": "RevisionNotFound"})
        if name not in repo.files:
            return self._answer(404, {"X-Error-Code": "EntryNotFound", **commit})
        return self._answer(200, {"ETag": f'"{_sha1(repo.files[name])}"', **commit}, repo.files[name])

    def _answer(self, code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(code)
        for header, value in (headers or {}).items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
