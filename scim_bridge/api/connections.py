"""Connections and tokens. A secret comes in and never out; a token is shown once, in the answer that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import (
    ANYTHING,
    AT,
    FREE,
    TEXT,
    TRUTH,
    Schema,
    closed,
    many,
    maybe,
    page_of,
    ref,
    text,
    whole,
)
from scim_bridge.kernel.clock import DAY, SECOND, iso
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connection_settings import KINDS
from scim_bridge.registry.connections import (
    Connection,
    configure_connection,
    connection,
    connections,
    create_connection,
)
from scim_bridge.registry.expiry import standing
from scim_bridge.registry.rotation import rotate_token
from scim_bridge.registry.tokens import (
    API_SCOPES,
    CONNECTION_SCOPES,
    SIGNALS,
    create_token,
    revoke_token,
    tokens,
)
from scim_bridge.sync.features import features_of

CONNECTIONS, TOKENS = "Connections", "Tokens"
SCOPES = tuple(dict.fromkeys((*CONNECTION_SCOPES, SIGNALS, *API_SCOPES)))
SETTINGS: Schema = {
    "type": "object",
    "description": "see `scim-bridge connections settings`; null removes one",
    "additionalProperties": maybe(text(most=4000)),
    "maxProperties": 100,
}
SECRETS: Schema = {
    "type": "object",
    "description": "the credentials to push with, all of them; they are sealed and never shown",
    "additionalProperties": ANYTHING,
    "writeOnly": True,
}
SCHEMAS: Mapping[str, Schema] = {
    "Connection": closed(
        {
            "id": TEXT,
            "name": TEXT,
            "kind": TEXT,
            "dialect": TEXT,
            "push": TRUTH,
            "settings": FREE,
            "created": AT,
            "features": many(closed({"name": TEXT, "usable": TRUTH, "reason": TEXT, "at": AT})),
        }
    ),
    "ConnectionLine": closed(
        {
            "id": TEXT,
            "name": TEXT,
            "kind": TEXT,
            "dialect": TEXT,
            "push": TRUTH,
            "created": AT,
            "last_call": maybe(AT),
        }
    ),
    "Token": closed(
        {
            "id": TEXT,
            "connection": maybe(TEXT),
            "label": TEXT,
            "hint": TEXT,
            "scopes": many(TEXT),
            "state": TEXT,
            "created": AT,
            "expires": maybe(AT),
            "last_used": maybe(AT),
            "revoked": maybe(AT),
            "successor": maybe(TEXT),
        }
    ),
    "NewToken": closed({"id": TEXT, "token": {**TEXT, "description": "shown this once"}}),
    "RotatedToken": closed(
        {"id": TEXT, "token": TEXT, "expires": maybe(AT), "old_id": TEXT, "old_expires": AT}
    ),
}


def _when(instant: int | None) -> str | None:
    return None if instant is None else iso(instant)


async def list_connections(asked: Asked) -> dict[str, Any]:
    """GET /connections."""
    return {"items": [_line(each) for each in await connections(asked.reader)]}


def _line(of: Connection) -> dict[str, Any]:
    return {
        "id": of.id,
        "name": of.name,
        "kind": of.kind,
        "dialect": of.dialect,
        "push": of.has_secrets,
        "created": iso(of.created),
        "last_call": _when(of.last_call),
    }


async def show(asked: Asked) -> dict[str, Any]:
    """GET /connections/{connection}: without its last call, which changes with each one."""
    return await _shown(asked, asked.path["connection"])


async def _shown(asked: Asked, name: str) -> dict[str, Any]:
    of = await connection(asked.reader, name)
    told = {key: value for key, value in _line(of).items() if key != "last_call"}
    features = [
        {"name": each.name, "usable": each.usable, "reason": each.reason, "at": iso(at)}
        for each, at in await features_of(asked.reader, of.id)
    ]
    return {**told, "settings": of.settings, "features": features}


async def create(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /connections."""
    body, master = asked.body, asked.house.ctx.master
    made = await create_connection(
        work,
        master,
        body["name"],
        body["kind"],
        dialect=body.get("dialect"),
        settings=body.get("settings"),
        secrets=body.get("secrets"),
    )
    return await _shown(asked, made.id)


async def configure(work: Work, asked: Asked) -> None:
    """PATCH /connections/{connection}."""
    body = asked.body
    of = await connection(asked.reader, asked.path["connection"])
    await configure_connection(
        work,
        asked.house.ctx.master,
        of.name,
        dialect=body.get("dialect"),
        settings=body.get("settings"),
        secrets=body.get("secrets"),
    )


