"""What each table grows with and what bounds it. A table without an entry fails the tests.

`bound` names the duty of the server that deletes (`duties.py`), or the code that does it in passing, or says why
nothing is deleted. `at` is the column that tells when a row came, for the growth of the last day.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """One table: what it grows with, the duty that bounds it (`job`) or the reason it needs none (`why`)."""

    grows_with: str
    why: str = ""
    job: str = ""
    at: str | None = None

    @property
    def bound(self) -> str:
        """In words."""
        return f"job {self.job}" if self.job else self.why


STATE = "one row for each that exists"
EVIDENCE = "kept: evidence an auditor asks for"
GRAVES = "kept: who comes back is the same"

TABLES: dict[str, Kept] = {
    "sb_activity": Kept("events of agents", job="activity-forget", at="received"),
    "sb_activity_hour": Kept("hours in which agents did something", job="activity-forget"),
    "sb_activity_part": Kept("hours in which agents did something", job="activity-forget"),
    "sb_alert": Kept("alerts", EVIDENCE),
    "sb_alert_mute": Kept("alerts that were muted", EVIDENCE, at="created"),
    "sb_api_answer": Kept("API requests with a key", job="api-answers-forget", at="at"),
    "sb_baseline": Kept("agents that were watched", STATE),
    "sb_baseline_known": Kept("what agents are known for", "one row for each thing an agent uses"),
    "sb_credential_trace": Kept(
        "secrets made for agents", "kept: one must be known when it leaks", at="created"
    ),
    "sb_key_holder": Kept("processes", job="master-key", at="seen"),
    "sb_leak": Kept("secrets found outside", EVIDENCE, at="reported"),
    "sb_own_secret": Kept("webhook secrets made here", EVIDENCE, at="created"),
    "sb_agent": Kept("agents", GRAVES),
    "sb_application_agent": Kept("agents of applications", STATE, at="since"),
    "sb_attestation": Kept("answers of owners", EVIDENCE, at="at"),
    "sb_attestation_request": Kept("questions to owners", EVIDENCE, at="created"),
    "sb_attr": Kept("declared attributes of agents", STATE),
    "sb_audit": Kept("changes", "kept: a chain with a hole does not verify", at="at"),
    "sb_audit_anchor": Kept("anchored checkpoints", EVIDENCE, at="at"),
    "sb_audit_sink": Kept("sinks of the audit log", STATE),
    "sb_bulk": Kept("changes of many agents", EVIDENCE, at="created"),
    "sb_bulk_item": Kept("agents changed together", EVIDENCE),
    "sb_budget_use": Kept("agents with budgets", "one row for each budget and key, used again and again"),
    "sb_campaign": Kept("campaigns", EVIDENCE, at="opened"),
    "sb_campaign_item": Kept("agents in campaigns", EVIDENCE),
    "sb_change": Kept(
        "changes planned for an IdP", "the next plan deletes those of old plans that were not applied"
    ),
    "sb_checkpoint": Kept("seals of the audit log", "kept: a chain with a hole does not verify", at="at"),
    "sb_connection": Kept("connections", STATE, at="created"),
    "sb_counter": Kept("kinds of resources", "a fixed number of shards"),
    "sb_credential": Kept("credentials", "kept: a revoked one must be known when it turns up", at="created"),
    "sb_credential_client": Kept(
        "clients at IdPs", "the next scan deletes those it does not see", at="first_seen"
    ),
    "sb_credential_policy": Kept("policies", STATE),
    "sb_credential_scan": Kept("connections", STATE),
    "sb_decision": Kept("questions of gateways", job="decisions-forget", at="at"),
    "sb_departure": Kept("departures", EVIDENCE, at="heard_at"),
    "sb_departure_agent": Kept("agents in departures", EVIDENCE, at="decided"),
    "sb_departure_approval": Kept("approvals", EVIDENCE, at="at"),
    "sb_departure_brake": Kept("brakes", EVIDENCE, at="opened"),
    "sb_door": Kept("doors for news", STATE),
    "sb_drift": Kept("drift", "the next look at an IdP deletes what was settled long ago", at="first_seen"),
    "sb_effect": Kept("outward calls", job="effects-forget", at="created"),
    "sb_external": Kept("agents at IdPs", STATE, at="since"),
    "sb_fact": Kept(
        "cursors and sign-ins", "sign-ins that expired are deleted by the next one", at="changed"
    ),
    "sb_feature": Kept("connections", STATE),
    "sb_first_call": Kept("connections", "one row for each kind of call of a connection", at="at"),
    "sb_finding": Kept("what pushes found", "replaced by the next push", at="since"),
    "sb_hold": Kept("holds", EVIDENCE, at="placed"),
    "sb_index": Kept("declared indexes", STATE),
    "sb_key": Kept("signing keys", "kept: old signatures verify with them", at="created"),
    "sb_listener": Kept("doors for news", STATE),
    "sb_mapping": Kept("mappings", STATE),
    "sb_member": Kept("memberships", STATE, at="since"),
    "sb_news": Kept("news of IdPs", job="idp-news", at="received"),
    "sb_oauth_assertion": Kept("assertions that count once", job="oauth-forget"),
    "sb_oauth_client": Kept("OAuth clients", STATE, at="created"),
    "sb_oauth_keys": Kept("trusted issuers", STATE),
    "sb_oauth_secret": Kept("client secrets", EVIDENCE, at="created"),
    "sb_oauth_trust": Kept("trusted issuers", EVIDENCE, at="created"),
    "sb_owner": Kept("owners of agents", STATE, at="since"),
    "sb_person": Kept("people", GRAVES),
    "sb_plan": Kept("plans", "the next plan deletes old ones that were not applied", at="created"),
    "sb_policy_draft": Kept(
        "policies being written", "the next draft deletes those of ninety days ago", at="created"
    ),
    "sb_policy_version": Kept("versions of policies", EVIDENCE, at="at"),
    "sb_pushed": Kept("agents at IdPs", STATE, at="written"),
    "sb_receipt": Kept("departures", EVIDENCE, at="issued"),
    "sb_recommendation": Kept("agents in groups they do not need", STATE, at="seen"),
    "sb_release": Kept("stops released by hand", "deleted with the plan"),
    "sb_remote_person": Kept("people at IdPs", STATE, at="read"),
    "sb_resource": Kept("agents, people, groups", GRAVES, at="created"),
    "sb_rotation": Kept("rotations of credentials", EVIDENCE, at="created"),
    "sb_run": Kept("sync runs", EVIDENCE, at="started"),
    "sb_session": Kept("sign-ins", "a sign-in deletes those that ended thirty days ago", at="created"),
    "sb_signal": Kept("news about people", EVIDENCE, at="received"),
    "sb_ssf_set": Kept("security events received", job="ssf-forget", at="received"),
    "sb_ssf_stream": Kept("streams received", STATE, at="created"),
    "sb_stranger": Kept("agents only an IdP knows", STATE, at="first_seen"),
    "sb_sync_kept": Kept("attributes a target keeps otherwise", STATE),
    "sb_throttle": Kept("agents that were slowed down", EVIDENCE, at="placed"),
    "sb_token": Kept("tokens", job="oauth-forget", at="created"),
    "sb_tx_set": Kept("security events sent", job="ssf-refused-forget"),
    "sb_tx_stream": Kept("streams sent", STATE, at="created"),
    "sb_tx_subject": Kept("subjects of streams sent", STATE),
    "sb_view": Kept("saved searches", "fifty for each person", at="created"),
}
