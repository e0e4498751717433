"""Simulated neighbours of the bridge: Okta, Entra, an HR system, an agent platform.

For demo, rehearsal and tests. In: a control API that says what to do next, and the vendors' own APIs.
Out: exactly the HTTP calls the real ones send, refusals of exactly what the real ones refuse, and a
journal of both. Stands alone: imports nothing of the bridge, so it can never agree with its mistakes.
"""