async def list_tokens(asked: Asked) -> Page:
    """GET /tokens."""
    name = asked.query.get("connection")
    only = None if name is None else (await connection(asked.reader, name)).name
    before = (int(asked.after[0]), str(asked.after[1])) if asked.after else None
    rows = await tokens(asked.reader, connection=only, before=before, limit=asked.reach)
    kept, key = asked.cut(rows, lambda last: [last["created"], last["id"]])
    return Page(
        [
            {
                "id": row["id"],
                "connection": row["connection"],
                "label": row["label"],
                "hint": row["hint"],
                "scopes": row["scopes"].split(),
                "state": standing(row["expires"], row["revoked"], row["successor"] is not None, asked.now),
                "created": iso(row["created"]),
                "expires": _when(row["expires"]),
                "last_used": _when(row["last_used"]),
                "revoked": _when(row["revoked"]),
                "successor": row["successor"],
            }
            for row in kept
        ],
        key,
    )


async def make_token(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /tokens."""
    body, master = asked.body, asked.house.ctx.master
    there = await connection(asked.reader, body["connection"]) if "connection" in body else None
    token = await create_token(
        work,
        master,
        connection_id=None if there is None else there.id,
        scopes=tuple(body["scopes"]),
        label=body.get("label", ""),
        days=body.get("days"),
    )
    row: Any = await work.tx.one("SELECT id FROM sb_token WHERE digest = ?", master.digest("token", token))
    return {"id": row["id"], "token": token}


async def rotate(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /tokens/{token}/rotate."""
    overlap = int(asked.body.get("overlap_seconds", 7 * DAY // SECOND)) * SECOND
    made = await rotate_token(
        *(work, asked.house.ctx.master, asked.path["token"]),
        overlap=overlap,
        days=asked.body.get("days"),
    )
    return {
        "id": made.id,
        "token": made.token,
        "expires": _when(made.expires),
        "old_id": made.old_id,
        "old_expires": iso(made.old_expires),
    }


async def revoke(work: Work, asked: Asked) -> None:
    """DELETE /tokens/{token}."""
    await revoke_token(work, asked.path["token"])


DAYS = whole("until it expires", least=1, most=3660)
NEW = closed(
    {
        "name": text(most=48),
        "kind": text(choices=KINDS),
        "dialect": text(),
        "settings": SETTINGS,
        "secrets": SECRETS,
    },
    ("name", "kind"),
)
CHANGED = closed({"dialect": text(), "settings": SETTINGS, "secrets": SECRETS}, ())
TOKEN = closed(
    {
        "connection": text("whose SCIM token it is to be; without, it is for the API"),
        "scopes": many(text(choices=SCOPES), most=10),
        "label": text("whose it is: needed for what needs a named person", least=0, most=200),
        "days": DAYS,
    },
    ("scopes",),
)
ROTATE = closed(
    {"overlap_seconds": whole("how long the old one still works", most=90 * 86_400), "days": DAYS}, ()
)
ONLY = Parameter("connection", text(), "only those of one connection")
OPERATIONS: tuple[Operation, ...] = (
    reads(
        *(CONNECTIONS, "listConnections", "/connections", "Connections by name", list_connections),
        closed({"items": many(ref("ConnectionLine"))}),
    ),
    changes(
        *(
            CONNECTIONS,
            "createConnection",
            "POST",
            "/connections",
            "Add a connection to an IdP tenant",
            create,
        ),
        ref("Connection"),
        NEW,
        status=201,
    ),
    reads(
        *(CONNECTIONS, "showConnection", "/connections/{connection}", "One connection", show),
        ref("Connection"),
    ),
    changes(
        *(CONNECTIONS, "configureConnection", "PATCH", "/connections/{connection}"),
        "Change dialect, settings or push credentials",
        configure,
        ref("Connection"),
        CHANGED,
        shown=show,
    ),
    lists(
        *(TOKENS, "listTokens", "/tokens", "Tokens, the newest first; never a value", list_tokens),
        page_of("Token"),
        ONLY,
    ),
    changes(
        *(
            TOKENS,
            "createToken",
            "POST",
            "/tokens",
            "Make a token; its value is in this answer only",
            make_token,
        ),
        ref("NewToken"),
        TOKEN,
        status=201,
    ),
    changes(
        *(TOKENS, "rotateToken", "POST", "/tokens/{token}/rotate"),
        "Make a token that grants the same, and let the old one end",
        rotate,
        ref("RotatedToken"),
        ROTATE,
        status=201,
    ),
    changes(
        TOKENS, "revokeToken", "DELETE", "/tokens/{token}", "Revoke a token at once", revoke, None, status=204
    ),
)
