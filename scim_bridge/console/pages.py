"""The console's pages, rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from scim_bridge.console import agent_cells
from scim_bridge.console.addresses import agent_url, filter_url
from scim_bridge.console.agent import CALLS, DECISIONS, STATEMENTS, VERDICTS, AgentPage
from scim_bridge.console.cells import rows
from scim_bridge.console.listing import Counts, Page
from scim_bridge.console.search import KEYS, Search, address, parse
from scim_bridge.console.session import PATH, Session
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.pages import Asset, environment, mark, stylesheet
from scim_bridge.registry.bulk_model import MOST
from scim_bridge.registry.views import View

HERE = Path(__file__).parent
# Name of a count, what it says, and the search that shows those it counts.
TILES = (
    ("all", "All agents", ""),
    ("active", "Active", "state:active"),
    ("held", "Held", "state:held"),
    ("ownerless", "Nobody answers", "owner:none"),
    ("unattested", "Not attested", "attestation:missing"),
)


@dataclass(frozen=True, slots=True)
class Way:
    """The ways in: `url` leads to the IdP called `provider` (empty: none); `token`: an admin's token opens."""

    provider: str = ""
    url: str = ""
    token: bool = True


class Pages:
    """Renders pages; holds the assets they load. `may` says of a session, method and address what is shown."""

    def __init__(self, may: Callable[..., bool]) -> None:
        self.look = stylesheet(HERE, "console.css")
        self.mark = mark()
        self.follow = Asset((HERE / "static/follow.js").read_bytes(), "text/javascript")
        self._templates = environment(HERE)
        self._templates.globals |= {
            "look": f"{PATH}/look.css?v={self.look.digest}",
            "mark": f"{PATH}/mark.svg?v={self.mark.digest}",
            "agent_url": agent_url,
            "filter_url": filter_url,
            "agent_rows": agent_cells.rows,
            "agent_state": agent_cells.state,
            "attestation": agent_cells.attestation,
            "person": agent_cells.person,
            "risk": agent_cells.risk,
            "follow_js": f"{PATH}/follow.js?v={self.follow.digest}",
            "may": may,
            "table_rows": lambda table, now, key, session: rows(table, now, key, partial(may, session)),
        }

    def _render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(**values)

    def sign_in(self, next_page: str, problem: BridgeError | None = None, way: Way | None = None) -> str:
        """Where people sign in at the IdP, or an admin's token opens a session."""
        return self._render(
            "sign_in.html",
            next=next_page,
            problem=problem,
            way=way or Way(),
            session=None,
            title="Sign in",
        )

    def signed_out(self, provider: str, url: str) -> str:
        """That the session is over here, and where it ends at the IdP too."""
        return self._render("signed_out.html", provider=provider, url=url, session=None, title="Signed out")

    def problem(
        self, error: BridgeError, session: Session | None, form_key: str, onward: str = "", back: str = ""
    ) -> str:
        """What went wrong, and what to do; `onward` is where one proves anew who one is, `back` the form's page."""
        return self._render(
            "problem.html",
            error=error,
            session=session,
            form_key=form_key,
            title=error.message,
            onward=onward,
            back=back,
        )

    def board(self, session: Session, form_key: str, board: Any, now: int) -> str:
        """A page of counts, notices and tables."""
        return self._render(
            "board.html",
            session=session,
            form_key=form_key,
            now=now,
            title=board.title,
            here=board.here,
            lead=board.lead,
            tiles=board.tiles,
            boxes=board.boxes,
            sections=board.sections,
            facts=board.facts,
            crumb=board.crumb,
            older=board.older,
            ask=board.ask,
            links=board.links,
            follow=board.follow,
        )

    def page(
        self, template: str, session: Session, form_key: str, now: int, title: str, here: str, **values: Any
    ) -> str:
        """A page with a template of its own. `here` is its place in the navigation."""
        return self._render(
            template, session=session, form_key=form_key, now=now, title=title, here=here, **values
        )

    def part(self, template: str, **values: Any) -> str:
        """A part of a page, which a script puts in the place of an earlier one."""
        return self._render(template, **values)

    def overview(self, session: Session, form_key: str, now: int, **values: Any) -> str:
        """The first page."""
        return self._render(
            "overview.html",
            session=session,
            form_key=form_key,
            now=now,
            title="Overview",
            here="overview",
            **values,
        )

    def agents(
        self,
        session: Session,
        form_key: str,
        search: Search,
        page: Page,
        counts: Counts,
        views: Sequence[View],
        now: int,
    ) -> str:
        """The list of agents."""
        tiles = [
            {
                "name": name,
                "label": label,
                "count": getattr(counts, name),
                "url": address(parse(query)),
                "here": search == parse(query),
            }
            for name, label, query in TILES
        ]
        chips = [{"text": term.text(), "url": address(search.without(term))} for term in search.terms]
        return self._render(
            "agents.html",
            session=session,
            form_key=form_key,
            title="Agents",
            search=search,
            query=search.text(),
            tiles=tiles,
            chips=chips,
            page=page,
            keys=KEYS,
            total=counts.all,
            views=[
                {"view": one, "url": address(parse(one.query)), "here": search == parse(one.query)}
                for one in views
            ],
            most=MOST,
            previous_url=address(search, before=page.before) if page.before else None,
            next_url=address(search, after=page.after) if page.after else None,
            now=now,
        )

    def agent(self, session: Session, form_key: str, shown: AgentPage, now: int, show: str = "") -> str:
        """One agent; `show` is what its timeline is narrowed to."""
        agent = shown.agent
        return self._render(
            "agent.html",
            session=session,
            form_key=form_key,
            title=name_of(shown),
            name=name_of(shown),
            shown=shown,
            agent=agent,
            said=described(agent.extension),
            url=agent_url(agent.slug),
            most={"calls": CALLS, "decisions": DECISIONS, "statements": STATEMENTS},
            verdicts=VERDICTS,
            show=show,
            older_url=f"{agent_url(agent.slug)}?{urlencode({'show': show, 'before': shown.older})}#timeline"
            if shown.older
            else None,
            now=now,
            own=answered_by(shown, session.person_id),
        )


def name_of(shown: AgentPage) -> str:
    """What people call the agent."""
    return str(shown.agent.resource.doc.get("displayName") or shown.agent.slug)


def answered_by(shown: AgentPage, person_id: str | None) -> bool:
    """True when this person is owner, co-owner or sponsor of the agent."""
    owners = shown.agent.owners
    people = (owners.owner, *owners.co_owners, *owners.sponsors)
    return person_id is not None and any(one is not None and one.id == person_id for one in people)


def described(extension: Mapping[str, Any]) -> dict[str, Any]:
    """What an agent's page says of its extension: texts or None, and lists of texts, whatever an IdP sent."""
    said: dict[str, Any] = {
        name: str(extension[name]) if extension.get(name) else None
        for name in ("purpose", "model", "version")
    }
    for name in ("tools", "resources"):
        values = extension.get(name)
        said[name] = [str(value) for value in values] if isinstance(values, list) else []
    return said
