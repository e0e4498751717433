"""A simulated Okta org, both sides: the management API, and the SCIM client that provisions into an app.

In: calls of the real Okta SDK (api/), and control calls that say who is in the directory and what the
app should do next (control.py, scim_side/routes.py). Out: answers and refusals as Okta gives them, SCIM
requests as Okta sends them in its two dialects, System Log events, and tasks that show what failed.
"""
