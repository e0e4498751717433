// node-casbin behind plain node http, in memory: the same agents, groups and policies, asked the same questions.
//
// node casbin.mjs PORT FILE TOKEN, where FILE is {"policies": [[group, action, type]], "members": [[agent, group]]}

import {readFileSync} from "node:fs";
import {createServer} from "node:http";
import {newEnforcer, newModelFromString} from "casbin";

const [port, file, token] = process.argv.slice(2);
const {policies, members} = JSON.parse(readFileSync(file, "utf8"));

// What is cheap to compare stands first, so that groups are looked up only for the few policies that are left.
const model = newModelFromString(`
[request_definition]
r = sub, act, type

[policy_definition]
p = sub, act, type

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.type == p.type && r.act == p.act && g(r.sub, p.sub)
`);
const enforcer = await newEnforcer(model);
await enforcer.addPolicies(policies);
await enforcer.addGroupingPolicies(members);

const answer = (response, status, body) => {
    const text = JSON.stringify(body);
    response.writeHead(status, {"content-type": "application/json", "content-length": Buffer.byteLength(text)});
    response.end(text);
};

createServer((request, response) => {
    if (request.method === "GET") return answer(response, 200, {ok: true});
    if (request.headers.authorization !== `Bearer ${token}`) return answer(response, 401, {});
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
        const {subject, action, resource} = JSON.parse(Buffer.concat(parts).toString());
        answer(response, 200, {decision: enforcer.enforceSync(subject.id, action.name, resource.type)});
    });
}).listen(Number(port), "127.0.0.1");
