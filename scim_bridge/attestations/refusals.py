"""Why a link does not open: one error for each reason, with the status it deserves."""

from __future__ import annotations

from scim_bridge.kernel.errors import BridgeError

ASK_AGAIN = "Ask for a new link: scim-bridge attest request."


class LinkRefused(BridgeError):
    """A link that does not open; kept in the audit log."""

    status = 404


class LinkForged(LinkRefused):
    """The link was altered, or another installation made it."""

    status = 403


class LinkClosed(LinkRefused):
    """The link is genuine and its time is over."""

    status = 410


class NotYours(LinkRefused):
    """The link is genuine and the person no longer answers for the agent."""

    status = 403


def unknown() -> LinkRefused:
    """No request has this link."""
    return LinkRefused(
        "link-unknown", "This link leads nowhere.", "Open the link from the message as a whole."
    )


def forged() -> LinkForged:
    """The signature does not hold."""
    return LinkForged(
        "link-forged", "This link was altered on its way.", "Open the link from the message as a whole."
    )


def expired() -> LinkClosed:
    """The date has passed."""
    return LinkClosed("link-expired", "This link has expired.", ASK_AGAIN)


def closed(why: str) -> LinkClosed:
    """The request was answered, handed on, or a newer one took its place."""
    if why == "answered":
        return LinkClosed(
            "link-used", "This link has been used.", "The answer is recorded; a link works once."
        )
    if why == "passed on":
        return LinkClosed(
            "link-passed-on",
            "This question was handed to somebody else.",
            "They were sent a link of their own.",
        )
    return LinkClosed(
        "link-replaced", "A newer link was sent in place of this one.", "Open the newest message."
    )


def agent_gone() -> LinkClosed:
    """The agent was deleted since."""
    return LinkClosed(
        "agent-gone", "The agent this link is about no longer exists.", "There is nothing to do."
    )


def not_answerable() -> NotYours:
    """The person left, or others answer for the agent now."""
    return NotYours(
        "not-answerable",
        "You no longer answer for this agent.",
        "Its present owner, co-owners and sponsors may; ask for a link to one of them.",
    )
