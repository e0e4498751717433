"""The management API, one file per resource, behind one gate.

In: requests of the Okta SDK with an OAuth or SSWS token. Out: Okta's objects and refusals, changes in
the org, System Log events, and tasks for the SCIM side where the real Okta would provision.
"""
