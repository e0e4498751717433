"""Performing what was decided: runtime hooks to agents' platforms, notices to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import orjson
import structlog

from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import Tampered
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, lane
from scim_bridge.kernel.webhook import deliver
from scim_bridge.kernel.work import Work
from scim_bridge.registry.outward import NOTIFY, RUNTIME_HOOK, opened_for
from scim_bridge.registry.own_secrets import live_secrets
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.watch import apprise_target
from scim_bridge.watch.notices import Notice, Template, read_templates, written

log = structlog.get_logger("scim_bridge.watch")

NOTIFICATION = "notification"
NOTIFY_TARGET = "notify.target"
OWNER_CHANGED = "agent.owner_changed"
NOT_DATA = ("url", "event", "at")


class WatchSettings(Protocol):
    """The settings this room reads."""

    @property
    def runtime_secret(self) -> str:
        """Signs runtime hooks (whsec_…)."""

    @property
    def notify_url(self) -> str:
        """Where notices go; empty: nowhere."""

    @property
    def notify_secret(self) -> str:
        """Signs notices (whsec_…)."""

    @property
    def notify_targets(self) -> Mapping[str, str]:
        """Apprise addresses by name: each gets every notice too."""

    @property
    def templates(self) -> str:
        """A directory of templates that replace packaged ones; empty: none."""

    @property
    def security_contact(self) -> str:
        """The address that stands for nobody in particular."""


def handlers(ctx: Context, settings: WatchSettings) -> dict[str, Handler]:
    """Who performs runtime.hook, notify and notify.target.

    The receiver gets the effect's id as webhook-id at every attempt, so it can act once. A runtime hook
    without `runtime_secret` is dead and names the setting. Without `notify_url` and `notify_targets` a notice
    is done, and its result says that it was not delivered and why: an installation without notices is a choice.
    """
    templates = read_templates(settings.templates)

    async def hook(effect: Effect) -> Outcome:
        if not settings.runtime_secret:
            return Dead(
                "runtime_secret is not set, so the platform could not trust this hook."
                " Set it, then `scim-bridge effects retry`."
            )
        url = str(effect.payload["url"])
        return await deliver(
            ctx.outbound,
            url,
            await _signing(ctx, "runtime_secret", settings.runtime_secret),
            effect.id,
            ctx.store.clock.now(),
            await _hook_message(ctx, effect),
            to=f"the runtime at {_host(url)}",
        )

    async def notify(effect: Effect) -> Outcome:
        recipient = _recipient(effect.payload.get("to"), settings.security_contact)
        try:
            private = _private(ctx, effect.payload)
        except Tampered as error:
            return Dead(f"the notice cannot be read: {error.text()}")
        notice = _written(templates, effect, recipient, private)
        also = _for_targets(settings, effect)
        if not settings.notify_url:
            return also if also is not None else _undelivered(effect, notice)
        outcome = await deliver(
            ctx.outbound,
            settings.notify_url,
            await _signing(ctx, "notify_secret", settings.notify_secret),
            effect.id,
            ctx.store.clock.now(),
            _notice_message(effect, recipient, private, notice),
            to="the receiver of notices (notify_url)",
        )
        # Only once it has arrived there: a second attempt must not tell the others twice.
        return replace(outcome, commit=also.commit) if isinstance(outcome, Done) and also else outcome

    async def tell_target(effect: Effect) -> Outcome:
        name = str(effect.payload["target"])
        target = settings.notify_targets.get(name)
        if target is None:
            return Dead(f"there is no notify_targets.{name} any more")
        recipient = _recipient(effect.payload.get("to"), settings.security_contact)
        email = str((recipient or {}).get("email") or "")
        # What many read holds nothing that is for one person alone, such as their link.
        private: dict[str, str] = {}
        if apprise_target.personal(target):
            if not email:
                return Done(
                    {"delivered": False, "why": "nobody in particular is told, and it reaches one person"}
                )
            try:
                private = _private(ctx, effect.payload)
            except Tampered as error:
                return Dead(f"the notice cannot be read: {error.text()}")
        notice = _written(templates, effect, recipient, private)
        address = apprise_target.addressed(target, email)
        return await apprise_target.deliver(
            address, notice.subject, notice.text, to=f"the target {name} (notify_targets)"
        )

    return {RUNTIME_HOOK: hook, NOTIFY: notify, NOTIFY_TARGET: tell_target}


def _for_targets(settings: WatchSettings, effect: Effect) -> Done | None:
    """The notice as one effect for each target: what one of them does not take holds up no other. None without."""
    names = sorted(settings.notify_targets)
    if not names:
        return None

    async def commit(work: Work) -> None:
        for name in names:
            await work.effect(
                NOTIFY_TARGET,
                {**effect.payload, "target": name},
                lane=lane(f"notify:{name}", effect.subject_id or effect.id),
                subject_id=effect.subject_id,
                case_id=effect.case_id,
                key=f"{effect.id}:{name}",
            )

    return Done({"delivered": False, "handed_to": names}, commit)


async def _signing(ctx: Context, name: str, configured: str) -> str:
    """Every secret of this name that counts now, separated by blanks."""
    found = await live_secrets(ctx.store.reads, ctx.master, name, configured, ctx.store.clock.now())
    return " ".join(found)


async def _hook_message(ctx: Context, effect: Effect) -> bytes:
    """What a platform gets: {"type", "timestamp", "data": {"agent": {"id", "slug"}, "reason", …}}.

    A change of owner also says who answers for the agent when the hook is sent.
    """
    said = effect.payload
    data = {name: value for name, value in said.items() if name not in NOT_DATA}
    if said["event"] == OWNER_CHANGED and effect.subject_id is not None:
        owner = (await owners_of(ctx.store.reads, [effect.subject_id]))[effect.subject_id].owner
        if owner is not None:
            data["owner"] = {
                "id": owner.id,
                "userName": owner.user_name,
                "displayName": owner.display_name,
                "email": owner.email,
            }
    return orjson.dumps({"type": said["event"], "timestamp": said["at"], "data": data})


def _recipient(to: Mapping[str, Any] | None, security_contact: str) -> dict[str, Any] | None:
    """Whom a notice is for; the security contact when it is for nobody in particular, None without one."""
    if to is not None:
        return dict(to)
    return {"id": "", "name": "", "email": security_contact} if security_contact else None


def _private(ctx: Context, payload: Mapping[str, Any]) -> dict[str, str]:
    sealed, to = payload.get("private"), payload.get("to")
    return opened_for(ctx.master, str(to["id"]), sealed) if sealed and to else {}


def _written(
    templates: Mapping[str, Template],
    effect: Effect,
    to: Mapping[str, Any] | None,
    private: Mapping[str, str],
) -> Notice:
    return written(templates, str(effect.payload["template"]), to, {**effect.payload["data"], **private})


def _notice_message(
    effect: Effect, to: Mapping[str, Any] | None, private: Mapping[str, str], notice: Notice
) -> bytes:
    """What the receiver passes on: who is told, subject and text, and the same as values."""
    said = effect.payload
    data = {
        "template": said["template"],
        "to": to,
        "subject": notice.subject,
        "text": notice.text,
        "values": {**said["data"], **private},
    }
    return orjson.dumps(
        {"type": NOTIFICATION, "timestamp": said.get("at") or iso(effect.created), "data": data}
    )


def _undelivered(effect: Effect, notice: Notice) -> Done:
    log.warning(
        "notice.undelivered",
        action="notice.undelivered",
        effect=effect.id,
        template=effect.payload["template"],
        reason="notify_url is not set",
    )
    return Done({"delivered": False, "why": "notify_url is not set", "subject": notice.subject})


def _host(url: str) -> str:
    return url.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1]
