"""Who lives in a benchmark's database: agents and people made from their numbers, the same in every run."""

from __future__ import annotations

from collections.abc import Iterator

from scim_bridge.inventory.manifest import AgentEntry, PersonEntry

PLATFORMS = ("langgraph", "bedrock", "copilot-studio", "vertex", "custom")
MODELS = ("gpt-5", "claude-4", "gemini-3", "llama-4")
ENVIRONMENTS = ("dev", "staging", "production")
RISKS = ("low", "medium", "high")
WORK = (
    "invoices",
    "support tickets",
    "deployments",
    "contracts",
    "shift plans",
    "stock levels",
    "access requests",
)
DEPARTMENTS = ("Finance", "Support", "Platform", "Legal", "Operations")
DOMAIN = "corp.example"

# One person in a hundred answers for agents: the rest are there because an IdP sends everybody.
AGENTS_AN_OWNER = 100


def people_of(agents: int) -> int:
    """How many people a database with so many agents has."""
    return max(400, agents // 10)


def owners_of(agents: int) -> int:
    """How many of the people, the first ones, own agents."""
    return max(5, agents // AGENTS_AN_OWNER)


def slug(number: int) -> str:
    """The slug of an agent."""
    return f"agent-{number:07d}"


def agent_name(number: int) -> str:
    """The userName, and address, of an agent."""
    return f"{slug(number)}@agents.example"


def person_name(number: int) -> str:
    """The userName, and address, of a person."""
    return f"person-{number:07d}@{DOMAIN}"


def external_id(user_name: str) -> str:
    """What the benchmark's connection calls a user."""
    return f"00u{user_name.split('@', 1)[0]}"


def person(number: int) -> PersonEntry:
    """One person."""
    return PersonEntry(
        user_name=person_name(number),
        given_name=f"Given{number % 977}",
        family_name=f"Family{number}",
        email=person_name(number),
        department=DEPARTMENTS[number % len(DEPARTMENTS)],
        title="Engineer",
    )


def agent(number: int, agents: int) -> AgentEntry:
    """One agent of so many, as a manifest tells it."""
    work = WORK[number % len(WORK)]
    return AgentEntry(
        slug=slug(number),
        name=f"{work.capitalize()} agent {number}",
        purpose=f"Reads {work} of department {number % 41} and prepares what people decide.",
        platform=PLATFORMS[number % len(PLATFORMS)],
        environment=ENVIRONMENTS[number % len(ENVIRONMENTS)],
        risk_tier=RISKS[number % len(RISKS)],
        owner=person_name(number % owners_of(agents)),
        model=MODELS[number % len(MODELS)],
        version=f"1.{number % 7}.{number % 13}",
        tools=("search", "read_document", "draft_reply"),
        resources=(f"https://files.{DOMAIN}/{work.replace(' ', '-')}",),
        user_name=agent_name(number),
    )


def sample(count: int, wanted: int) -> Iterator[int]:
    """`wanted` numbers below `count`, spread over all of them in no order; fewer when there are fewer."""
    step = 7_368_787
    yield from dict.fromkeys((index * step + 13) % count for index in range(min(count, wanted)))
