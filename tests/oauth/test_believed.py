"""A JWT is believed when a trusted issuer signed it and its time is now; whose it is, others judge."""

from __future__ import annotations

import pytest

from scim_bridge.oauth.believed import believed
from scim_bridge.oauth.model import OAuthError
from tests.oauth.conftest import Live
from tests.oauth.house import House


def test_a_jwt_of_a_trusted_issuer_is_believed_and_no_other(sqlite_bridge: Live) -> None:
    """Also with another audience and subject than the trust's: those belong to whom it was given for."""

    async def test(house: House) -> None:
        issuer = house.issuer
        token = issuer.assertion(sub="spiffe://corp.test/agent", aud="api://orders")
        assert await believed(house.ctx, token) is None
        client = await house.client(secret=False)
        await house.trust(client)
        claims = await believed(house.ctx, token)
        assert claims is not None and claims["sub"] == "spiffe://corp.test/agent"
        head, body, signature = token.split(".")
        past, soon = issuer.claims()["exp"] - 9000, issuer.claims()["exp"] + 9000
        for wrong in (
            issuer.assertion(key="stranger", header={"kid": "k1"}),
            issuer.assertion(exp=past),
            issuer.assertion(nbf=soon),
            issuer.assertion(exp=None),
            issuer.assertion(iss="https://elsewhere.test"),
            issuer.assertion(iss=["https://elsewhere.test"]),
            issuer.assertion(tid="99999999-1111-4222-8333-944445555666"),
            f"{head}.{body}.{signature[::-1]}",
            f"{head}.{body}.",
            "a.b.c",
            "…",
            "",
        ):
            assert await believed(house.ctx, wrong) is None, wrong
        # A key nobody has seen: it may be a new one, so nobody can tell until the keys were fetched.
        house.clock.advance(seconds=120)
        with pytest.raises(OAuthError) as refused:
            await believed(house.ctx, issuer.assertion(key="k2"))
        assert refused.value.status == 503

    sqlite_bridge(test)
