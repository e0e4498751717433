"""Promises of the kit under every sandbox: journal, faults, control token, a process that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.kit.faults import BadFault, Fault, Faults, read_fault
from scim_bridge.sandbox.kit.scim_client import ScimCaller
from scim_bridge.sandbox.kit.server import Sandbox, application, open_sandbox, read_json
from scim_bridge.sandbox.kit.store import Store
from tests.sandbox.servers import CONTROL_TOKEN, Running, running


@dataclass(frozen=True)
class Still:
    """A clock that shows one instant, in microseconds."""

    instant: int

    def now(self) -> int:
        """That instant."""
        return self.instant


def build(sandbox: Sandbox) -> Sequence[BaseRoute]:
    """A vendor with things: POST makes one, GET lists them."""
    sandbox.seed_with(lambda: sandbox.store.put("thing", "first", {"id": "first"}))

    async def make_thing(request: Request) -> Response:
        body = await read_json(request)
        sandbox.store.put("thing", body["id"], body)
        return JSONResponse(body, 201)

    async def list_things(request: Request) -> Response:
        return JSONResponse([value for _, value in sandbox.store.all("thing")])

    async def note(request: Request) -> object:
        body = await read_object(request)
        if "note" not in body:
            raise Refusal("'note' is missing.")
        return {"ok": True, "note": body["note"]}

    return [
        Route("/things", make_thing, methods=["POST"]),
        Route("/things", list_things, methods=["GET"]),
        control_route("/note", note, ["POST"]),
    ]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("toy", build, tmp_path_factory.mktemp("toy")) as found:
        yield found


@pytest.fixture
def toy(served: Running) -> Running:
    assert served.control.post("/reset").status_code == 200
    return served


def calls(toy: Running, direction: str = "in") -> list[dict]:
    return toy.control.get("/journal", params={"direction": direction}).json()["calls"]


def test_every_vendor_call_is_journalled_with_its_operation_and_without_its_credentials(toy: Running) -> None:
    with toy.client(authorization="Bearer very-secret") as client:
        client.post("/things", json={"id": "a", "password": "hunter2"})
        client.post("/nowhere", data={"client_assertion": "eyJ", "grant_type": "x"})
    first, second = calls(toy)
    assert (first["operation"], first["method"], first["url"], first["status"]) == (
        "make_thing",
        "POST",
        "/things",
        201,
    )
    assert first["request_body"] == {"id": "a", "password": "***"}
    assert (second["operation"], second["status"]) == ("unknown", 404)
    assert second["request_body"] == {"client_assertion": "***", "grant_type": "x"}
    for call in (first, second):
        assert "authorization" not in call["headers"]
    assert "very-secret" not in json.dumps([first, second])
    assert "hunter2" not in json.dumps([first, second])


def test_control_calls_need_the_token_and_are_not_in_the_journal(toy: Running) -> None:
    with toy.client() as client:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": CONTROL_TOKEN}):
            for path in ("/sandbox/objects/thing", "/sandbox", "/sandbox/nowhere"):
                assert client.get(path, headers=headers).status_code == 401
    assert toy.control.get("/objects/thing").json() == {
        "objects": [{"key": "first", "value": {"id": "first"}}]
    }
    assert toy.control.get("/objects").json() == {"kinds": {"thing": 1}}
    assert calls(toy) == []


def test_a_control_call_that_cannot_be_followed_says_why(toy: Running) -> None:
    assert toy.control.post("/note", json={"note": "x"}).json() == {"ok": True, "note": "x"}
    for content, reason in ((b"{}", "'note' is missing"), (b"[]", "not a JSON object"), (b"{", "not JSON")):
        answer = toy.control.post("/note", content=content)
        assert answer.status_code == 400
        assert reason in answer.json()["error"]
    assert toy.control.get("/journal", params={"after": "x"}).status_code == 400
    assert toy.control.put("/faults", json={"faults": [{"action": "explode"}]}).status_code == 400


def test_a_status_fault_answers_without_acting_the_stated_number_of_times(toy: Running) -> None:
    schedule = [
        {
            "match": {"method": "POST", "path": "^/things$"},
            "after": 1,
            "times": 2,
            "action": "status",
            "status": 429,
            "headers": {"Retry-After": "7"},
            "body": {"error": "slow"},
        }
    ]
    assert toy.control.put("/faults", json={"faults": schedule}).status_code == 200
    with toy.client() as client:
        answers = [client.post("/things", json={"id": str(number)}) for number in range(4)]
        assert client.get("/things").status_code == 200
    assert [answer.status_code for answer in answers] == [201, 429, 429, 201]
    assert answers[1].headers["retry-after"] == "7"
    assert answers[1].json() == {"error": "slow"}
    keys = [item["key"] for item in toy.control.get("/objects/thing").json()["objects"]]
    assert keys == ["first", "0", "3"]
    listed = toy.control.get("/faults").json()["faults"]
    assert [(fault["seen"], fault["fired"]) for fault in listed] == [(4, 2)]


def test_an_answer_tells_the_sandboxs_own_time_unless_a_fault_tells_another(
    toy: Running, monkeypatch
) -> None:
    monkeypatch.setattr(toy.sandbox.store, "clock", Still(1_800_000_000 * SECOND))
    fault = {"match": {"method": "GET", "path": "^/things"}, "action": "status", "status": 503}
    with toy.client() as client:
        assert client.get("/things").headers.get_list("date") == ["Fri, 15 Jan 2027 08:00:00 GMT"]
        toy.control.put("/faults", json=[{**fault, "headers": {"Date": "yesterday"}}])
        assert client.get("/things").headers.get_list("date") == ["yesterday"]


def test_a_text_body_fault_looks_like_a_proxy_page(toy: Running) -> None:
    toy.control.put(
        "/faults", json={"faults": [{"action": "status", "status": 502, "body": "<html>no</html>"}]}
    )
    with toy.client() as client:
        answer = client.get("/things")
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (
        502,
        "text/html",
        "<html>no</html>",
    )


@pytest.mark.parametrize(("action", "acted"), [("drop_before", False), ("drop_after", True)])
def test_a_dropped_call_gets_no_answer_and_acted_only_with_drop_after(
    toy: Running, action: str, acted: bool
) -> None:
    toy.control.put("/faults", json={"faults": [{"match": {"method": "POST"}, "action": action}]})
    with toy.client() as client:
        with pytest.raises(httpx2.TransportError):
            client.post("/things", json={"id": "lost"})
        assert client.get("/things").status_code == 200
    assert (toy.sandbox.store.get("thing", "lost") is not None) is acted
    assert [call["status"] for call in calls(toy)] == [0, 200]


def test_a_truncated_answer_arrives_in_part_and_the_call_acted(toy: Running) -> None:
    toy.control.put(
        "/faults", json={"faults": [{"match": {"method": "POST"}, "action": "truncate", "bytes": 5}]}
    )
    seen = b""
    with (
        toy.client() as client,
        pytest.raises(httpx2.RemoteProtocolError),
        client.stream("POST", "/things", json={"id": "t"}) as answer,
    ):
        assert answer.status_code == 201
        for part in answer.iter_raw():
            seen += part
    assert seen == b'{"id"'
    assert toy.sandbox.store.get("thing", "t") == {"id": "t"}


def test_a_delayed_call_is_answered_as_usual(toy: Running) -> None:
    toy.control.put("/faults", json={"faults": [{"action": "delay", "seconds": 0.05}]})
    with toy.client() as client:
        assert client.get("/things").json() == [{"id": "first"}]
    assert toy.control.get("/faults").json()["faults"][0]["fired"] == 1


@pytest.mark.parametrize(
    "source",
    [
        "x",
        {"action": "status", "often": 3},
        {"action": "status", "after": "1"},
        {"action": "status", "times": True},
        {"action": "status", "match": "POST"},
        {"action": "delay", "seconds": "1"},
        {"action": "delay", "path": "("},
        {},
    ],
)
def test_a_fault_nobody_could_follow_is_refused(source: object) -> None:
    with pytest.raises(BadFault):
        read_fault(source)


def test_the_first_fault_that_strikes_wins_and_all_that_match_count() -> None:
    store = Store(None)
    faults = Faults(store)
    one = {"match": {"path": "/a"}, "action": "status", "status": 500}
    two = {"match": {"path": "/a"}, "action": "status", "status": 501, "times": None}
    faults.replace([one, two])
    struck = [fault.status for fault in (faults.strike("GET", "/a") for _ in range(3)) if fault]
    assert struck == [500, 501, 501]
    assert faults.strike("GET", "/b") is None
    assert [(f["seen"], f["fired"]) for f in Faults(store).listing()] == [(3, 1), (3, 2)]
    assert Fault("delay").matches("PUT", "/anything")
    store.close()


def test_reset_forgets_everything_and_seeds_again(toy: Running) -> None:
    with toy.client() as client:
        client.post("/things", json={"id": "b"})
    toy.control.put("/faults", json={"faults": [{"action": "delay"}]})
    toy.control.post("/reset")
    assert toy.control.get("/objects").json() == {"kinds": {"thing": 1}}
    assert calls(toy) == []
    assert toy.control.get("/faults").json() == {"faults": []}


def test_the_scim_caller_sends_the_headers_it_was_given_and_tells_what_came_back(toy: Running) -> None:
    store = Store(None)

    async def main() -> None:
        headers = {"User-Agent": "Caller 1.0", "Accept": "application/scim+json"}
        async with ScimCaller(store, toy.url, "tok", toy.ca_file, headers) as caller:
            made = await caller.call("create", "POST", "/things", {"id": "é", "password": "p"})
            assert (made.status, made.body, made.error) == (201, {"id": "é", "password": "p"}, "")
            assert made.headers["content-type"] == "application/json"
            listed = await caller.call("list", "GET", "/things")
            assert (listed.status, listed.body[0]) == (200, {"id": "first"})
            missing = await caller.call("none", "GET", "/nowhere")
            assert (missing.status, missing.body, missing.text) == (404, None, "Not Found")
        async with ScimCaller(store, "https://127.0.0.1:1", "tok", toy.ca_file) as caller:
            nobody = await caller.call("nobody", "GET", "/")
            assert nobody.status == 0
            assert nobody.error

    asyncio.run(main())
    seen = calls(toy)
    assert seen[0]["headers"]["user-agent"] == "Caller 1.0"
    assert seen[0]["headers"]["content-type"] == "application/scim+json; charset=utf-8"
    assert set(seen[1]["headers"]) == {"host", "user-agent", "accept"}
    written = store.journal("out")
    assert [call["operation"] for call in written] == ["create", "list", "none", "nobody"]
    assert written[0]["request_body"] == {"id": "é", "password": "***"}
    assert "authorization" not in written[0]["headers"]
    store.close()


def test_the_application_answers_without_a_network_and_a_cut_connection_is_an_exception(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        sandbox = open_sandbox("toy", tmp_path, "https://toy.test")
        app = application(sandbox, build(sandbox), "ctl")
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="https://toy.test") as client:
            assert (await client.get("/things")).json() == [{"id": "first"}]
            steer = {"authorization": "Bearer ctl"}
            await client.put("/sandbox/faults", headers=steer, json=[{"action": "drop_before"}])
            with pytest.raises(ConnectionError):
                await client.get("/things")
        sandbox.close()

    asyncio.run(main())


PROGRAM = (
    "import sys; from tests.sandbox.test_kit import build;"
    " from scim_bridge.sandbox.kit.server import main; sys.exit(main('toy', build, sys.argv[1:]))"
)


def start(data: Path, *more: str) -> tuple[subprocess.Popen[bytes], dict]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--data", str(data), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "SANDBOX_CONTROL_TOKEN": CONTROL_TOKEN},
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def finish(process: subprocess.Popen[bytes]) -> int:
    code = process.wait(20)
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    return code


def test_a_sandbox_process_survives_kill_9_and_ends_with_its_parent(tmp_path: Path) -> None:
    process, ready = start(tmp_path)
    assert ready == {
        "ready": True,
        "name": "toy",
        "url": ready["url"],
        "ca_file": str(tmp_path / "ca" / "ca.pem"),
        "tls_cert": ready["tls_cert"],
        "tls_key": ready["tls_key"],
    }
    from tests.sandbox.servers import trust

    with httpx2.Client(verify=trust(ready["ca_file"]), trust_env=False) as client:
        assert client.post(f"{ready['url']}/things", json={"id": "kept"}).status_code == 201
    process.send_signal(signal.SIGKILL)
    finish(process)

    process, again = start(tmp_path, "--exit-with-parent", "--port", ready["url"].rsplit(":", 1)[1])
    assert again == ready
    with httpx2.Client(verify=trust(ready["ca_file"]), trust_env=False) as client:
        assert {"id": "kept"} in client.get(f"{ready['url']}/things").json()
        steer = {"authorization": f"Bearer {CONTROL_TOKEN}"}
        calls = client.get(f"{ready['url']}/sandbox/journal", headers=steer).json()["calls"]
        assert [call["operation"] for call in calls] == ["make_thing", "list_things"]
        assert process.stdin is not None
        process.stdin.close()
        assert finish(process) == 0


def test_a_taken_port_is_told_in_one_line(tmp_path: Path, served: Running) -> None:
    port = served.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--data", str(tmp_path), "--port", port],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert port in done.stderr and len(done.stderr.splitlines()) == 1
    assert not done.stdout


@given(
    st.lists(st.tuples(st.sampled_from(["put", "delete", "undone", "look"]), st.integers(0, 4)), max_size=30)
)
@settings(max_examples=40)
def test_a_listing_that_remembers_shows_what_a_fresh_one_shows(steps: list[tuple[str, int]]) -> None:
    store = Store(None)
    for number, (step, key) in enumerate(steps):
        if step == "put":
            store.put("thing", str(key), {"n": number})
        elif step == "delete":
            store.delete("thing", str(key))
        elif step == "undone":
            with contextlib.suppress(ZeroDivisionError), store.transaction():
                store.put("thing", str(key), {"n": -number})
                raise ZeroDivisionError
        assert step != "look" or store.listing("thing") == [value for _, value in store.all("thing")]
    assert sorted(one["n"] for one in store.listing("thing")) == sorted(
        value["n"] for _, value in store.all("thing")
    )
    store.close()
