"""A simulated agent platform: it runs agents, publishes their A2A cards and obeys signed hooks.

In: runtime hooks and notifications, signed as Standard Webhooks; a control API to set it up.
Out: agent cards, answers to hooks, and a count of every delivery, so that tests can prove that
nothing was lost and nothing acted twice.
"""
