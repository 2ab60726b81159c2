"""HTTP and JSON through `wasi:http`, with errors in the contract's terms.

What is raised here is shown to the user, so it holds method, host, path and status, never a body or a query.
"""

import json
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports.keyhole_backend_types import (
    Error,
    ErrorKind,
    ErrorKind_Denied,
    ErrorKind_NotFound,
    ErrorKind_Other,
    ErrorKind_Throttled,
    ErrorKind_TooLarge,
    ErrorKind_Unauthenticated,
    ErrorKind_Unavailable,
)
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.wasi_http_types import (
    Fields,
    IncomingResponse,
    OutgoingRequest,
    Scheme_Http,
    Scheme_Https,
)

BODY_LIMIT = 4 << 20


@dataclass
class Answer:
    url: str
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        """The JSON of a success; every other status is an error."""
        if self.status // 100 != 2:
            raise failure(self.kind(), f"the store answered {self.status} to GET {self.url}")
        try:
            return json.loads(self.body)
        except ValueError:
            raise failure(ErrorKind_Other("unreadable-answer"), f"no JSON came from GET {self.url}") from None

    def kind(self) -> ErrorKind:
        seconds = self.headers.get("retry-after", "")
        after = int(seconds) * 1000 if seconds.isdecimal() else None
        match self.status:
            case 401:
                return ErrorKind_Unauthenticated()
            case 403:
                return ErrorKind_Denied()
            case 404:
                return ErrorKind_NotFound()
            case 429:
                return ErrorKind_Throttled(after)
            case status if status >= 500:
                return ErrorKind_Unavailable(after)
            case status:
                return ErrorKind_Other(f"http-{status}")


def get(url: str, headers: dict[str, str] | None = None) -> Answer:
    """Any status is an answer."""
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
    request = OutgoingRequest(Fields.from_list([(name, value.encode()) for name, value in (headers or {}).items()]))
    request.set_scheme(Scheme_Https() if parts.scheme == "https" else Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path + (f"?{parts.query}" if parts.query else ""))
    try:
        response = sent(request)
        fields = response.headers().entries()
        body = read(response)
    except Err as failed:
        if isinstance(failed.value, Error):
            raise
        raise failure(ErrorKind_Unavailable(None), f"no answer to GET {shown}") from None
    return Answer(shown, response.status(), {name.lower(): value.decode("latin-1") for name, value in fields}, body)


def sent(request: OutgoingRequest) -> IncomingResponse:
    future = outgoing_handler.handle(request, None)
    future.subscribe().block()
    match future.get():
        case Ok(Ok(response)):
            return response
        case Ok(Err() as failed):
            raise failed
        case other:
            raise Err(other)


def read(response: IncomingResponse) -> bytes:
    # The stream belongs to the body, and is closed before it.
    with response.consume() as body, body.stream() as stream:
        read = bytearray()
        while True:
            try:
                read += stream.blocking_read(64 << 10)
            except Err as ended:
                if isinstance(ended.value, StreamError_Closed):
                    return bytes(read)
                raise
            if len(read) > BODY_LIMIT:
                raise failure(ErrorKind_TooLarge(), f"an answer of the store is larger than {BODY_LIMIT} bytes")


def failure(kind: ErrorKind, message: str) -> Err:
    """To be raised."""
    return Err(Error(kind, message, None))


def encode_path(key: str) -> str | None:
    """A key as a path, or nothing when a part of it is `.` or `..`.

    Servers take these for folders, so the author of an ExternalSecret could walk out of the prefix that the
    administrator set.
    """
    parts = key.split("/")
    return None if "." in parts or ".." in parts else "/".join(quote(part, safe="") for part in parts)
