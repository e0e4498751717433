"""Microsoft's Postman collection: 79 requests and 108 assertions, in their order, as data.

Source: the collection in Microsoft's SCIM reference code (MIT licence), retold. It wants an empty store; here
every name carries the run's id and every total counts from what was there before, so that it can be asked of a
store in use. Three more differences, each for a reason: every create has an externalId of its own (in the
collection five users share one, which Entra, whose matching attribute it is, never sends); a PATCH may answer
200 where the collection says 204 (RFC 7644 section 3.5.2 allows both); and what only the sample server does or
the RFC leaves open is told as a skip with its reason.
"""

from __future__ import annotations

from typing import Final

from scim_bridge.conformance.entra_postman_bodies import WORK, group, small
from scim_bridge.conformance.entra_postman_garbage import GARBAGE
from scim_bridge.conformance.entra_postman_kit import (
    GONE,
    MADE,
    OK,
    SOURCE,
    counted,
    delete,
    get,
    listed,
    patched,
    post,
    put,
    step,
)
from scim_bridge.conformance.expect import ENTERPRISE, answers, equals, includes, lacks
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.conformance.run import Run

TOKEN_ROUTE: Final = "only Microsoft's sample server hands out tokens at GET /Token"
FREE_TEXT: Final = "the description of a schema is free text"
NO_ORDER: Final = "the RFC gives resource types no order"
NO_NAME: Final = (
    "members have no displayName (RFC 7643 section 4.2); their display is the server's to fill in"
)
NO_FILTER: Final = "`attributes` takes names, not filters (RFC 7644 section 3.9)"

ADD: Final = {
    "name": "addMember",
    "op": "add",
    "path": "members",
    "value": [{"displayName": "new User", "value": "{id4}"}],
}
G: Final = "/Groups/{g1}"


async def _token(run: Run) -> None:
    run.expect("status 200", False, "not asked", beyond=TOKEN_ROUTE)


ENDPOINTS: Final = (
    Step("entra.postman.1", "A token (the sample server's own route)", SOURCE.format(1), _token),
    counted(2, "Users are listed", "/Users", "users"),
    counted(3, "Groups are listed", "/Groups", "groups"),
    step(
        4,
        "Resource types: users first",
        get("/ResourceTypes"),
        OK,
        equals("Resources[0].endpoint", "/Users").unless(NO_ORDER),
    ),
    step(
        5,
        "The configuration offers PATCH (asked at its RFC address, not at the old /serviceConfiguration)",
        get("/ServiceProviderConfig"),
        OK,
        equals("patch.supported", True),
    ),
    step(6, "Schemas", get("/Schemas"), OK, includes("User Account").unless(FREE_TEXT)),
)

USERS: Final = (
    step(7, "A user", post("/Users", small(7, "UserName123", enterprise=False)), MADE, needs=(2,), id1="id"),
    step(
        8,
        "A user with the enterprise extension, its keys in capitals",
        post(
            "/Users",
            small(8, "UserName222", more={ENTERPRISE: {"Department": "bob", "Manager": {"Value": "SuzzyQ"}}}),
        ),
        MADE,
        needs=(2,),
        id2="id",
    ),
    step(9, "The first user by id", get("/Users/{id1}"), OK, equals("id", "{id1}"), needs=(7,)),
    step(10, "The second user by id", get("/Users/{id2}"), OK, equals("id", "{id2}"), needs=(8,)),
    listed(
        11, "Two attributes of every user", {"attributes": "userName,emails"}, (OK,), includes("{id1}"), 7
    ),
    step(
        12,
        "A filter after a slash, its attribute in another case, blanks as plus signs",
        get("/Users/?filter=DisplayName+eq+%22Bob{run}%22"),
        includes("{id1}"),
        needs=(7,),
    ),
    step(
        13,
        "PATCH of the userName (nothing is asserted: 14 reads it)",
        patched("/Users/{id1}", {"op": "replace", "path": "userName", "value": "ryan3{run}"}),
        needs=(7,),
    ),
    step(
        14,
        "The userName has changed",
        get("/Users/{id1}"),
        OK,
        equals("id", "{id1}"),
        equals("userName", "ryan3{run}"),
        needs=(13,),
    ),
    step(
        15,
        "PUT of the second user",
        put("/Users/{id2}", small(15, "UserNameReplace2", formatted="NewName", more={"id": "{id2}"})),
        OK,
        needs=(8,),
    ),
    step(
        16, "The name has changed", get("/Users/{id2}"), OK, equals("name.formatted", "NewName"), needs=(15,)
    ),
    step(17, "The first user is deleted", delete("/Users/{id1}"), GONE, needs=(7,)),
    step(18, "The second user is deleted", delete("/Users/{id2}"), GONE, needs=(8,)),
)

