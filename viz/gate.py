"""Who may talk to the app's server: one gate in front of every page, file and web socket.

A web site that a reader has open in another tab can send requests to this machine; another user of
the machine can too. :class:`Gate` lets pass whoever asks by the server's own name (against DNS
rebinding), from the server's own pages (against requests that a foreign page forges) and with the
key that only the server's terminal has told (against other users). ``docs/app.md`` says what that
does not keep out.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Addresses of all interfaces; readers come by any of them.
EVERY_ADDRESS = ("0.0.0.0", "::")
# Name of the key in an address, as Jupyter has it.
KEY = "token"

# Vue compiles its templates in the page, hence eval; all else comes from this server only. Browsers
# that count no web socket among 'self' are told its address.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "connect-src 'self' ws://{host} data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_NOT_THIS_SERVER = "Refused: the name or the port in this address is not the server's own."
_FOREIGN_PAGE = "Refused: this was sent by a page that is not the server's own."
_NO_KEY = "Refused: open the address that the app's terminal has printed; it holds the key."


class Gate:
    """ASGI application that asks three things before another one hears of a request.

    Parameters
    ----------
    app : ASGI application
    names : iterable of str
        Names and addresses that the server may be asked by, without port.
    port : int
    key : str
        Secret that a reader must know: in the address of the first page, then as a cookie.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], port: int, key: str) -> None:
        self._app = app
        self._names = {name.lower() for name in names}
        self._any_address = not self._names.isdisjoint(EVERY_ADDRESS)
        self._port = port
        self._key = key

    @property
    def cookie(self) -> str:
        """Name of the cookie; a browser has one set of cookies for all ports of a machine."""
        return f"dman-cep-{self._port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, refusal = self._own_host(headers), ""
        if host is None:
            refusal = _NOT_THIS_SERVER
        elif not _own_page(headers, host, socket=scope["type"] == "websocket"):
            refusal = _FOREIGN_PAGE
        elif scope["type"] == "http" and (clean := self._without_key(scope)) is not None:
            await self._hand_over(clean)(scope, receive, send)
            return
        elif not self._knows_key(headers):
            refusal = _NO_KEY
        if refusal:
            await _refuse(refusal, scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send, str(host)))

    def _own_host(self, headers: Headers) -> str | None:
        """What the server was asked by, if that is a name of its own with its own port."""
        given = headers.getlist("host")
        if len(given) != 1:
            return None
        try:
            parts = urlsplit(f"//{given[0]}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return None
        if parts.netloc != given[0] or "@" in given[0] or port != self._port:
            return None
        return given[0] if name in self._names or self._is_own_address(name) else None

    def _is_own_address(self, name: str) -> bool:
        """Whether it is a bare address and all are served; rebinding needs a name."""
        if not self._any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _without_key(self, scope: Scope) -> str | None:
        """Address of the first page without the key, if the right one is in it."""
        if scope["method"] != "GET" or scope["path"] != "/":
            return None
        words = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not any(name == KEY and self._is_key(value) for name, value in words):
            return None
        rest = urlencode([(name, value) for name, value in words if name != KEY])
        return f"/?{rest}" if rest else "/"

    def _hand_over(self, address: str) -> RedirectResponse:
        """Move the key from the address into a cookie, out of sight and of history."""
        answer = RedirectResponse(address, status_code=303, headers=_HEADERS)
        # Lax, so that a link in a chat opens the page; what a page sends is held to its origin.
        answer.set_cookie(self.cookie, self._key, path="/", httponly=True, samesite="lax")
        return answer

    def _knows_key(self, headers: Headers) -> bool:
        jar: SimpleCookie = SimpleCookie()
        for line in headers.getlist("cookie"):
            try:
                jar.load(line)
            except CookieError:
                return False
        return self.cookie in jar and self._is_key(jar[self.cookie].value)

    def _is_key(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._key.encode())


def _own_page(headers: Headers, host: str, *, socket: bool) -> bool:
    """Whether a page of this server sent it.

    Browsers name the sender of every web socket and of all that may change something; a plain look
    at a page has none.
    """
    senders = headers.getlist("origin")
    if not senders:
        return not socket
    return senders == [f"http://{host}"]


async def _refuse(why: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted: the server answers 403.
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    await PlainTextResponse(f"{why}\n", status_code=403, headers=_HEADERS)(scope, receive, send)


def _with_headers(send: Send, host: str) -> Send:
    """Tell the browser too: no frames, and nothing from or to other machines."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS | {"content-security-policy": _POLICY.format(host=host)})
        await send(message)

    return sending
