"""Forms of pages that change something: whether one is genuine, and what it says."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from scim_bridge.console.door import same_site
from scim_bridge.console.forms import MAX_BODY, read_form
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import Session, genuine_form
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, Invalid

LONGEST_REASON = 500


async def decided(ctx: Context, request: Request, session: Session) -> tuple[str, str]:
    """The verdict and the reason on a genuine form; Forbidden for another session's, Invalid without a reason."""
    form = await sent(ctx, request, session)
    return cleaned(form.get("verdict", "")), reason_in(form)


async def sent(ctx: Context, request: Request, session: Session, most: int = MAX_BODY) -> dict[str, str]:
    """The fields of a genuine form; Forbidden for one of another site or session."""
    same_site(ctx, request)
    form = await read_form(request, most)
    if not genuine_form(ctx, session, form.get("form_key", "")):
        raise Forbidden("form-key", "This form is not from your session.", "Load the page again.")
    return form


def reason_in(form: Mapping[str, str]) -> str:
    """The reason on a form; Invalid without one."""
    reason = cleaned(form.get("reason", ""))
    if not reason:
        raise Invalid("reason", "A reason is needed.", "Go back and say why; it is kept and shown.")
    return reason[:LONGEST_REASON]
