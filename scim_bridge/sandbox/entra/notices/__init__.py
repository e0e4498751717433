"""Change notifications: subscriptions, their validation, notices of users who changed, lifecycle notices.

In: calls of /subscriptions, and the numbers that every change of the directory gets. Out: POSTs, at
least once and in no certain order; source: Graph, "Receive change notifications through webhooks".
"""
