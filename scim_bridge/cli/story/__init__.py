"""The story `demo` plays: the main job, over the network, against the sandbox IdPs.

In: a data directory (a second start with the same one goes on where the first was cut).
Out: a table of steps with their times, exit 0 only if every step held.
Everything goes through the doors users have: the command line, SCIM, webhooks, the decision API.
"""
