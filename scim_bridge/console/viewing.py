"""Saved views of the list of agents: kept and deleted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.acting import sent
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.pages import Pages
from scim_bridge.console.search import address, cleaned, parse
from scim_bridge.console.session import PATH
from scim_bridge.kernel.context import Context
from scim_bridge.registry.views import delete_view, save_view

HERE = f"{PATH}/views"


class Viewing:
    """What the forms of views send."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses: sharing is not everybody's."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, post=self._save),
            f"{HERE}/shared": Screen(ctx, pages, post=self._save),
            f"{HERE}/{{id}}/delete": Screen(ctx, pages, post=self._delete),
            f"{HERE}/shared/{{id}}/delete": Screen(ctx, pages, post=self._delete),
        }

    async def _save(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        search, shared = parse(form.get("q", "")), _shared(request)
        name = cleaned(form.get("name", ""))
        await self._ctx.store.transact(
            session.actor(request), lambda work: save_view(work, name, search.text(), shared=shared)
        )
        return redirect(address(search))

    async def _delete(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        view_id, shared = cleaned(request.path_params["id"]), _shared(request)
        await self._ctx.store.transact(
            session.actor(request), lambda work: delete_view(work, view_id, shared=shared)
        )
        return redirect(address(parse(form.get("q", ""))))


def _shared(request: Request) -> bool:
    return request.url.path.startswith(f"{HERE}/shared")
