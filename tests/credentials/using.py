"""A process of many clients that use their credentials all the time, reading them anew from their stores.

python -m tests.credentials.using SPEC.json     until its standard input closes; then one line of JSON

It says "ready" on a line when each client has proved itself once.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.credentials.house import ASSERTION, entra_proof
from tests.sandbox.servers import trust

# As an agent would: its store is asked now and then, not before each call.
READ_EVERY = 5.0
# moto looks only for the service and the region in it.
AWS = (
    "AWS4-HMAC-SHA256 Credential=AKIATESTTESTTESTTEST/20261130/eu-central-1/secretsmanager/aws4_request,"
    " SignedHeaders=host, Signature=0"
)


class Client:
    """One agent: reads its credential, proves itself with it, and counts what it is told."""

    def __init__(self, spec: dict[str, Any], entry: dict[str, str], told: Counter[str]) -> None:
        self._spec, self._entry, self._told = spec, entry, told
        self._value = ""
        self._read_at = 0.0
        self.slowest = 0.0
        self.began = asyncio.Event()
        self.values: set[str] = set()

    async def run(self, idps: httpx2.AsyncClient, stores: httpx2.AsyncClient, stop: asyncio.Event) -> None:
        """Authenticate once an interval until told to stop."""
        interval = float(self._spec["interval"])
        await asyncio.sleep(random.random() * interval)
        while not stop.is_set():
            began = time.monotonic()
            if began - self._read_at > READ_EVERY * (0.8 + 0.4 * random.random()):
                self._value = await self._read(stores)
                self.values.add(self._value)
                self._read_at = began
            await self._authenticate(idps)
            self.began.set()
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            await asyncio.sleep(max(0.0, interval - took))

    async def _read(self, stores: httpx2.AsyncClient) -> str:
        place = self._entry["place"]
        if self._entry["store"] == "vault":
            url = f"{self._spec['bao']}/v1/secret/data/{place}"
            answer = await stores.get(url, headers={"x-vault-token": self._spec["bao_token"]})
            return str(answer.json()["data"]["data"]["value"])
        headers = {
            "x-amz-target": "secretsmanager.GetSecretValue",
            "content-type": "application/x-amz-json-1.1",
            "authorization": AWS,
        }
        answer = await stores.post(self._spec["aws"], json={"SecretId": place}, headers=headers)
        text = str(answer.json()["SecretString"])
        return str(json.loads(text)["value"]) if text.startswith('{"value"') else text

    async def _authenticate(self, idps: httpx2.AsyncClient) -> None:
        form = {"grant_type": "client_credentials", **self._proof()}
        try:
            answer = await idps.post(self._entry["url"], data=form)
        except httpx2.HTTPError as error:
            self._told[f"no answer: {type(error).__name__}"] += 1
            return
        self._told[str(answer.status_code)] += 1
        if answer.status_code != 200:
            self._told[f"{self._entry['idp']}: {answer.json().get('error')}"] += 1

    def _proof(self) -> dict[str, str]:
        client, url = self._entry["client"], self._entry["url"]
        if self._entry["idp"] == "entra":
            scope = "https://graph.microsoft.com/.default"
            return {"client_id": client, "scope": scope, **entra_proof(self._value, client, url)}
        if not self._value.startswith("{"):
            return {"client_id": client, "client_secret": self._value, "scope": "tools.read"}
        key, now = json.loads(self._value), int(time.time())
        claims = {
            "iss": client,
            "sub": client,
            "aud": url,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
        }
        token = jwt.encode(
            {"alg": "ES256", "kid": key["kid"]}, claims, ECKey.import_key(key), algorithms=["ES256"]
        )
        return {"client_assertion": token, "client_assertion_type": ASSERTION, "scope": "tools.read"}


async def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Run every client until standard input closes; what they were told, all together."""
    told: Counter[str] = Counter()
    clients = [Client(spec, entry, told) for entry in spec["clients"]]
    stop, began = asyncio.Event(), time.monotonic()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)))
    limits = httpx2.Limits(max_connections=40, max_keepalive_connections=40)
    context = trust(spec["ca_file"])
    for other in spec["more_ca_files"]:
        context.load_verify_locations(other)
    async with (
        httpx2.AsyncClient(verify=context, trust_env=False, timeout=60, limits=limits) as idps,
        httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits) as stores,
    ):
        running = asyncio.gather(*(client.run(idps, stores, stop) for client in clients))
        await asyncio.gather(*(client.began.wait() for client in clients))
        print("ready", flush=True)
        await running
    took = time.monotonic() - began
    good = told["200"]
    return {
        "authentications": sum(
            n for name, n in told.items() if name.isdigit() or name.startswith("no answer")
        ),
        "failed": sum(n for name, n in told.items() if name.isdigit() and name != "200")
        + sum(n for name, n in told.items() if name.startswith("no answer")),
        "per_second": round(good / took, 1),
        "seconds": round(took, 1),
        "slowest": round(max(client.slowest for client in clients), 2),
        "changed": sum(len(client.values) > 1 for client in clients),
        "told": dict(told),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))), flush=True)
