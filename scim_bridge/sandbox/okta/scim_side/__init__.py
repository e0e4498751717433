"""Okta as SCIM client: the requests it sends to the app, and what it makes of the answers.

In: tasks left by lifecycle calls, assignments and control. Out: HTTP calls in Okta's two dialects
(okta-put: custom app of the wizard, okta-patch: catalog app), app users linked to the app's ids, and
tasks that show what failed, as the Admin Console's task list does.
"""
