"""The half of the Hub's protocol that writes: repositories, large files, commits."""

import base64
import hashlib
import json

import yaml
from hub_server import Repository

LARGE = (".safetensors", ".bin")  # the Hub's own .gitattributes names many more


def git_blob(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Uploads:
    """Answers to POST and PUT, and to questions about repositories.

    `hub.tokens` says what each token may do, `hub.trouble` which status a step of
    an upload to a repository gets instead of the good answer, and how often.
    """

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def do_POST(self):
        body = self.read_body()
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            return self.create(json.loads(body))
        if parts == ["api", "validate-yaml"]:
            return self.validate(json.loads(body)["content"])
        if parts[:2] == ["api", "models"] and parts[4] in ("preupload", "commit"):
            answer = getattr(self, parts[4])
            return self.write("/".join(parts[2:4]), parts[4], answer, body)
        if parts[2:] == ["info", "lfs", "objects", "batch"]:
            name = "/".join(parts[:2]).removesuffix(".git")
            return self.write(name, "batch", self.batch, body)
        if parts[2:] == ["lfs", "verify"]:
            return self.write("/".join(parts[:2]), "verify", self.verify, body)
        return self.refuse(404)

    def do_PUT(self):
        body = self.read_body()
        org, name, _, oid = self.path.strip("/").split("/")
        # The address is signed: there is no token in this request.
        if self.troubled(f"{org}/{name}", "put"):
            return None
        if hashlib.sha256(body).hexdigest() != oid:
            return self.refuse(400)
        self.hub.large[oid] = body
        return self.send_json({})

    def write(self, name, step, answer, body):
        """Check the right to write to a repository before the answer."""
        role = self.hub.tokens.get(self.bearer())
        if role is None:
            return self.refuse(401)
        if name not in self.hub.repositories:
            return self.refuse(404, "RepoNotFound")
        if role != "write":
            return self.refuse(403, X_Error_Message="Forbidden: read-only token")
        if self.troubled(name, step):
            return None
        return answer(name, body)

    def troubled(self, name, step) -> bool:
        self.hub.steps.append((name, step))
        waiting = self.hub.trouble.get((name, step))
        if waiting:
            self.refuse(waiting.pop(0))
            return True
        return False

    # === The steps, in order ===

    def create(self, wanted):
        hub, role = self.hub, self.hub.tokens.get(self.bearer())
        name = f"{wanted['organization'] or 'someone'}/{wanted['name']}"
        if role is None:
            return self.refuse(401, X_Error_Message="Invalid username or password.")
        if role != "write" or not name.startswith("someone/"):
            return self.refuse(403, X_Error_Message="You may not create this")
        if self.troubled(name, "create"):
            return None
        url = {"url": f"{hub.url}/{name}"}
        if name in hub.repositories:
            return self.send_json({"error": "It exists already", **url}, 409)
        private = wanted.get("visibility") == "private"
        empty = "0" * 40
        made = Repository({empty: {}}, {"main": empty}, private=private)
        hub.repositories[name] = made
        return self.send_json(url)

    def validate(self, content):
        head = yaml.safe_load(content.split("---\n")[1])
        good = isinstance(head, dict) and head.get("library_name")
        errors = [] if good else [{"message": "no head"}]
        return self.send_json({"warnings": [], "errors": errors}, 200 if good else 400)

    def preupload(self, name, body):
        repository = self.hub.repositories[name]
        there = repository.commits[repository.branches["main"]]
        answers = []
        for file in json.loads(body)["files"]:
            large = file["path"].endswith(LARGE)
            answer = {"path": file["path"], "shouldIgnore": False}
            answer["uploadMode"] = "lfs" if large else "regular"
            if file["path"] in there:
                old = there[file["path"]]
                sha256 = hashlib.sha256(old).hexdigest()
                answer["oid"] = sha256 if large else git_blob(old)
            answers.append(answer)
        return self.send_json({"files": answers})

    def batch(self, name, body):
        objects = []
        for item in json.loads(body)["objects"]:
            if item["oid"] not in self.hub.large:
                address = f"{self.hub.url}/{name}/lfs"
                item["actions"] = {
                    "upload": {"href": f"{address}/{item['oid']}"},
                    "verify": {"href": f"{address}/verify"},
                }
            objects.append(item)
        return self.send_json({"transfer": "basic", "objects": objects})

    def verify(self, name, body):
        wanted = json.loads(body)
        found = self.hub.large.get(wanted["oid"])
        good = found is not None and len(found) == wanted["size"]
        return self.send_json({}, 200 if good else 404)

    def commit(self, name, body):
        repository = self.hub.repositories[name]
        files = dict(repository.commits[repository.branches["main"]])
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            else:
                self.hub.messages.append(value["summary"])
        commit = hashlib.sha1(body).hexdigest()
        repository.commits[commit] = files
        repository.branches["main"] = commit
        url = f"{self.hub.url}/{name}/commit/{commit}"
        return self.send_json({"commitUrl": url, "commitOid": commit, "success": True})

    # === Questions ===

    def about(self, name):
        """What the Hub says of a repository: its commit, its files."""
        repository = self.hub.repositories.get(name)
        if repository is None or not self.may_read(repository):
            return self.refuse(404 if repository is None else 401, "RepoNotFound")
        commit = repository.branches["main"]
        files = []
        for path, body in repository.commits[commit].items():
            file = {"rfilename": path, "size": len(body), "blobId": git_blob(body)}
            if path.endswith(LARGE):
                sha256 = hashlib.sha256(body).hexdigest()
                file["lfs"] = {"sha256": sha256, "size": len(body), "pointerSize": 134}
            files.append(file)
        about = {"id": name, "sha": commit, "private": repository.private}
        return self.send_json({**about, "siblings": files})

    def send_json(self, value, status=200):
        body = json.dumps(value).encode()
        self.reply(status, len(body), Content_Type="application/json")
        self.wfile.write(body)
