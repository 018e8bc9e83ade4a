"""A stand-in for the Hugging Face hub: repositories from folders, over HTTP on this machine, some of them gated."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse


class Handler(BaseHTTPRequestHandler):
    """What huggingface_hub asks for: a repository's list of files, and the files."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        hub, path = self.server, unquote(urlparse(self.path).path)
        hub.asked.append(path)
        for repository, (folder, revision, gated) in hub.repositories.items():
            if repository not in path:
                continue
            if gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self.send(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}, b"{}")
            files = sorted(str(file.relative_to(folder)) for file in Path(folder).rglob("*") if file.is_file())
            if path.startswith("/api/models/") and "/tree/" in path:
                sizes = {name: (Path(folder) / name).stat().st_size for name in files}
                tree = [{"type": "file", "path": name, "size": size, "oid": name} for name, size in sizes.items()]
                return self.send(200, {"Content-Type": "application/json"}, json.dumps(tree).encode())
            if path.startswith("/api/models/"):
                info = {"id": repository, "sha": revision, "siblings": [{"rfilename": name} for name in files]}
                return self.send(200, {"Content-Type": "application/json"}, json.dumps(info).encode() if body else b"")
            name = path.partition(f"/resolve/{revision}/")[2]
            if name in files:
                content = (Path(folder) / name).read_bytes()
                headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": revision}
                return self.send(200, {**headers, "Content-Length": str(len(content))}, content if body else b"")
        return self.send(404, {"X-Error-Code": "EntryNotFound"}, b"")

    def send(self, status, headers, content):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Nothing: the tests look at `asked`."""


class Hub(ThreadingHTTPServer):
    """`add` repositories, point HF_ENDPOINT to `url`; `asked` lists the paths that were asked for."""

    def __init__(self, token="a-token"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.token, self.repositories, self.asked = token, {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, repository, folder, revision, gated=False):
        self.repositories[repository] = (folder, revision, gated)
