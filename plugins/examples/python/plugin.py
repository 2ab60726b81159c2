"""A secret store that speaks JSON over HTTP, as a backend of Keyhole: `backendType: examplePython`.

    GET ADDRESS/v1/secrets/KEY                          {"value": "...", "version": "3"}    ETag: "3"
    GET ADDRESS/v1/secrets?prefix=PATH&recursive=BOOL   {"secrets": [{"key": "...", "value": "...", "version": "3"}]}

The store wants a bearer token. The host adds it on the way out; this plugin never sees it.
"""

import json
from urllib.parse import urlencode

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.keyhole_backend_types import (
    BackendType,
    Call,
    Content_Text,
    CredentialWant_Header,
    Description,
    ErrorKind_Invalid,
    ErrorKind_NotFound,
    NamedValue,
    Outcome,
    Outcome_Failed,
    Outcome_Unchanged,
    Outcome_Value,
    Outcome_Values,
    Problem,
    Request,
    Selector_Prefix,
    Value,
)

import http_json
from http_json import encode_path, failure

SETTINGS = {
    "type": "object",
    "required": ["address"],
    "properties": {
        "address": {"type": "string", "description": "Where the store is, e.g. https://store.example.com."},
        "prefix": {
            "type": "string",
            "default": "",
            "description": "Put before every key and path, e.g. team-a.",
            "x-keyhole-scope": "object",
        },
    },
}


class Backend(exports.Backend):
    def describe(self) -> Description:
        return Description(
            name="example-python",
            version="0.1.0",
            backend_types=[BackendType(name="examplePython", aliases=[])],
            settings_schema=json.dumps(SETTINGS),
            options_schema=json.dumps({"type": "object", "additionalProperties": False}),
            hosts=[],
            credentials=[CredentialWant_Header("authorization")],
            max_batch=50,
            metadata="{}",
        )

    def validate(self, settings: str) -> list[Problem]:
        members = json.loads(settings)
        problems = []
        if not members.get("address", "").startswith(("https://", "http://")):
            problems.append(Problem("/address", "must be a URL such as https://store.example.com"))
        if encode_path(members.get("prefix", "")) is None:
            problems.append(Problem("/prefix", "must not lead out of its folder by `.` or `..`"))
        return problems

    def fetch(self, call: Call, requests: list[Request]) -> list[Outcome]:
        """Each request has an outcome of its own: one that fails must not take the others with it."""
        store = Store(**json.loads(call.settings))
        return [store.outcome(request) for request in requests]


class Store:
    def __init__(self, address: str, prefix: str = "", **_: object) -> None:
        self.secrets = address.rstrip("/") + "/v1/secrets"
        self.prefix = prefix

    def outcome(self, request: Request) -> Outcome:
        try:
            if isinstance(request.selector, Selector_Prefix):
                return self.values(request.selector.value.path, request.selector.value.recursive)
            return self.value(request.selector.value, request.known_version)
        except Err as failed:
            return Outcome_Failed(failed.value)

    def value(self, key: str, known_version: str | None) -> Outcome:
        path = encode_path(join(self.prefix, key))
        if path is None:
            raise failure(ErrorKind_Invalid("/key"), f"{json.dumps(key)} leads out of its folder")
        headers = {} if known_version is None else {"if-none-match": f'"{known_version}"'}
        answer = http_json.get(f"{self.secrets}/{path}", headers)
        if answer.status == 304 and known_version is not None:
            return Outcome_Unchanged()
        if answer.status == 404:
            raise failure(ErrorKind_NotFound(), f"no secret {json.dumps(key)} in the store")
        entry = answer.json()
        return Outcome_Value(Value(Content_Text(entry["value"]), entry["version"]))

    def values(self, path: str, recursive: bool) -> Outcome:
        query = urlencode({"prefix": join(self.prefix, path), "recursive": str(recursive).lower()})
        listing = http_json.get(f"{self.secrets}?{query}").json()
        return Outcome_Values([named(**entry) for entry in listing["secrets"]])


def named(key: str, value: str, version: str, **_: object) -> NamedValue:
    """The last part of the key is the name that the value gets in the Secret."""
    return NamedValue(key.rsplit("/", 1)[-1], key, Content_Text(value), version)


def join(*parts: str) -> str:
    return "/".join(stripped for part in parts if (stripped := part.strip("/")))
