"""A server on this machine that speaks the part of the Hub's protocol used here."""

import contextlib
import hashlib
import http.server
import threading
from dataclasses import dataclass, field


@dataclass
class Repository:
    """Files by revision; each revision's name is also one of a commit."""

    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    token: str | None = None
    gated: bool = False
    private: bool = False  # for every token that the server knows
    forbidden: bool = False


@dataclass
class HubServer:
    """Serves repositories; `failures` are answers given before the good ones."""

    repositories: dict[str, Repository]
    failures: list[int] = field(default_factory=list)
    cut_after: list[int] = field(default_factory=list)  # bytes of the next bodies
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    # For uploads: what each token may do, trouble by repository and step, large files
    # by sha256, the steps that were asked for, and the messages of commits.
    tokens: dict[str, str] = field(default_factory=dict)
    trouble: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    steps: list[tuple[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        from hub_uploads import Uploads  # which makes repositories of this file's

        hub = self

        class Handler(Uploads, _Handler):
            pass

        Handler.hub = hub
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def log_message(self, *args):
        return

    def answer(self):
        hub = self.hub
        if "/resolve/" in self.path:  # the client also asks about itself
            request = (self.command, self.path, self.headers.get("Range"))
            hub.requests.append(request)
            if hub.failures:
                return self.refuse(hub.failures.pop(0))
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self.about("/".join(parts[2:4]))
        repository = hub.repositories.get("/".join(parts[:2]))
        if repository is None or parts[2] != "resolve":
            return self.refuse(404, "RepoNotFound")
        revision, rest = parts[3], parts[4:]
        if repository.gated:
            return self.refuse(403, "GatedRepo")
        if repository.forbidden:
            return self.refuse(403)
        if not self.may_read(repository):
            return self.refuse(401, "RepoNotFound")
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            return self.refuse(404, "RevisionNotFound")
        body = repository.commits[commit].get("/".join(rest))
        if body is None:
            return self.refuse(404, "EntryNotFound", X_Repo_Commit=commit)
        return self.give(body, commit)

    def may_read(self, repository):
        if repository.private and self.bearer() not in self.hub.tokens:
            return False
        return repository.token in (None, self.bearer())

    def bearer(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def give(self, body, commit):
        start, status, extra = 0, 200, {}
        wanted = self.headers.get("Range")
        if wanted and self.command == "GET":
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            status = 206
            extra["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        etag = f'"{hashlib.sha1(body).hexdigest()}"'
        self.reply(status, len(body) - start, ETag=etag, X_Repo_Commit=commit, **extra)
        if self.command == "GET":
            part = body[start:]
            if self.hub.cut_after:
                part = part[: self.hub.cut_after.pop(0)]
                self.close_connection = True
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(part)

    def refuse(self, status, code=None, **extra):
        if code:
            extra |= {"X_Error_Code": code, "X_Error_Message": code}
        self.reply(status, 0, **extra)

    def reply(self, status, length, **headers):
        self.send_response(status)
        for name, value in {"Content_Length": length, **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
