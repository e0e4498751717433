"""Access: may this agent do that, now? Answered with reasons (OpenID AuthZEN Authorization API 1.0).

In: a gateway's question, the agent's facts by one read, one Cedar policy file with its schema.
Out: allow or deny with reasons in plain words, and a row in the log of decisions.
A hold denies before any policy is asked; an error in a policy denies and says so.
"""
