"""Whether a service app's private key can be used at all, said before anything is sent."""

from __future__ import annotations

from scim_bridge.kernel.errors import Refused
from scim_bridge.registry.key_forms import okta_key
from scim_bridge.registry.setting_values import WrongValue


def check_private_key(connection: str, private_key: str) -> None:
    """Refused when a key that was kept before keys were looked at cannot sign for Okta.

    Nothing of the key is repeated.
    """
    try:
        okta_key(private_key)
    except WrongValue as wrong:
        said, fix = wrong.args
        raise Refused("okta-private-key", f"The private_key of {connection} {said}.", fix) from None
