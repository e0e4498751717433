"""Attestations: an owner looks at an agent's facts and states that they are right, or that they are not.

In: a request by an admin or a lapse; the answer of a person who opened the signed link.
Out: a signed statement over exactly the facts that were shown, the agent's attestation state, a hold
after a refusal or a lapse, and the news of it to the owner and the IdPs.
"""
