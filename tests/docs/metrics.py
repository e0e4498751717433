"""The reference of metrics, written from the registry that /metrics serves.

python -m tests.docs.metrics      writes docs/reference/metrics.md
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scim_bridge import server
from scim_bridge.kernel.telemetry import REGISTRY

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
# A server's metrics are those of every room it is put together of.
SERVER = server
HEAD = """# Metrics

Made from the registry by `python -m tests.docs.metrics`. `GET /metrics` serves them in Prometheus's text format, and
asks for no token: let only your Prometheus reach it. Rules and a dashboard for them are in `config/prometheus` and
`config/grafana`. A histogram's name goes on with `_bucket`, `_sum` and `_count`.

| metric | type | labels | what it says |
|---|---|---|---|
"""


def rows() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of every metric of ours."""
    collectors: Any = {id(each): each for each in REGISTRY._names_to_collectors.values()}
    return sorted(
        (each._name, each._type, tuple(each._labelnames), each._documentation) for each in collectors.values()
    )


def page() -> str:
    """The whole page."""
    lines = []
    for name, kind, labels, said in rows():
        shown = f"{name}_total" if kind == "counter" else name
        named = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{shown}` | {kind} | {named} | {said} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(page())
