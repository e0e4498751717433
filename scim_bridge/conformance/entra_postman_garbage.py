"""The second half of the Postman collection: full users with oddities, what is refused, totals, and the end."""

from __future__ import annotations

from typing import Final

from scim_bridge.conformance.entra_postman_bodies import JUNK, full, group, moved
from scim_bridge.conformance.entra_postman_kit import (
    CHANGED,
    GONE,
    MADE,
    OK,
    TAKEN,
    WRONG,
    delete,
    get,
    listed,
    more,
    patched,
    post,
    put,
    step,
)
from scim_bridge.conformance.expect import ENTERPRISE, USER, answers, equals, includes, lacks, matches
from scim_bridge.conformance.reply import Reply, shown

NO_QUOTES: Final = (
    "a text without quotes is no filter (RFC 7644 section 3.4.2.2); Entra sends eq and and only"
)
NO_MEMBER: Final = "a member is an object (RFC 7643 section 4.2), and one nobody knows may be refused"
DEACTIVATED: Final = (
    "the body also says active: false, and doing that much of it keeps nobody active by a mistake"
)
BAD: Final = "/Groups/{gb}"
U: Final = "/Users/{u1}"


def _refused(reply: Reply) -> str | None:
    if reply.status == 400:
        return None
    return f"status {reply.status}, active is {shown(reply.get('active'))}"


def _deactivated(reply: Reply) -> bool:
    return reply.status == 200 and reply.get("active") is False


REFUSED: Final = matches("status 400", _refused).unless(DEACTIVATED, _deactivated)

USERS: Final = (
    step(
        44,
        "A user with everything, with nulls and a meta of its own",
        post("/Users", full(44, "OMalley", family="OMalley")),
        MADE,
        equals("userName", "OMalley{run}"),
        equals("active", True),
        needs=(2,),
        u1="id",
    ),
    step(
        45,
        'A user whose `active` is the text "True"',
        post("/Users", full(45, "emp1", more={"active": "True"})),
        MADE,
        equals("active", True),
        needs=(2,),
        u2="id",
    ),
    listed(
        46, "Both are listed", {}, (OK, more("totalResults", 2, "users")), includes("OMalley{run}"), 44, 45
    ),
    step(47, "A user with two work addresses", post("/Users", full(47, "emp2")), MADE, needs=(2,), u3="id"),
    step(48, "Another one", post("/Users", full(48, "emp3")), MADE, needs=(2,), u4="id"),
    step(49, "A user without userName is refused", post("/Users", full(49, None)), WRONG),
    step(50, "What is no JSON is refused", post("/Users", JUNK), WRONG),
    step(51, "A userName twice is refused", post("/Users", full(51, "emp3")), *TAKEN, needs=(48,)),
    step(52, "And again", post("/Users", full(52, "emp3")), *TAKEN, needs=(48,)),
    step(53, "A PUT without userName is refused", put(U, moved("userame")), REFUSED, needs=(44,)),
    step(
        54,
        "A PUT with a misspelt attribute is taken without it",
        put(U, moved("userName", "adreses")),
        OK.unless("the RFC lets a server refuse an attribute nobody defined", answers(400)),
        lacks("Addresses"),
        needs=(44,),
    ),
    step(
        55,
        "A user with a department",
        post(
            "/Users",
            full(
                55,
                "enterprise",
                more={"schemas": [USER, ENTERPRISE], ENTERPRISE: {"Department": "some department"}},
            ),
        ),
        MADE,
        needs=(2,),
        u5="id",
    ),
    step(
        56,
        "PATCH of the userName, its op in capitals",
        patched(U, {"op": "Replace", "path": "userName", "value": "newusername{run}"}),
        CHANGED,
        needs=(44,),
    ),
    step(
        57,
        "PATCH of `active`, its op in capitals",
        patched(U, {"op": "Replace", "path": "active", "value": False}),
        CHANGED,
        needs=(44,),
    ),
    step(
        58,
        "Both have changed",
        get(U),
        equals("userName", "newusername{run}"),
        equals("active", False),
        needs=(56, 57),
    ),
    step(
        59,
        "A PUT brings the old name back",
        put(U, moved("userName")),
        OK,
        equals("userName", "OMalley{run}"),
        equals("active", False),
        includes("Germany"),
        needs=(56,),
    ),
    step(
        60,
        "A page of two",
        get("/Users", startIndex=1, count=2),
        more("totalResults", 5, "users"),
        equals("itemsPerPage", 2),
        needs=(44, 45, 47, 48, 55),
    ),
    step(
        61,
        "Two attributes of every user",
        get("/Users", attributes="userName,emails"),
        more("totalResults", 5, "users"),
        needs=(44, 45, 47, 48, 55),
    ),
    step(62, "A userName twice is still refused", post("/Users", full(62, "emp3")), *TAKEN, needs=(48,)),
    step(
        63,
        "A filter with `and` and `or`, texts without quotes",
        get(
            "/Users",
            filter="name.FamilyName eq Employee{run} and "
            "(emails.Value co example.com or emails.Value co example.org)",
        ),
        equals("totalResults", 4).unless(NO_QUOTES, answers(400)),
        needs=(45, 47, 48, 55),
    ),
    step(
        64,
        "A filter by beginning, its text without quotes",
        get("/Users", filter="userName sw OMalley{run}"),
        equals("totalResults", 1).unless(NO_QUOTES, answers(400)),
        needs=(59,),
    ),
    step(
        65,
        "A filter by time with seven decimals, narrowed to this run",
        get("/Users", filter="meta.Created gt 2015-10-10T14:38:21.8617979-07:00 and userName co {run}"),
        equals("totalResults", 5).unless(NO_QUOTES, answers(400)),
        needs=(44, 45, 47, 48, 55),
    ),
    step(66, "A group", post("/Groups", group(66, "Group 1 ")), MADE, needs=(3,), gb="id"),
    step(
        67,
        "PATCH adds a member as plain text whom nobody knows",
        patched(BAD, {"op": "add", "path": "members", "value": "string id 1"}, id="{gb}"),
        CHANGED.unless(NO_MEMBER, answers(400, 404)),
        needs=(66,),
    ),
    step(
        68,
        "And another",
        patched(BAD, {"op": "add", "path": "members", "value": "string id 2"}, id="{gb}"),
        CHANGED.unless(NO_MEMBER, answers(400, 404)),
        needs=(66,),
    ),
    step(69, "The group by id", get(BAD), OK, needs=(66,)),
    step(70, "The group without members", get(BAD, excludedAttributes="members"), OK, needs=(66,)),
    step(
        71,
        "PUT of the group's name",
        put(BAD, group(71, "Tiffany ", id="{gb}")),
        OK,
        equals("displayName", "Tiffany {run}"),
        needs=(66,),
    ),
)

TEARDOWN: Final = (
    *(
        step(number, "A user is deleted", delete(f"/Users/{{{name}}}"), GONE, needs=(made,))
        for number, name, made in (
            (72, "u1", 44),
            (73, "u2", 45),
            (74, "u3", 47),
            (75, "u4", 48),
            (76, "u5", 55),
        )
    ),
    step(77, "The group is deleted", delete(BAD), GONE, needs=(66,)),
    step(
        78,
        "No user is left",
        get("/Users", attributes="userName"),
        OK,
        more("totalResults", 0, "users"),
        needs=(2,),
    ),
    step(79, "No group is left", get("/Groups"), OK, more("totalResults", 0, "groups"), needs=(3,)),
)

GARBAGE: Final = (*USERS, *TEARDOWN)
