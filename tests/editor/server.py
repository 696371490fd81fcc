"""Texts of documents enter; what yaml-language-server tells an editor about them leaves.

A client of the Language Server Protocol over standard input and output, with what the session
asks: diagnostics, completions and hovers.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SERVER = HERE / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
SETTINGS = {
    "yaml": {"schemaStore": {"enable": False}, "hover": True, "completion": True}
}


class Server:
    """One server process; documents are named by what they are opened as."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [os.environ.get("NODE", "node"), str(SERVER), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._count = 0
        self._published: dict[str, list[dict[str, Any]]] = {}
        capabilities = {
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": True}},
                "hover": {"contentFormat": ["markdown"]},
            },
            "workspace": {"configuration": True},
        }
        self._ask(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": folder.as_uri(),
                "capabilities": capabilities,
            },
        )
        self._tell("initialized", {})

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self._ask("shutdown", None)
        self._tell("exit", None)
        self._process.communicate(timeout=30)

    def open(self, name: str, text: str) -> list[dict[str, Any]]:
        """Opens a document of the folder; its diagnostics."""
        uri = (self.folder / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        while uri not in self._published:
            self._handle(self._read())
        return self._published.pop(uri)

    def completions(self, name: str, line: int, column: int) -> list[dict[str, Any]]:
        """What is offered at a place (from 0); in the order in which it is shown."""
        found = self._ask("textDocument/completion", self._place(name, line, column))
        items: list[dict[str, Any]] = (
            found["items"] if isinstance(found, dict) else found
        )
        return sorted(items, key=lambda item: item.get("sortText", item["label"]))

    def hover(self, name: str, line: int, column: int) -> str:
        """The text shown at a place; empty where there is none."""
        found = self._ask("textDocument/hover", self._place(name, line, column))
        if not found:
            return ""
        contents = found["contents"]
        text: str = contents["value"] if isinstance(contents, dict) else str(contents)
        return text

    def _place(self, name: str, line: int, column: int) -> dict[str, Any]:
        return {
            "textDocument": {"uri": (self.folder / name).as_uri()},
            "position": {"line": line, "character": column},
        }

    def _ask(self, method: str, params: Any) -> Any:
        self._count += 1
        number = self._count
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message.get("result")
            self._handle(message)

    def _tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _handle(self, message: dict[str, Any]) -> None:
        """Answers what the server asks, and keeps what it publishes."""
        method = message.get("method")
        if method == "textDocument/publishDiagnostics":
            params = message["params"]
            self._published[params["uri"]] = params["diagnostics"]
        elif method == "workspace/configuration":
            asked = message["params"]["items"]
            result = [SETTINGS.get(item.get("section", ""), {}) for item in asked]
            self._send({"id": message["id"], "result": result})
        elif "id" in message:
            self._send({"id": message["id"], "result": None})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise RuntimeError("the language server has ended")
        message: dict[str, Any] = json.loads(stream.read(length))
        return message
