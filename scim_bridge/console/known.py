"""What the composition root knows and this room does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scim_bridge.access.policies import Policies


@dataclass(frozen=True, slots=True)
class Known:
    """The policies that answer now (None: this process answers no questions), and each store's kind by its name.

    `public_url_set`: whether our address was told to us, or is only the default.
    `of_settings` are the policies of the settings' files; without it those that answer now.
    """

    policies: Callable[[], Policies] | None = None
    stores: Mapping[str, str] = field(default_factory=dict)
    public_url_set: bool = True
    of_settings: Callable[[], Policies] | None = None

    def policy_text(self) -> str:
        """The whole text of the policies in force; empty when there are none."""
        return self.policies().text.whole if self.policies is not None else ""
