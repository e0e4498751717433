"""Watch: telling the world outside what happened: runtimes that must stop, people who must know.

In: effects that other rooms decided (runtime hooks, notices), performed after their commit.
Out: Standard Webhooks, signed, with the effect's id, to an agent's platform or to the one address that
passes notices on to mail, chat or pagers. Notices are written from templates when they are sent.
"""
