"""Which address does what: the one table of the front door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scim_bridge.kernel.errors import NotFound
from scim_bridge.scim import answering, bulk, discovery, listing
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import ENDPOINTS, FOREIGN, USERS, Endpoint
from scim_bridge.scim.entitlements import check_offered
from scim_bridge.scim.exchange import Answered, NotImplementedHere, WrongMethod
from scim_bridge.scim.verbs import Handler, verbs

READ = "read"
WRITE = ""  # the scope of the endpoint that is written to
EACH = "*"  # each operation in it needs its own


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of address: its template for logs, and what each method does there and needs."""

    template: str
    methods: Mapping[str, tuple[Handler, str]]
    endpoint: Endpoint = USERS

    def handler(self, method: str) -> tuple[Handler, str]:
        """The handler of a method and the scope it needs; WrongMethod with those there are."""
        found = self.methods.get("GET" if method == "HEAD" else method)
        if found is None:
            raise WrongMethod(method, _allowed(self.methods))
        handler, scope = found
        return handler, scope or self.endpoint.scope


def _allowed(methods: Iterable[str]) -> tuple[str, ...]:
    """The methods of an address; what can be read answers HEAD as well (RFC 9110 section 9.3.2)."""
    return tuple(each for method in methods for each in (("GET", "HEAD") if method == "GET" else (method,)))


async def _me(_call: Call) -> Answered:
    raise NotImplementedHere(
        "me-not-implemented",
        "/Me is not offered: the callers here are connections, not people.",
        "Use /Users with a filter.",
    )


SEARCH = {"POST": (listing.search, READ)}
ME = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), (_me, READ))

FIXED: Mapping[str, Mapping[str, tuple[Handler, str]]] = {
    ".search": {"POST": (listing.search_all, READ)},
    "Bulk": {"POST": (bulk.bulk, EACH)},
    "ServiceProviderConfig": {"GET": (discovery.service_provider_config, READ)},
    "ResourceTypes": {"GET": (discovery.list_resource_types, READ)},
    "Schemas": {"GET": (discovery.list_schemas, READ)},
}
ITEMS: Mapping[str, tuple[str, Mapping[str, tuple[Handler, str]]]] = {
    "ResourceTypes": ("name", {"GET": (discovery.one_resource_type, READ)}),
    "Schemas": ("urn", {"GET": (discovery.one_schema, READ)}),
}


def _collection(endpoint: Endpoint) -> Route:
    methods = {"GET": (listing.list_resources, READ), "POST": (verbs(endpoint)["POST"], WRITE)}
    return Route(f"/{endpoint.name}", methods, endpoint)


def _resource(endpoint: Endpoint) -> Route:
    writes = {method: (verbs(endpoint)[method], WRITE) for method in ("PUT", "PATCH", "DELETE")}
    return Route(f"/{endpoint.name}/{{id}}", {"GET": (answering.read_one, READ), **writes}, endpoint)


def _offered(handler: Handler) -> Handler:
    async def checked(call: Call) -> Answered:
        check_offered(call)
        return await handler(call)

    return checked


def _foreign(template: str, method: str, handler: Handler) -> dict[str, Route]:
    """Routes that can only be read, and only by who is offered them."""
    methods = {method: (_offered(handler), READ)}
    return {name: Route(template.format(name), methods, endpoint) for name, endpoint in FOREIGN.items()}


COLLECTIONS = {name: _collection(endpoint) for name, endpoint in ENDPOINTS.items()} | _foreign(
    "/{}", "GET", listing.list_resources
)
RESOURCES = {name: _resource(endpoint) for name, endpoint in ENDPOINTS.items()} | _foreign(
    "/{}/{{id}}", "GET", answering.read_one
)
SEARCHES = {
    name: Route(f"/{name}/.search", SEARCH, endpoint) for name, endpoint in ENDPOINTS.items()
} | _foreign("/{}/.search", "POST", listing.search)
FIXED_ROUTES = {name: Route(f"/{name}", methods) for name, methods in FIXED.items()}
ITEM_ROUTES = {name: Route(f"/{name}/{{{item}}}", methods) for name, (item, methods) in ITEMS.items()}
ME_ROUTE = Route("/Me", ME)


def route(parts: tuple[str, ...]) -> tuple[Route, str]:
    """The route of a path below the base, and the id in it; NotFound when there is none."""
    found: Route | None = None
    resource_id = ""
    if parts and parts[0] == "Me":
        return ME_ROUTE, ""
    if len(parts) == 2:
        head, resource_id = parts
        found = SEARCHES.get(head) if resource_id == ".search" else RESOURCES.get(head)
        found = found or ITEM_ROUTES.get(head)
    elif len(parts) == 1:
        found = COLLECTIONS.get(parts[0]) or FIXED_ROUTES.get(parts[0])
    if found is None:
        raise NotFound(
            "address-unknown",
            "There is nothing at this address.",
            f"SCIM resources are at {', '.join(f'/{name}' for name in ENDPOINTS)}.",
        )
    return found, resource_id
