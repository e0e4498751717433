"""The link with which a successor answers: it names the case and the person, and proves that we wrote it."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.outward import sealed_for

PREFIX = "/take-over"
PURPOSE = "departure-answer"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and checks links. One says something only while its person is asked about an agent of its case."""

    master: MasterKey
    public_url: str

    def proof(self, case_id: str, person_id: str) -> str:
        """What nobody else can make: HMAC-SHA256 over case and person."""
        return self.master.digest(PURPOSE, f"{case_id}:{person_id}")

    def genuine(self, case_id: str, person_id: str, proof: str) -> bool:
        """True for a link of ours."""
        return self.master.matches(PURPOSE, f"{case_id}:{person_id}", proof)

    def address(self, case_id: str, person_id: str) -> str:
        """The whole link."""
        return f"{self.public_url}{PREFIX}/{case_id}/{person_id}/{self.proof(case_id, person_id)}"

    def sealed(self, case_id: str, to: PersonRef) -> dict[str, str]:
        """The link as a value of a notice only its recipient can read."""
        return sealed_for(self.master, to, {"link": self.address(case_id, to.id)})
