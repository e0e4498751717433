"""What answers from outside mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scim_bridge.doctor.model import Finding, Reached, ok, wrong

# Signed assertions and proofs are refused by Okta and Entra beyond a few minutes; tokens are timed in seconds.
SKEW = 60.0


def of_outside(reached: Iterable[Reached]) -> Iterator[Finding]:
    """Every call that was made, and the clock."""
    furthest: Reached | None = None
    for one in reached:
        if one.trouble:
            yield wrong(one.what, one.trouble, one.fix or _fix(one), one.about)
        else:
            yield ok(one.what, f"{one.address} answers.", one.about)
        if one.skew is not None and (furthest is None or abs(one.skew) > abs(furthest.skew or 0)):
            furthest = one
    if furthest is not None:
        yield clock(furthest)


def clock(one: Reached) -> Finding:
    """Whether we and an IdP agree what time it is."""
    skew = one.skew or 0.0
    if abs(skew) <= SKEW:
        return ok("clock", f"Within {max(1, round(abs(skew)))} s of {one.about or one.address}.")
    way = "fast" if skew > 0 else "slow"
    return wrong(
        "clock",
        f"This machine's clock is {abs(skew):.0f} s {way} of {one.about or one.address}.",
        "Keep it with NTP (timedatectl set-ntp true): signed assertions and tokens are refused otherwise.",
    )


def _fix(one: Reached) -> str:
    if one.code in ("outbound-address", "outbound-http"):
        return "If that address is meant, name it in allow_networks (SCIM_BRIDGE_ALLOW_NETWORKS)."
    if one.code == "outbound-tls":
        return "Use a certificate of a public authority, with its chain; a private one: ca_file."
    if one.code == "outbound-dns":
        return "Check the name, and the DNS of this machine."
    return "Check the address, and that a firewall lets it through."
