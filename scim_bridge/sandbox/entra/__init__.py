"""A simulated Microsoft Entra tenant, both sides: its provisioning service and its own APIs.

In: a control API that fills the directory and says what to provision; token and Microsoft Graph calls.
Out: the SCIM calls Entra's provisioning service sends, in both dialects; tokens; Graph answers and
refusals with Microsoft's codes, limits and delays. State is the sandbox's store; nothing is remembered elsewhere.
"""
