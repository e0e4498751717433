"""RFC 7644 section 3.5.2: what a PATCH path names, from chosen elements to extensions and members."""

from __future__ import annotations

from typing import Any, Final

from scim_bridge.conformance.expect import ENTERPRISE, answers, matches
from scim_bridge.conformance.reply import ABSENT, at, shown
from scim_bridge.conformance.rfc_kit import (
    bad,
    group,
    groups,
    is_,
    kind_of,
    patch,
    patched,
    steps,
    user,
    users,
)
from scim_bridge.conformance.run import Run

TOLERANT: Final = "a server may create the element instead, which Entra relies on"
EXACT_TYPE: Final = "the RFC has the type of an error optional"


async def _chosen_element(run: Run) -> None:
    made = await user(run, "chosen")
    path = users(made["id"])
    value = f"new@{run.id}.example"
    body = await patched(run, path, {"op": "replace", "path": 'emails[type eq "work"].value', "value": value})
    is_(run, body, "emails[0].value", value, "the element in brackets changes")
    nobody = {"op": "replace", "path": 'emails[type eq "other"].value', "value": value}
    reply = await patch(run, path, nobody)
    run.hold(reply, matches("replace where no element matches: 400", bad).unless(TOLERANT, answers(200, 204)))


async def _removes_chosen(run: Run) -> None:
    made = await user(run, "removes")
    path = users(made["id"])
    body = await patched(run, path, {"op": "remove", "path": 'emails[type eq "work"]'})
    run.expect("the matching element goes", at(body, "emails") in (ABSENT, []), shown(at(body, "emails")))
    body = await patched(run, path, {"op": "remove", "path": "name.givenName"})
    run.expect("a part goes", at(body, "name.givenName") is ABSENT, shown(at(body, "name")))
    is_(run, body, "name.familyName", run.id, "and its neighbours stay")


async def _required(run: Run) -> None:
    made = await user(run, "requiredpart")
    path = users(made["id"])
    for name in ("userName", "id"):
        reply = await patch(run, path, {"op": "remove", "path": name})
        run.hold(reply, matches(f"remove of {name}: 400", bad))
        kind = matches("with scimType mutability", lambda r: kind_of(r, "mutability", "invalidValue"))
        run.hold(reply, kind.unless(EXACT_TYPE, answers(400)))


async def _one_primary(run: Run) -> None:
    made = await user(run, "oneprimary")
    mail = {"value": f"second@{run.id}.example", "type": "home", "primary": True}
    body = await patched(run, users(made["id"]), {"op": "add", "path": "emails", "value": [mail]})
    found = at(body, "emails")
    primary = (
        [at(item, "value") for item in found if at(item, "primary") is True]
        if isinstance(found, list)
        else []
    )
    run.expect("the new primary takes the place of the old", primary == [mail["value"]], shown(found))


async def _bad_paths(run: Run) -> None:
    made = await user(run, "badpaths")
    path = users(made["id"])
    rows: tuple[tuple[str, Any, tuple[str, ...], str], ...] = (
        ("nothing.like[this", "x", ("invalidPath", "invalidFilter", "noTarget"), ""),
        ("emails[type xx 1].value", "x", ("invalidFilter", "invalidPath"), ""),
        (
            "nobodyKnowsThis",
            "x",
            ("invalidPath", "noTarget", "invalidValue"),
            "a server may pass over what it does not know",
        ),
        ("active", {"not": "a boolean"}, ("invalidValue", "invalidSyntax"), ""),
    )
    for target, value, kinds, beyond in rows:
        reply = await patch(run, path, {"op": "replace", "path": target, "value": value})
        check = matches(f"{target}: 400", bad)
        run.hold(reply, check.unless(beyond, answers(200, 204)) if beyond else check)
        kind = matches(f"with scimType {' or '.join(kinds)}", lambda r, k=kinds: kind_of(r, *k))  # type: ignore[misc]
        run.hold(reply, kind.unless(EXACT_TYPE, answers(200, 204, 400)))


async def _extension(run: Run) -> None:
    made = await user(run, "patchext")
    path = users(made["id"])
    number = f"{ENTERPRISE}:employeeNumber"
    body = await patched(run, path, {"op": "add", "path": number, "value": "42"})
    is_(run, body, (ENTERPRISE, "employeeNumber"), "42", "an attribute of an extension by its URN")
    body = await patched(run, path, {"op": "add", "path": ENTERPRISE, "value": {"department": "Tours"}})
    is_(run, body, (ENTERPRISE, "department"), "Tours", "a whole extension by its URN")
    is_(run, body, (ENTERPRISE, "employeeNumber"), "42", "added to, not replaced")


def _values(body: Any) -> list[str]:
    found = at(body, "members")
    return sorted(str(at(item, "value")) for item in found) if isinstance(found, list) else []


async def _members(run: Run) -> None:
    made = [str((await user(run, f"member{n}"))["id"]) for n in range(4)]
    holder = await group(run, "Members", made[0])
    path = groups(holder["id"])
    listed = [{"value": identity} for identity in made[1:]]
    body = await patched(run, path, {"op": "add", "path": "members", "value": listed})
    run.expect("three come in", _values(body) == sorted(made), shown(_values(body)))
    body = await patched(run, path, {"op": "remove", "path": f'members[value eq "{made[0]}"]'})
    run.expect("one goes", _values(body) == sorted(made[1:]), shown(_values(body)))
    body = await patched(run, path, {"op": "replace", "path": "members", "value": [{"value": made[0]}]})
    run.expect("replace leaves those sent", _values(body) == made[:1], shown(_values(body)))
    body = await patched(run, path, {"op": "remove", "path": "members"})
    run.expect("remove empties", _values(body) == [], shown(_values(body)))


async def _many(run: Run) -> None:
    made = [str((await user(run, f"many{n}"))["id"]) for n in range(3)]
    holder = await group(run, "Many")
    path = groups(holder["id"])
    operations = [{"op": "add", "path": "members", "value": [{"value": made[n % 3]}]} for n in range(50)]
    body = await patched(run, path, *operations)
    run.expect("fifty adds in one PATCH", _values(body) == sorted(made), shown(_values(body)))


STEPS: Final = steps(
    ("X-07", "replace of a chosen element", "RFC 7644 section 3.5.2.3", _chosen_element),
    ("X-08", "remove of chosen elements and parts", "RFC 7644 section 3.5.2.2", _removes_chosen),
    ("X-10", "What is required or read-only is not removed", "RFC 7644 section 3.5.2.2", _required),
    ("X-11", "A new primary element ends the old one", "RFC 7644 section 3.5.2", _one_primary),
    ("X-12", "Bad paths and values are refused", "RFC 7644 section 3.12", _bad_paths),
    ("X-14", "Extensions in paths", "RFC 7644 section 3.10", _extension),
    ("X-15", "Members come, go and are replaced", "RFC 7644 section 3.5.2", _members),
    ("X-17", "Fifty operations in one PATCH", "draft IPSIE profile, AL2", _many),
)
