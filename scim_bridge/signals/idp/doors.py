"""The IdP doors put together: their addresses, and the duties of those that ask by themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.routing import BaseRoute

from scim_bridge.kernel.context import Context
from scim_bridge.registry.news import NewsOf
from scim_bridge.registry.signal import React
from scim_bridge.signals.idp import (
    graph_delta,
    graph_notice,
    graph_subscription,
    news,
    okta_hook,
    okta_log,
    owners,
)

Every = Callable[[str, float, Callable[[], Awaitable[object]]], None]


def routes(ctx: Context) -> list[BaseRoute]:
    """Every address an IdP pushes news to."""
    return [*okta_hook.routes(ctx), *graph_notice.routes(ctx)]


def duties(ctx: Context, news_of: NewsOf, react: React, every: Every) -> None:
    """What asks for news by itself; each looks often and asks when its turn has come."""
    every("okta-log", 5.0, lambda: okta_log.poll(ctx, news_of))
    every("graph-subscription", 10.0, lambda: graph_subscription.tend(ctx, news_of))
    every("graph-delta", 5.0, lambda: graph_delta.poll(ctx, news_of))
    every("owner-check", 15.0, lambda: owners.check(ctx, news_of, react))
    every("idp-news", 30.0, lambda: news.upkeep(ctx))