GROUPS: Final = (
    step(19, "An empty group", post("/Groups", group(19, "Group1")), MADE, needs=(3,), g1="id"),
    step(20, "A user for the second group", post("/Users", small(20, "UserName333")), MADE, id3="id"),
    step(21, "One more user", post("/Users", small(21, "UserName444")), MADE, id4="id"),
    step(
        22,
        "A group with a member",
        post("/Groups", group(22, "Group2", ("{id3}", "VP"))),
        MADE,
        needs=(20,),
        g2="id",
    ),
    step(23, "Groups are listed", get("/Groups"), OK),
    step(24, "A third group", post("/Groups", group(24, "Group3")), MADE, g3="id"),
    step(
        25,
        "PUT of the third group: another name, two members",
        put("/Groups/{g3}", group(24, "putName", ("{id3}", "VP"), ("{id4}", "SeniorVP"), id="{g3}")),
        OK,
        needs=(20, 21, 24),
    ),
    step(
        26,
        "The third group has its members",
        get("/Groups/{g3}"),
        OK,
        equals("id", "{g3}"),
        includes("{id3}"),
        needs=(25,),
    ),
    step(27, "PATCH adds a member (nothing is asserted)", patched(G, ADD), needs=(19, 21)),
    step(
        28,
        "PATCH removes that member (nothing is asserted)",
        patched(G, {"op": "remove", "path": 'members[value eq "{id4}"]'}),
        needs=(27,),
    ),
    step(29, "PATCH adds it again (nothing is asserted: 30 reads it)", patched(G, ADD), needs=(28,)),
    step(
        30,
        "The group has the member, and the displayName it was sent with",
        get(G),
        OK,
        equals("id", "{g1}"),
        includes("new User").unless(NO_NAME),
        needs=(29,),
    ),
    step(
        31,
        "PATCH removes all members (nothing is asserted: 32 reads it)",
        patched(G, {"op": "remove", "path": "members"}),
        needs=(29,),
    ),
    step(32, "The group has no member", get(G), OK, equals("id", "{g1}"), lacks("new User"), needs=(31,)),
    step(33, "A user is deleted", delete("/Users/{id3}"), GONE, needs=(20,)),
    step(34, "Another user is deleted", delete("/Users/{id4}"), GONE, needs=(21,)),
    step(35, "The first group is deleted", delete(G), GONE, needs=(19,)),
    step(36, "The second group is deleted", delete("/Groups/{g2}"), GONE, needs=(22,)),
    step(37, "The third group is deleted", delete("/Groups/{g3}"), GONE, needs=(24,)),
)

COMPLEX: Final = (
    step(
        38,
        "A user whose work address is no address",
        post("/Users", small(38, "UserName111", work=WORK)),
        MADE,
        c1="id",
    ),
    step(39, "Another user", post("/Users", small(39, "UserName555")), MADE, c2="id"),
    listed(
        40,
        "A filter by type among the names of attributes",
        {"attributes": 'emails[type eq "work"]'},
        (OK.unless(NO_FILTER, answers(400)),),
        includes(WORK).unless(NO_FILTER),
        38,
    ),
    listed(
        41,
        "A filter by value among the names of attributes",
        {"attributes": 'emails[value eq "emailName357"]'},
        (OK.unless(NO_FILTER, answers(400)),),
        includes(WORK).unless(NO_FILTER),
        38,
    ),
    step(42, "The user is deleted", delete("/Users/{c1}"), GONE, needs=(38,)),
    step(43, "The other is deleted", delete("/Users/{c2}"), GONE, needs=(39,)),
)

SUITE: Final = Suite(
    "entra.postman",
    "Microsoft's Postman collection",
    (*ENDPOINTS, *USERS, *GROUPS, *COMPLEX, *GARBAGE),
)
