"""What Okta allows and refuses, as pure rules: statuses, profiles, schemas, links, searches, assertions.

In: values and the time. Out: new values, or the causes of a refusal in Okta's words. No I/O.
"""
