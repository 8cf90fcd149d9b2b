"""What holds for every request before a page sees it: its size, its origin, and the headers of the answer."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY, LONGEST_URL = 64_000, 4_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware: refuses long bodies, long addresses and foreign origins; adds the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
            await send(message)

        if (refusal := _refusal(scope, headers)) is not None:
            await refusal(scope, receive, send_guarded)
            return
        received = 0

        async def receive_limited() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MOST_BODY:
                raise BodyTooLongError
            return message

        try:
            await self._app(scope, receive_limited, send_guarded)
        except BodyTooLongError:
            await _too_long()(scope, receive, send_guarded)


class BodyTooLongError(Exception):
    """A body that came in parts was longer than any form is."""


def _too_long() -> PlainTextResponse:
    return PlainTextResponse("the request is longer than any form of the desk", status_code=413)


def _refusal(scope: Scope, headers: Headers) -> PlainTextResponse | None:
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MOST_BODY:
        return _too_long()
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URL:
        return PlainTextResponse("the address is too long", status_code=414)
    origin = headers.get("origin")
    is_foreign = origin is not None and urlsplit(origin).netloc != headers.get("host", "")
    if scope["method"] not in SAFE and (is_foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site")):
        return PlainTextResponse("the request comes from another site", status_code=403)
    return None


__all__ = ["HEADERS", "Guard"]
