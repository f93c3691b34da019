"""A hub on this machine: serves folders as model repositories over HTTP and remembers what was asked for."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Refusal = tuple[int, str] | None
"""A status and the hub's own code for what is wrong, such as 403 and GatedRepo; None where nothing is."""


@contextmanager
def serving(
    root: Path, monkeypatch, cache: Path, refused: Callable[[str], Refusal] = lambda path: None
) -> Iterator[list[str]]:
    """The files that clients fetch from `root/ORGANISATION/NAME`, in order; `cache` becomes their local cache.

    `refused` says which paths are answered with an error.
    """
    fetched: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self._answer(False)

        def do_GET(self):
            self._answer(True)

        def log_message(self, *_):
            pass

        def _answer(self, body: bool) -> None:
            path = self.path.partition("?")[0].strip("/").split("/")
            if refusal := refused(self.path):
                self._send(b"{}", body, *refusal)
            elif path[:2] == ["api", "models"] and (root / path[2] / path[3]).is_dir():
                self._send(json.dumps(_described(root / path[2] / path[3], path[4:])).encode(), body)
            elif (file := root.joinpath(*path[:2], *path[4:])).is_file():
                if body:
                    fetched.append("/".join(path[4:]))
                self._send(file.read_bytes(), body)
            else:
                self._send(b"{}", body, 404)

        def _send(self, content: bytes, body: bool, status: int = 200, code: str = "") -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.end_headers()
            if body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _point_clients_to(f"http://127.0.0.1:{server.server_port}", monkeypatch, cache)
    try:
        yield fetched
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _described(folder: Path, what: list[str]) -> object:
    """What the hub's interface says about a repository: its files, or their sizes (`tree`)."""
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    if what[:1] == ["tree"]:
        return [
            {"type": "file", "path": name, "size": file.stat().st_size, "oid": hashlib.sha1(name.encode()).hexdigest()}
            for name, file in files.items()
        ]
    return {
        "id": folder.name,
        "modelId": folder.name,
        "sha": COMMIT,
        "siblings": [{"rfilename": name} for name in files],
    }


def _point_clients_to(endpoint: str, monkeypatch, cache: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
