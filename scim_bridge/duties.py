"""The composition root, upper half: the worker of a process and each of its periodic duties."""

from __future__ import annotations

from scim_bridge.access import retention
from scim_bridge.api import idempotency as api_answers
from scim_bridge.app import Bridge, drill_accept, effects_of
from scim_bridge.attestations import duties as attestations
from scim_bridge.attestations.schedules import ask_anew
from scim_bridge.attestations.service import asking_of
from scim_bridge.audit import anchors, streaming
from scim_bridge.audit.seal import seal
from scim_bridge.credentials.due import duties as credential_duties
from scim_bridge.credentials.leaks import scanner_keys
from scim_bridge.departures import drill
from scim_bridge.departures import service as departures
from scim_bridge.departures.upkeep import upkeep
from scim_bridge.kernel import effect_retention
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.key_holders import Presence
from scim_bridge.oauth import keys as oauth_keys
from scim_bridge.oauth import upkeep as oauth_upkeep
from scim_bridge.registry import expiry, grants, indexing, throttles
from scim_bridge.registry.bulk_doing import carry_on
from scim_bridge.settings.model import ALL, WEB
from scim_bridge.signals import poll_state, ssf_poll, ssf_pulse, stream_keys
from scim_bridge.signals.idp import doors as idp_doors
from scim_bridge.watch import ssf_fill
from scim_bridge.watch.watcher import Watcher, forget_old


def jobs_of(bridge: Bridge, presence: Presence) -> Jobs:
    """The worker of this process with its periodic duties, not started yet."""
    ctx = bridge.ctx
    role = bridge.settings.role
    jobs = Jobs(ctx.store, effects_of(bridge), works=role != WEB, alone=role == ALL)
    jobs.every("grants-due", 2.0, lambda: grants.due(ctx.store))
    jobs.every("scim-indexes", 5.0, lambda: indexing.upkeep(ctx.store))
    jobs.every("master-key", 1.0, presence.beat, own=True)
    jobs.every("audit-seal", 0.5, lambda: seal(ctx.store, ctx.master))
    if bridge.settings.audit.sinks:
        jobs.every("audit-streams", 1.0, streaming.duty(ctx, bridge.settings.audit))
    if bridge.settings.audit.anchors:
        jobs.every("audit-anchors", 5.0, anchors.duty(ctx, bridge.settings.audit))
    if bridge.settings.transmitter.enabled:
        jobs.every("ssf-transmit", 1.0, lambda: ssf_fill.fill(ctx))
        jobs.every("ssf-refused-forget", 3600.0, lambda: ssf_fill.forget(ctx))
    jobs.every("departures-due", 5.0, lambda: departures.due(ctx, bridge.rules))
    told = drill_accept(bridge)
    jobs.every("departures-drill", 15.0, lambda: drill.tick(ctx, bridge.rules.policies.drill, told))
    jobs.every("agents-upkeep", 60.0, lambda: upkeep(ctx, bridge.rules))
    asking = asking_of(ctx, bridge.settings.attestations)
    jobs.every("agents-many", 2.0, lambda: carry_on(ctx.store, asking))
    idp_doors.duties(ctx, bridge.idps.news, departures.reactor(bridge.rules), jobs.every)
    for name, seconds, duty in attestations.duties(ctx, bridge.settings.attestations):
        jobs.every(name, seconds, duty)
    jobs.every("api-answers-forget", 3600.0, lambda: api_answers.forget(ctx.store))
    jobs.every("decisions-forget", 3600.0, lambda: retention.forget(ctx.store, bridge.settings.access))
    jobs.every("effects-forget", 3600.0, lambda: effect_retention.forget(ctx.store))
    for name, seconds, duty in credential_duties(ctx, bridge.idps.keeper, bridge.settings.credentials):
        jobs.every(name, seconds, duty)
    jobs.every("oauth-keys", 1.5, lambda: oauth_keys.refresh(ctx, bridge.settings.oauth.keys_hosts))
    jobs.every("oauth-forget", 3600.0, lambda: oauth_upkeep.forget(ctx))
    jobs.every("leak-keys", 1.5, lambda: scanner_keys.refresh(ctx, bridge.settings.leaks.keys_url))
    jobs.every("ssf-keys", 1.5, lambda: stream_keys.refresh(ctx))
    jobs.every("ssf-poll", 1.0, ssf_poll.Poller(ctx, departures.reactor(bridge.rules)).poll_due)
    jobs.every("ssf-pulse", 15.0, lambda: ssf_pulse.beat(ctx))
    jobs.every("ssf-forget", 3600.0, lambda: poll_state.forget(ctx))
    jobs.every("tokens-expiring", 600.0, lambda: expiry.warn_of_tokens(ctx.store))
    watcher = Watcher(ctx, bridge.settings.alerts, ask_anew(bridge.settings.attestations))
    jobs.every("activity-watch", 5.0, watcher.look)
    jobs.every("alerts-end", 300.0, watcher.end_quiet)
    jobs.every("throttles-end", 15.0, lambda: throttles.end_throttles(ctx.store))
    jobs.every("activity-forget", 3600.0, lambda: forget_old(ctx, bridge.settings.activity))
    jobs.every("secrets-expiring", 600.0, lambda: oauth_upkeep.warn_of_secrets(ctx.store))
    return jobs
