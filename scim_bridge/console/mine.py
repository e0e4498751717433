"""What a person answers for: their agents, and the questions that wait for them, answered here."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.attestations import signed_in
from scim_bridge.attestations.answering import FactsChanged
from scim_bridge.attestations.model import PASSED_ON, role_of
from scim_bridge.attestations.pages import Pages as AttestPages
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Board
from scim_bridge.console.door import Screen, required_session, same_site
from scim_bridge.console.forms import read_form_list
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH, Session, form_key, genuine_form
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile, state
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Forbidden
from scim_bridge.kernel.pages import html
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.settings.attestations import AttestationSettings

HERE = f"{PATH}/mine"
SHOWN = 50
THEIRS = "r.id IN (SELECT agent_id FROM sb_owner WHERE person_id = ?)"


class Mine:
    """The pages of whoever answers for agents."""

    def __init__(self, ctx: Context, pages: Pages, settings: AttestationSettings) -> None:
        self._ctx = ctx
        self._pages = pages
        self._settings = settings
        self._facts = AttestPages()

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=self._all),
            f"{HERE}/{{request}}": Screen(ctx, pages, get=self._look, post=self._answer),
        }

    async def _all(self, request: Request) -> Response:
        session, person_id = await self._person(request)
        now = self._ctx.store.clock.now()
        reads = self._ctx.store.reads
        asked = await signed_in.questions(reads, person_id, now)
        count: Any = await reads.one(
            "SELECT COUNT(*) AS n, COUNT(CASE WHEN r.active = 0 THEN 1 END) AS held FROM sb_resource r"
            f" WHERE r.deleted IS NULL AND {THEIRS}",
            person_id,
        )
        rows = await reads.all(
            "SELECT a.id, a.slug FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE r.deleted IS NULL"
            f" AND {THEIRS} AND a.slug > ? ORDER BY a.slug LIMIT ?",
            *(person_id, cleaned(request.query_params.get("after", "")), SHOWN + 1),
        )
        kept, older = page_of(rows, SHOWN, lambda last: f"{HERE}?{urlencode({'after': last['slug']})}")
        facts = await facts_of(reads, [row["id"] for row in kept])
        agents = [facts[row["id"]] for row in kept if row["id"] in facts]
        found = Board(
            "Your agents",
            "mine",
            "What you answer for, and what you are asked about it.",
            tiles=[
                Tile(str(len(asked)), "questions wait for you", WARN if asked else ""),
                Tile(f"{count['n']:,}", "agents"),
                Tile(f"{count['held']:,}", "may not act", BAD if count["held"] else ""),
            ],
            sections=[("Questions", _questions(asked), ""), ("Agents", _agents(agents, person_id), "")],
            older=older,
        )
        return html(self._pages.board(session, form_key(self._ctx, session), found, now))

    async def _look(self, request: Request) -> Response:
        session, person_id = await self._person(request)
        return await self._shown(session, person_id, cleaned(request.path_params["request"]))

    async def _shown(
        self,
        session: Session,
        person_id: str,
        request_id: str,
        comment: str = "",
        problem: BridgeError | None = None,
    ) -> Response:
        look = await signed_in.look_as(self._ctx, person_id, request_id)
        page = self._facts.facts(
            look,
            "",
            self._settings.valid_for(look.agent.risk_tier),
            self._ctx.store.clock.now(),
            comment=comment,
            problem=problem,
            moved=isinstance(problem, FactsChanged),
            action=f"{HERE}/{request_id}",
            form_key=form_key(self._ctx, session),
            back=HERE,
        )
        return html(page, 200 if problem is None else problem.status)

    async def _answer(self, request: Request) -> Response:
        session, person_id = await self._person(request)
        same_site(self._ctx, request)
        form = await read_form_list(request)
        said = {name: values[-1] for name, values in form.items()}
        if not genuine_form(self._ctx, session, said.get("form_key", "")):
            raise Forbidden("form-key", "This form is not from your session.", "Load the page again.")
        request_id = cleaned(request.path_params["request"])
        comment, verdict = said.get("comment", ""), said.get("verdict", "")
        told: dict[str, Any] = {"verdict": verdict, "comment": comment, "digest": said.get("digest", "")}
        actor = session.actor(request)
        try:
            if verdict in PASSED_ON:
                passed = await signed_in.pass_on_as(
                    self._ctx, self._settings, actor, request_id, to=said.get("to", ""), **told
                )
                return html(self._facts.passed(passed, HERE))
            done = await signed_in.answer_as(
                self._ctx,
                self._settings,
                actor,
                request_id,
                session.kept.proof,
                drop=form.get("drop", []),
                **told,
            )
        except BridgeError as error:
            if error.status not in (400, 404, 409, 422):
                raise
            return await self._shown(session, person_id, request_id, comment, error)
        agent_id = done.statement.agent_id
        agent = (await facts_of(self._ctx.store.reads, [agent_id])).get(agent_id)
        held = [hold.reason for hold in agent.holds] if agent is not None else []
        name = str(agent.resource.doc.get("displayName") or agent.slug) if agent else done.statement.slug
        return html(self._facts.answered(done, name, held, HERE))

    async def _person(self, request: Request) -> tuple[Session, str]:
        session = await required_session(self._ctx, request)
        if session.person_id is None:
            raise Forbidden("not-a-person", "An admin's token is nobody in person.", "Sign in at the IdP.")
        return session, session.person_id


def _questions(asked: list[signed_in.Question]) -> Table:
    return Table(
        "Questions to you, the most urgent first",
        ("Question", "Asked", "By", "Answer until"),
        tuple(
            (
                Cell(f"Are the facts about {one.slug} right?", url=f"{HERE}/{one.id}"),
                Cell(at=one.asked),
                Cell(one.by),
                Cell(at=one.expires),
            )
            for one in asked
        ),
        "Nobody asks you anything now.",
    )


def _agents(agents: list[AgentFacts], person_id: str) -> Table:
    return Table(
        "Agents you answer for",
        ("Agent", "You are its", "State", "Attested until"),
        tuple(
            (
                Cell(
                    str(one.resource.doc.get("displayName") or one.slug),
                    url=agent_url(one.slug),
                    under=one.slug,
                    own=True,
                ),
                Cell(role_of(one.owners, person_id) or ""),
                state("held", one.holds[0].reason) if one.holds else Cell("active", tone=GOOD),
                Cell(at=one.attestation.until)
                if one.attestation.until
                else Cell(one.attestation.state.replace("none", "never"), tone=WARN),
            )
            for one in agents
        ),
        "You answer for no agent.",
    )
