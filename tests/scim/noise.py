"""What no client should send, drawn at random from the pieces that SCIM is made of."""

from __future__ import annotations

from hypothesis import strategies as st

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN

# The pieces filters and paths are made of, in any order, between any text.
PIECES = [
    *'()[]". \\,:',
    *("userName", "emails", "members", "value", "type", "active", "meta.lastModified", "password", "$ref"),
    *(
        " eq ",
        " co ",
        " gt ",
        " pr",
        " and ",
        " or ",
        "not",
        "true",
        "null",
        "12",
        '"a"',
        '"2026-01-01T00:00:00Z"',
    ),
    *(ENTERPRISE_URN, AGENT_URN, ":manager", "\0", "\ud800", "é", "İ", "\\u0000", "1e999"),
]
noise = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=14).map("".join))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(PIECES),
    st.just(""),
)
KEYS = st.one_of(
    st.sampled_from(
        [
            "userName",
            "USERNAME",
            "name",
            "givenName",
            "emails",
            "value",
            "primary",
            "members",
            "active",
            "schemas",
        ]
    ),
    st.sampled_from(
        [ENTERPRISE_URN, AGENT_URN, "manager", "expiresAt", "tools", "x509Certificates", "id", "op", "path"]
    ),
    noise,
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(KEYS, anything, max_size=5)


drawn_operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Remove", "replace", "x"])},
        optional={"path": st.one_of(noise, st.none(), KEYS), "value": anything, "Value": anything},
    ),
    max_size=3,
)
