"""Reading what a browser's form sends."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.web import read_body

FORM = "application/x-www-form-urlencoded"
MAX_BODY = 16_384


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form; Invalid for anything else."""
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().casefold()
    raw = await read_body(request, MAX_BODY)
    if kind != FORM and raw:
        raise Invalid("form", "This is not a form.", f"Send {FORM}.")
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise Invalid("form", "The form cannot be read.", "Send it again.") from error
