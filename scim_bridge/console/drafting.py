"""Other policies in the console: written, checked, tried on what was asked lately, and only then put in force."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.access import drafts
from scim_bridge.access.check import problems
from scim_bridge.access.policies import Policies, prepared
from scim_bridge.access.policy_file import PolicyText
from scim_bridge.access.simulate import Outcome, replay
from scim_bridge.access.versions import activate, latest, version
from scim_bridge.console.acting import reason_in, sent
from scim_bridge.console.boards import Board, Box, Field, board
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.drafting_view import (
    ASKED,
    SINCE,
    comparison,
    differences,
    drafts_table,
    editor,
    outcome,
    wrong,
)
from scim_bridge.console.known import Known
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import mark, marked, page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import GOOD, WARN
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, NotFound, Refused
from scim_bridge.kernel.pages import moment
from scim_bridge.kernel.work import Work

HERE = f"{PATH}/access"
SHOWN = 20
TITLE = "written in the console"
SECONDS = 30.0
# A character of a text may take three bytes in a form.
LONGEST_FORM = 4 * drafts.LONGEST


class Drafting:
    """The pages of policies that are not in force."""

    def __init__(self, ctx: Context, pages: Pages, known: Known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._known = known

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            f"{HERE}/drafts": Screen(ctx, pages, get=board(ctx, pages, self._new), post=self._begin),
            f"{HERE}/drafts/{{id}}": Screen(
                ctx, pages, get=board(ctx, pages, self._draft), post=self._rewrite
            ),
            f"{HERE}/drafts/{{id}}/activate": Screen(ctx, pages, post=self._activate_draft),
            f"{HERE}/versions/{{number}}": Screen(ctx, pages, get=board(ctx, pages, self._version)),
            f"{HERE}/versions/{{number}}/activate": Screen(ctx, pages, post=self._activate_version),
        }

    @property
    def _now(self) -> Policies:
        if self._known.policies is None:
            raise Refused(
                "policies-none",
                "This process answers no questions, so it has no policies.",
                "Open the console of a server that does.",
            )
        return self._known.policies()

    def _text(self, policies: str) -> PolicyText:
        """The text of a draft, with the schema and the sets that are in force."""
        return replace(self._now.text, name=TITLE, policies=policies)

    async def _new(self, request: Request, _now: int) -> Board:
        before = marked(cleaned(request.query_params.get("before", "")))
        found = await drafts.drafts(self._ctx.store.reads, SHOWN + 1, before)
        begun, older = page_of(
            found, SHOWN, lambda last: f"{HERE}/drafts?{urlencode({'before': mark(last.changed, last.id)})}"
        )
        return Board(
            "Change policies",
            "access",
            "Nothing is in force before you activate it: first it is checked and tried.",
            boxes=[editor(f"{HERE}/drafts", self._now.text.policies, "Keep, check and try")],
            sections=[("Drafts", drafts_table(begun), "")],
            crumb=("Access", HERE),
            older=older,
        )

    async def _begin(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session, LONGEST_FORM)
        base = await latest(self._ctx.store.reads)
        made = await self._ctx.store.transact(
            session.actor(request), lambda work: drafts.begin(work, form.get("policies", ""), base)
        )
        return redirect(f"{HERE}/drafts/{made}")

    async def _rewrite(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session, LONGEST_FORM)
        draft_id = cleaned(request.path_params["id"])
        base = await latest(self._ctx.store.reads)

        async def body(work: Work) -> None:
            await drafts.rewrite(work, draft_id, form.get("policies", ""), base, form.get("seen", ""))

        await self._ctx.store.transact(session.actor(request), body)
        return redirect(f"{HERE}/drafts/{draft_id}")

    async def _draft(self, request: Request, now: int) -> Board:
        kept = await drafts.draft(self._ctx.store.reads, cleaned(request.path_params["id"]))
        url, text = f"{HERE}/drafts/{kept.id}", self._text(kept.policies)
        found = await asyncio.to_thread(problems, text)
        boxes, sections = [], []
        newest = await latest(self._ctx.store.reads)
        if found:
            boxes.append(wrong(found))
        elif kept.base != newest:
            words = "Look at what is different now, then keep the draft again: it is tried anew."
            boxes.append(Box(f"Version {newest} was activated meanwhile", (words,), WARN))
        else:
            tried = await self._tried(await asyncio.to_thread(prepared, text), now)
            boxes += [
                outcome(tried),
                *self._offer(tried, f"{url}/activate", "Activate", kept.base, kept.mark),
            ]
            sections.append(("Answers that would change", differences(tried), ""))
        boxes.append(comparison(self._now.text.policies, kept.policies))
        boxes.append(editor(url, kept.policies, "Keep, check and try again", kept.mark))
        return Board(
            "Draft of policies",
            "access",
            f"By {kept.by}. Nothing of it is in force.",
            boxes=boxes,
            sections=sections,
            crumb=("Change policies", f"{HERE}/drafts"),
        )

    async def _version(self, request: Request, now: int) -> Board:
        number = _number(request.path_params["number"])
        reads = self._ctx.store.reads
        kept, newest = await version(reads, number), await latest(reads)
        after = await self._of_version(number)
        boxes, sections = [], []
        if number == newest:
            boxes.append(Box("This version is in force", (kept.reason,), GOOD))
        else:
            tried = await self._tried(after, now)
            boxes += [
                outcome(tried),
                *self._offer(
                    tried, f"{HERE}/versions/{number}/activate", f"Go back to version {number}", newest
                ),
                comparison(self._now.text.whole, after.text.whole),
            ]
            sections.append(("Answers that would change", differences(tried), ""))
        facts = [
            ("Policies", kept.name),
            ("Activated", f"{moment(kept.at)} by {kept.by}: {kept.reason}"),
            ("Digest", kept.digest or "the files of the settings"),
        ]
        return Board(
            f"Policies, version {number}",
            "access",
            boxes=boxes,
            facts=("The version", facts),
            sections=sections,
            crumb=("Access", HERE),
        )

    async def _of_version(self, number: int) -> Policies:
        """A version ready to be asked; the files of the settings where it says so."""
        text = (await version(self._ctx.store.reads, number)).text
        if text is None:
            return self._now if self._known.of_settings is None else self._known.of_settings()
        return replace(await asyncio.to_thread(prepared, text), calendar=self._now.calendar)

    async def _tried(self, after: Policies, now: int) -> Outcome:
        before, after = self._now, replace(after, calendar=self._now.calendar)

        async def body(reader: Reader) -> Outcome:
            return await replay(reader, before, after, since=now - SINCE, until=now + 1, limit=ASKED)

        return await self._ctx.store.database.aside(body, seconds=SECONDS)

    def _offer(self, tried: Outcome, url: str, label: str, base: int | None, seen: str = "") -> list[Box]:
        """What puts them in force. With changed answers the button says so, and the form that it was seen."""
        changes = len(tried.differences)
        fields = (
            Field("base", value="" if base is None else str(base), kind="hidden"),
            Field("accept", value="yes" if changes else "", kind="hidden"),
            Field("seen", value=seen, kind="hidden"),
        )
        lines = ("In every replica within a second, with a fresh sign-in. Kept with your name and reason.",)
        words = f"{label} although {changes} answers change" if changes else label
        tone = "danger" if changes else "primary"
        return [Box(label, lines, WARN if changes else GOOD, url, (("activate", words, tone),), fields)]

    async def _activate_draft(self, request: Request) -> Response:
        draft_id = cleaned(request.path_params["id"])
        kept = await drafts.draft(self._ctx.store.reads, draft_id)
        text = self._text(kept.policies)
        found = await asyncio.to_thread(problems, text)
        if found:
            raise Refused("policy-unsound", f"Line {found[0].line}: {found[0].message}", found[0].fix)
        after = await asyncio.to_thread(prepared, text)
        return await self._activate(request, after, after, kept)

    async def _activate_version(self, request: Request) -> Response:
        number = _number(request.path_params["number"])
        kept = await version(self._ctx.store.reads, number)
        after = await self._of_version(number)
        return await self._activate(request, None if kept.text is None else after, after)

    async def _activate(
        self, request: Request, chosen: Policies | None, after: Policies, draft: drafts.Draft | None = None
    ) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        reason = reason_in(form)
        if draft is not None:
            draft.still(form.get("seen", ""))
        base = _number(form["base"]) if form.get("base") else None
        tried = await self._tried(after, self._ctx.store.clock.now())
        if tried.differences and form.get("accept") != "yes":
            raise Conflict(
                "simulation-moved",
                f"{len(tried.differences)} answers would change by now; the page had shown none.",
                "Go back, load the page again and look at them.",
            )

        async def body(work: Work) -> None:
            await activate(work, chosen, reason, tried.summary(), former=base)
            if draft is not None:
                await drafts.forget(work, draft)

        await self._ctx.store.transact(session.actor(request), body)
        return redirect(HERE)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("policy-version", f"There is no policy version “{text[:20]}”.", "Look at the list.")
    return int(text)
