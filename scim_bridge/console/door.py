"""The console's door: each address its methods, every answer with the headers pages need, no insides shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scim_bridge.console.pages import Pages
from scim_bridge.console.session import PATH, Session, form_key, session_of
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Forbidden, StoreUnavailable
from scim_bridge.kernel.pages import SECURITY, html
from scim_bridge.kernel.web import problem_headers, request_id

log = structlog.get_logger("scim_bridge.console")

SIGN_IN = f"{PATH}/sign-in"
Handler = Callable[[Request], Awaitable[Response]]
Guard = Callable[[Request], Awaitable[None]]
# Unlike a link in a mail, a page here has no secret in its address; its forms need their Origin.
HEADERS = {**SECURITY, "referrer-policy": "same-origin"}


class WrongMethod(BridgeError):
    """The address exists and does not know this method."""

    status = 405


class Defect(BridgeError):
    """Something broke in our own code."""

    status = 500


class Screen:
    """One address of the console as an ASGI application."""

    def __init__(self, ctx: Context, pages: Pages, **methods: Handler) -> None:
        self._ctx = ctx
        self._pages = pages
        self._methods = {name.upper(): handler for name, handler in methods.items()}
        # Who may come here; `routes` puts one in front of every screen.
        self.guard: Guard | None = None
        if "GET" in self._methods:
            self._methods.setdefault("HEAD", self._methods["GET"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Elsewhere as away:
            response = away.response
        except BridgeError as error:
            response = await self._problem(request, error)
        except Exception:
            log.exception("console.failed", action="console.failed", request_id=request_id(request))
            fix = f"It was logged under request id {request_id(request)}."
            response = await self._problem(request, Defect("internal", "Something went wrong here.", fix))
        for name, value in HEADERS.items():
            response.headers[name] = value
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        handler = self._methods.get(request.method)
        if handler is None:
            raise WrongMethod(
                "method",
                f"{request.method[:20]} is not known here.",
                "Follow a link instead of repeating a form.",
            )
        if self.guard is not None:
            await self.guard(request)
        return await handler(request)

    @property
    def methods(self) -> frozenset[str]:
        """What may be asked of it."""
        return frozenset(self._methods)

    async def _problem(self, request: Request, error: BridgeError) -> Response:
        session = None
        with suppress(StoreUnavailable):
            session = await session_of(self._ctx, request)
        key = form_key(self._ctx, session) if session is not None else ""
        headers = problem_headers(error)
        headers.pop("www-authenticate", None)
        if isinstance(error, WrongMethod):
            headers["allow"] = ", ".join(sorted(self._methods))
        onward = getattr(error, "url", "")
        back = "" if onward or session is None else came_from(request)
        return html(self._pages.problem(error, session, key, onward, back), error.status, headers)


def came_from(request: Request) -> str:
    """The page of the console a form was on, when the browser says so; empty for anything else."""
    parts = _parts(request.headers.get("referer", ""))
    if parts is None:
        return ""
    inside = parts.path == PATH or parts.path.startswith(f"{PATH}/")
    if request.method != "POST" or parts.netloc != request.headers.get("host") or not inside:
        return ""
    return _within(parts)


def redirect(address: str, *cookies: str) -> Response:
    """Go on with a GET of another page."""
    response = RedirectResponse(address, 303, {"cache-control": "no-store"})
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def same_site(ctx: Context, request: Request) -> None:
    """Forbidden when a browser says that another site sent this form."""
    refusal = Forbidden("cross-site", "This form came from another site.", "Open the console and try again.")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise refusal
    origin = request.headers.get("origin")
    if origin is None:
        return
    there = _parts(origin)
    if there is None or there.netloc not in {
        request.headers.get("host", ""),
        urlsplit(ctx.public_url).netloc,
    }:
        raise refusal


def _parts(text: str) -> SplitResult | None:
    """An address in its parts; None for what a browser would not send (`http://[`)."""
    with suppress(ValueError):
        return urlsplit(text)
    return None


def _within(parts: SplitResult) -> str:
    """An address without the host it is at."""
    return parts.path + (f"?{parts.query}" if parts.query else "")


class Elsewhere(Exception):
    """The answer is to go to another page."""

    def __init__(self, response: Response) -> None:
        super().__init__("elsewhere")
        self.response = response


async def required_session(ctx: Context, request: Request) -> Session:
    """Who is signed in; Elsewhere leads everybody else to the sign-in, and back: to the page a form was on."""
    session = await session_of(ctx, request)
    if session is None:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        then = here if request.method in ("GET", "HEAD") else came_from(request)
        raise Elsewhere(redirect(sign_in_url(then)))
    return session


def again_url(session: Session, back: str) -> str:
    """Where somebody proves once more who they are, and comes back from to the page `back`."""
    parts = _parts(back)
    then = PATH if parts is None else _within(parts)
    query = urlencode({"again": "1", "next": then})
    return f"{SIGN_IN}/begin?{query}" if session.person_id is not None else f"{SIGN_IN}?{query}"


def sign_in_url(then: str) -> str:
    """Where one signs in, and comes back from to `then`."""
    return f"{SIGN_IN}?{urlencode({'next': then})}" if then else SIGN_IN
