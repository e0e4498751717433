"""RFC 7643 sections 2 and 3: what every resource has, and what values look like."""

from __future__ import annotations

import re
from typing import Final

from scim_bridge.conformance.expect import (
    ENTERPRISE,
    USER,
    answers,
    equals,
    filled_in,
    has,
    matches,
    refused,
    status,
)
from scim_bridge.conformance.reply import ABSENT, Reply, at, shown
from scim_bridge.conformance.rfc_kit import (
    SHOULD,
    configuration,
    finds,
    is_,
    patched,
    person,
    steps,
    there,
    user,
    users,
)
from scim_bridge.conformance.run import Run

XSD_INSTANT: Final = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
IGNORED_OR_REFUSED: Final = "a server may ignore what it does not take in instead of refusing it"


async def _schemas(run: Run) -> None:
    made = await user(run, "urns", **{"schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "Tours"}})
    reply = await there(run, users(made["id"]))
    run.hold(reply, has("schemas", USER), has("schemas", ENTERPRISE))
    wrong = await run.post("/Users", person(run, "nourn", schemas=["urn:example:nothing"]))
    run.hold(wrong, status(400).unless(IGNORED_OR_REFUSED, answers(201)))


async def _identity(run: Run) -> None:
    made = await user(run, "identity", id=f"mine-{run.id}")
    run.expect(
        "an id sent by the client is not taken", at(made, "id") != f"mine-{run.id}", shown(at(made, "id"))
    )
    run.expect("an id has no bulkId in it", "bulkId" not in str(at(made, "id")), shown(at(made, "id")))
    for _ in range(2):
        run.hold(await there(run, users(made["id"])), equals("id", made["id"]))


async def _external_id(run: Run) -> None:
    sent = f"Ext-{run.id}"
    made = await user(run, "external", externalId=sent)
    is_(run, made, "externalId", sent, "externalId is kept as it was sent")
    await finds(run, f'externalId eq "{sent}"', [made["id"]])
    await finds(run, f'externalId eq "{sent.upper()}"', [])


async def _meta(run: Run) -> None:
    sent = {"resourceType": "Group", "created": "2001-01-01T00:00:00Z", "location": "https://example.com/x"}
    made = await user(run, "meta", meta=sent)
    reply = await there(run, users(made["id"]))
    run.hold(reply, equals("meta.resourceType", "User"), filled_in("meta.location"))
    for name in ("created", "lastModified"):
        found = reply.get(f"meta.{name}")
        right = isinstance(found, str) and XSD_INSTANT.fullmatch(found) is not None
        run.expect(f"meta.{name} is an instant", right and not str(found).startswith("2001"), shown(found))


async def _version(run: Run) -> None:
    made = await user(run, "version")
    reply = await there(run, users(made["id"]))
    if at(await configuration(run), "etag.supported") is True:
        tag = reply.headers.get("etag")
        run.expect("meta.version is the ETag header", tag == reply.get("meta.version"), f"ETag {tag}")
    location = str(reply.get("meta.location"))
    run.expect("meta.location leads to it", location.endswith(users(made["id"])), location)


async def _no_change(run: Run) -> None:
    made = await user(run, "nochange", title="Same")
    path = users(made["id"])
    before = await there(run, path)
    await patched(run, path, {"op": "replace", "path": "title", "value": "Same"})
    after = await there(run, path)
    same = before.get("meta.lastModified") == after.get("meta.lastModified")
    run.expect(
        "lastModified stays when nothing changes", same, shown(after.get("meta.lastModified")), beyond=SHOULD
    )


async def _unassigned(run: Run) -> None:
    made = await user(run, "unassigned", title=None, phoneNumbers=[], nickName="Nick")
    for name in ("title", "phoneNumbers"):
        run.expect(
            f"{name} without a value is left out", at(made, name) in (ABSENT, None, []), shown(at(made, name))
        )
    body = await patched(run, users(made["id"]), {"op": "replace", "path": "nickName", "value": None})
    run.expect("null unassigns", at(body, "nickName") in (ABSENT, None), shown(at(body, "nickName")))


async def _primaries(run: Run) -> None:
    two = [{"value": f"{n}@example.com", "type": t, "primary": True} for n, t in ((1, "work"), (2, "home"))]
    reply = await run.post("/Users", person(run, "primaries", emails=two))
    if reply.status == 201:
        found = reply.get("emails")
        count = sum(at(item, "primary") is True for item in found) if isinstance(found, list) else 0
        run.expect("at most one element is primary", count <= 1, f"{count} are")
    else:
        run.hold(reply, *refused(400))


async def _booleans(run: Run) -> None:
    made = await user(run, "booleans", active=True)
    is_(run, made, "active", True, "active is a JSON boolean")
    body = await patched(run, users(made["id"]), {"op": "replace", "path": "active", "value": False})
    is_(run, body, "active", False, "and stays one")
    run.expect(
        "emails.primary is one", at(body, "emails[0].primary") is True, shown(at(body, "emails[0].primary"))
    )


async def _wrong_types(run: Run) -> None:
    for name, value in (("title", {"a": 1}), ("emails", "text"), ("name", ["x"])):
        reply = await run.post("/Users", person(run, f"type{name}", **{name: value}))
        check = matches(f"{name} as {shown(value)} is refused", _refused_400)
        run.hold(reply, check.unless(IGNORED_OR_REFUSED, answers(201)))


def _refused_400(reply: Reply) -> str | None:
    return None if reply.status == 400 else f"status {reply.status}"


STEPS: Final = steps(
    ("C-01", "`schemas` lists what a resource has", "RFC 7643 section 3", _schemas),
    ("C-02", "`id` is the server's and stays", "RFC 7643 section 3.1", _identity),
    ("C-03", "`externalId` is the client's, in its case", "RFC 7643 section 3.1", _external_id),
    ("C-04", "`meta` is the server's", "RFC 7643 section 3.1", _meta),
    (
        "C-05",
        "`meta.version` is the entity tag, `meta.location` the address",
        "RFC 7644 section 3.14",
        _version,
    ),
    ("C-06", "What changes nothing is no change", "RFC 7644 section 3.5.2.1", _no_change),
    ("C-08", "null, nothing and an empty list are the same", "RFC 7643 section 2.5", _unassigned),
    ("C-09", "One element at most is primary", "RFC 7643 section 2.4", _primaries),
    ("C-12", "Booleans are JSON booleans", "RFC 7643 section 2.3.2", _booleans),
    ("C-12.types", "Values of another type are refused", "RFC 7643 section 2.3", _wrong_types),
)
