"""/governance/api/v1/reviews: decisions of access certification campaigns, read only; made by the control API."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import Caller, answer
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.parts import Parts

PATH = "/governance/api/v1/reviews"
KIND = "review"
EVENT = "certification.campaign.item.decide"
DECISIONS = ("APPROVE", "REVOKE", "DELEGATE", "NORESPONSE")


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource, and how reviewers are played."""
    org = parts.org

    async def one(request: Request, caller: Caller) -> Response:
        found = org.store.get(KIND, request.path_params["review_id"])
        if found is None:
            raise OktaError("E0000007")
        return answer(found)

    async def decide(request: Request) -> Any:
        """A reviewer decides. {"agent", "reviewer": logins, "decision", "resource"?, "note"?, "review"?: again,
        "silent"?: no event, "published"?: when the event says it happened}."""
        body = await read_object(request)
        agent = parts.directory.find(str(body.get("agent") or ""))
        reviewer = parts.directory.find(str(body.get("reviewer") or ""))
        decision = body.get("decision")
        if agent is None or reviewer is None or decision not in DECISIONS:
            raise Refusal(f"'agent' and 'reviewer' are logins, 'decision' one of {', '.join(DECISIONS)}.")
        with org.store.transaction():
            review_id = str(body.get("review") or org.ids.new("icr"))
            decided = decision in ("APPROVE", "REVOKE")
            review = {
                "id": review_id,
                "campaignId": str(body.get("campaign") or "icisandbox0000000001"),
                "resourceId": str(body.get("resource") or "00gsandbox0000000001"),
                "decision": decision if decided else "UNREVIEWED",
                "decided": body.get("decided") or (org.stamp() if decided else None),
                "remediationStatus": "NONE",
                "reviewerType": "USER",
                "principalProfile": _profile(agent),
                "reviewerProfile": _profile(reviewer),
                "note": {"id": "not1", "note": str(body["note"])} if body.get("note") else None,
            }
            org.store.put(KIND, review_id, review)
            if not body.get("silent"):
                _tell(reviewer, review, str(decision), body.get("published"))
        return {"ok": True, "review": review_id}

    def _tell(reviewer: dict[str, Any], review: dict[str, Any], decision: str, published: Any) -> None:
        who = Caller(reviewer["id"], reviewer["profile"]["login"], "User", None)
        target = events.other_target("CertificationReviewItem", review["id"], "Review item")
        debug = {"decision": decision, "campaignId": review["campaignId"]}
        result = "SUCCESS" if decision in ("APPROVE", "REVOKE") else "SKIPPED"
        events.write(org, EVENT, who, [target], result=result, debug=debug, published=published)

    gated = parts.gate.route(
        f"{PATH}/{{review_id}}", "governance.accessCertifications", licence="governance", GET=one
    )
    return [gated, control_route("/certifications/decide", decide, ["POST"])]


def _profile(user: dict[str, Any]) -> dict[str, Any]:
    profile = user["profile"]
    return {
        "id": user["id"],
        "email": profile.get("email"),
        "firstName": profile.get("firstName"),
        "lastName": profile.get("lastName"),
        "login": profile.get("login"),
        "status": "INACTIVE" if user["status"] == "DEPROVISIONED" else "ACTIVE",
    }
