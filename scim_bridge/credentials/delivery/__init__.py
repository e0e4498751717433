"""Delivery: a fresh credential is put where its agent reads it, and taken out again when that is called off.

In: a target (which store, which place in it), a credential whose value lives in memory only.
Out: calls to OpenBao or Vault, AWS Secrets Manager, Kubernetes, a directory or a signed webhook.
Each kind is one small adapter; `stores.py` knows the installation's own by name (`[stores.NAME]`).
"""
