"""A small SCIM server that can be given one flaw at a time: a step of a suite has to notice it.

Without a flaw it passes every step that names one. It knows `eq` and `and`, and the PATCH shapes of Okta and Entra.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.conformance.servers import TOKEN

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
URN = {
    "Users": "urn:ietf:params:scim:schemas:core:2.0:User",
    "Groups": "urn:ietf:params:scim:schemas:core:2.0:Group",
}
NAME = {"Users": "userName", "Groups": "displayName"}
TERM = re.compile(r'\s*([A-Za-z.]+)\s+eq\s+"([^"]*)"\s*')
CHOSEN = re.compile(r'members\[value eq "([^"]*)"\]')

Doc = dict[str, Any]


class Refusal(Exception):
    """A SCIM error about to be answered."""

    def __init__(self, status: int, detail: str, kind: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind = status, detail, kind


class SmallServer:
    """The server with its store; `flaws` are the things it does wrong."""

    def __init__(self, *flaws: str) -> None:
        self.flaws = frozenset(flaws)
        self.slow = 0.0
        self.busy = 0
        self.store: dict[str, dict[str, Doc]] = {"Users": {}, "Groups": {}}
        self.roles = [{"id": f"r{n}", "displayName": f"Role {n}"} for n in range(3)]
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self.app = Starlette(
            routes=[
                Route("/scim/v2/{kind}", self._guarded, methods=methods),
                Route("/scim/v2/{kind}/{id:path}", self._guarded, methods=methods),
            ]
        )

    def wrong(self, flaw: str) -> bool:
        """True when it has this flaw."""
        return flaw in self.flaws

    async def _guarded(self, request: Request) -> Response:
        if self.busy:
            self.busy -= 1
            return JSONResponse({}, 429, headers={"retry-after": "7"})
        if request.headers.get("authorization") != f"Bearer {TOKEN}" and not self.wrong("accepts-anybody"):
            return Response(status_code=401) if self.wrong("bare-401") else self._error(Refusal(401, "who?"))
        try:
            return await self._served(request)
        except Refusal as refusal:
            return self._error(refusal)

    def _error(self, refusal: Refusal) -> Response:
        if refusal.status == 404 and self.wrong("bare-404"):
            return Response("not found", 404)
        detail = f"{refusal.detail} {TOKEN}" if self.wrong("tells-tokens") else refusal.detail
        body = {"schemas": [ERROR], "status": str(refusal.status), "detail": detail}
        return self._json(body | ({"scimType": refusal.kind} if refusal.kind else {}), refusal.status)

    def _json(self, body: Any, status: int = 200) -> Response:
        kind = "text/html" if self.wrong("wrong-media-type") else "application/scim+json"
        return JSONResponse(body, status, media_type=kind, headers={"www-authenticate": "Bearer"})

    async def _served(self, request: Request) -> Response:
        kind, identity = request.path_params["kind"], request.path_params.get("id")
        if kind == "Schemas":
            served = [{"id": urn, "name": urn, "attributes": []} for urn in URN.values()]
            return self._json(self._page(served[:1] if self.wrong("no-group-schema") else served, 1))
        if kind == "ResourceTypes" and self.roles:
            served = [{"name": "Role", "endpoint": "/Roles", "schema": "urn:okta:scim:schemas:core:1.0:Role"}]
            return self._json(self._page(served, 1))
        if kind == "Roles" and self.roles:
            count = len(self.roles) if self.wrong("whole-pages") else int(request.query_params["count"])
            return self._json(self._page(self.roles[:count], 1, len(self.roles)))
        if kind not in self.store:
            raise Refusal(404, "nothing here")
        if identity is None:
            return await (
                self._create(request, kind) if request.method == "POST" else self._listed(request, kind)
            )
        return await self._one(request, kind, identity)

    def _page(self, found: list[Doc], start: int, total: int | None = None) -> Doc:
        page: Doc = {
            "totalResults": len(found) if total is None else total,
            "startIndex": start,
            "itemsPerPage": len(found),
        }
        if self.wrong("text-paging"):
            page = {key: str(value) for key, value in page.items()}
        if self.wrong("start-from-zero"):
            page["startIndex"] = start - 1
        return {"schemas": [LIST], **page, "Resources": found}

    async def _listed(self, request: Request, kind: str) -> Response:
        query, found = request.query_params, list(self.store[kind].values())
        if "filter" in query and not self.wrong("ignores-filters"):
            terms = self._terms(query["filter"])
            found = [doc for doc in found if all(self._equal(doc, *term) for term in terms)]
            if not found and self.wrong("404-for-nothing"):
                raise Refusal(404, "nobody")
        if self.wrong("hides-inactive"):
            found = [doc for doc in found if doc.get("active") is not False]
        start, count = max(1, int(query.get("startIndex", 1))), int(query.get("count", 100))
        page = [self._shown(doc, request) for doc in found[start - 1 : start - 1 + count]]
        return self._json(self._page(page, start, len(found)))

    def _terms(self, filter_: str) -> list[tuple[str, str]]:
        found = [TERM.fullmatch(term) for term in filter_.split(" and ")]
        if not all(found):
            raise Refusal(400, "not a filter I know", "invalidFilter")
        return [(term.group(1), term.group(2)) for term in found if term is not None]

    def _equal(self, doc: Doc, name: str, value: str) -> bool:
        found = {key.casefold(): item for key, item in doc.items()}.get(name.casefold())
        if isinstance(found, list):
            return any(item.get("value") == value for item in found)
        return isinstance(found, str) and found.casefold() == value.casefold()

    def _shown(self, doc: Doc, request: Request) -> Doc:
        left_out = (
            set()
            if self.wrong("ignores-exclusion")
            else {*request.query_params.get("excludedAttributes", "").split(",")}
        )
        secret = set() if self.wrong("shows-passwords") else {"password"}
        return {key: value for key, value in doc.items() if key not in left_out | secret}

    async def _body(self, request: Request) -> Doc:
        try:
            body = await request.json()
        except ValueError as error:
            raise Refusal(400, "no JSON", "invalidSyntax") from error
        if not isinstance(body, dict):
            raise Refusal(400, "no object", "invalidSyntax")
        return body

    async def _create(self, request: Request, kind: str) -> Response:
        body, name = await self._body(request), NAME[kind]
        if not isinstance(body.get(name), str):
            raise Refusal(400, f"{name} is required", "invalidValue")
        taken = any(doc[name].casefold() == body[name].casefold() for doc in self.store[kind].values())
        if self.wrong("race"):
            await asyncio.sleep(0.05)
        hidden = self.wrong("hides-inactive")
        if taken and not self.wrong("takes-twice") and not hidden:
            raise Refusal(409, "taken", "uniqueness")
        doc = self._kept(kind, str(uuid.uuid4()), body)
        self.store[kind][doc["id"]] = doc
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.wrong("fails-after-creating"):
            raise Refusal(500, "created, but told nobody")
        if self.wrong("answers-nothing"):
            return Response(status_code=201)
        return self._json(self._shown(doc, request), 201)

    def _kept(self, kind: str, identity: str, body: Doc) -> Doc:
        doc = {key: value for key, value in body.items() if key not in ("id", "meta", "groups", "schemas")}
        if self.wrong("lowers-names") and kind == "Users":
            doc["userName"] = doc["userName"].lower()
        return {"schemas": [URN[kind]], "id": identity, **doc, "meta": {"resourceType": kind[:-1]}}

    async def _one(self, request: Request, kind: str, identity: str) -> Response:
        there = self.store[kind].get(identity)
        if there is None and not (request.method == "PUT" and self.wrong("put-creates")):
            raise Refusal(404, "nobody")
        if request.method == "PUT":
            return await self._put(request, kind, identity, there or {})
        assert there is not None
        if request.method == "PATCH":
            return await self._patch(request, there)
        if request.method == "DELETE":
            if self.wrong("keeps-everything"):
                raise Refusal(405, "not here")
            if not self.wrong("deletes-nothing"):
                del self.store[kind][identity]
            return Response(status_code=204)
        return self._json(self._shown(there, request))

    async def _put(self, request: Request, kind: str, identity: str, there: Doc) -> Response:
        body = await self._body(request)
        if "meta" in body and self.wrong("refuses-read-only"):
            raise Refusal(400, "meta is read-only", "mutability")
        if not body.get("members") and self.wrong("keeps-members"):
            body["members"] = there.get("members", [])
        self.store[kind][identity] = self._kept(kind, identity, body)
        return self._json(self._shown(self.store[kind][identity], request))

    async def _patch(self, request: Request, there: Doc) -> Response:
        body = await self._body(request)
        doc = there if self.wrong("half-done") else copy.deepcopy(there)
        for operation in body.get("Operations", []):
            self._operate(doc, operation)
        there.clear()
        there.update(doc)
        return self._json(self._shown(there, request))

    def _operate(self, doc: Doc, operation: Doc) -> None:
        op, path, value = operation.get("op", ""), operation.get("path"), operation.get("value")
        if op != op.lower() and self.wrong("minds-case"):
            raise Refusal(400, "unknown op", "invalidSyntax")
        chosen = CHOSEN.fullmatch(path or "")
        if path is None:
            if not self.wrong("ignores-pathless"):
                for key, item in value.items():
                    self._set(doc, key, item)
        elif chosen or path == "members":
            self._members(doc, op.lower(), value, chosen.group(1) if chosen else None)
        else:
            self._set(doc, path, value)

    def _set(self, doc: Doc, path: str, value: Any) -> None:
        if path == "active" and isinstance(value, str):
            if self.wrong("wants-booleans"):
                raise Refusal(400, "active is a boolean", "invalidValue")
            value = value.lower() == "true"
        if path == "id" and value != doc["id"]:
            raise Refusal(400, "id is read-only", "mutability")
        doc[path] = value

    def _members(self, doc: Doc, op: str, value: Any, chosen: str | None) -> None:
        there = doc.get("members", [])
        named = [chosen] if chosen else [item["value"] for item in value or []]
        if op == "replace" and not self.wrong("push-now-adds"):
            doc["members"] = value
        elif op != "remove":
            doc["members"] = there + [item for item in value if item not in there]
        elif self.wrong("removes-everybody") or (self.wrong("reads-by-the-letter") and not chosen):
            doc["members"] = []
        else:
            doc["members"] = [item for item in there if item["value"] not in named]


def garbled(answers: list[bytes]) -> Any:
    """An application that answers any request with the next of these bodies, round and round."""
    counted = iter(range(10**9))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        number = next(counted)
        headers = [(b"content-type", b"application/scim+json")]
        status = (200, 201, 200, 204, 500)[number % 5]
        body = b"" if status == 204 else answers[number % len(answers)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def dumped(value: Any) -> bytes:
    """A value as the bytes of a body."""
    return json.dumps(value).encode()
