"""Reading what a browser's form sends."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.web import read_body

FORM = "application/x-www-form-urlencoded"
MAX_BODY = 16_384
MAX_LONG = 65_536


async def read_form(request: Request, most: int = MAX_BODY) -> dict[str, str]:
    """The fields of a urlencoded form of at most so many bytes; Invalid for anything else."""
    return dict(await _pairs(request, most, 20))


async def read_form_list(request: Request) -> dict[str, list[str]]:
    """The fields of a form in which a name may come more than once."""
    fields: dict[str, list[str]] = {}
    for name, value in await _pairs(request, MAX_LONG, 1000):
        fields.setdefault(name, []).append(value)
    return fields


async def _pairs(request: Request, most: int, fields: int) -> list[tuple[str, str]]:
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().casefold()
    raw = await read_body(request, most)
    if kind != FORM and raw:
        raise Invalid("form", "This is not a form.", f"Send {FORM}.")
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=fields)
    except ValueError as error:
        raise Invalid("form", "The form cannot be read.", "Send it again.") from error
