"""The registry: agents, people, groups, connections and holds: what exists and what may act.

In: use cases called by every room, each inside one transaction (`Work`).
Out: rows, rendered SCIM documents, audit rows and effects; nothing here calls out.
An agent is active exactly when it has no hold.
"""
