// scimmy + scimmy-routers + express 4 over Maps: the handlers its documentation asks for, with an index for
// each attribute the benchmark looks up, as an application with a database would have.
//
// node scimmy.mjs PORT USERS TOKEN

import {randomUUID} from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [port, wanted, token] = process.argv.slice(2);

class Kept {
    constructor(name, values) {
        this.name = name;
        this.values = values;
        this.all = new Map();
        this.found = new Map();
    }

    keys(item) {
        return Object.entries(this.values).map(([attribute, read]) => [`${attribute} ${String(read(item)).toLowerCase()}`]);
    }

    put(item) {
        const before = this.all.get(item.id);
        if (!before) this.listed = undefined;
        if (before) for (const [key] of this.keys(before)) this.found.delete(key);
        this.all.set(item.id, item);
        for (const [key] of this.keys(item)) this.found.set(key, item.id);
        return item;
    }

    look(attribute, value) {
        const id = this.found.get(`${attribute} ${String(value).toLowerCase()}`);
        return id === undefined ? [] : [this.all.get(id)];
    }

    get(id) {
        const item = this.all.get(id);
        if (!item) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        return item;
    }

    // A page is cut here, as a database would; left to scimmy, each page would build every user.
    page({startIndex = 1, count = 100} = {}, tell) {
        this.listed ??= [...this.all.keys()];
        tell(this.listed.length);
        return this.listed.slice(startIndex - 1, startIndex - 1 + count).map(id => this.all.get(id));
    }

    list(resource) {
        const {filter} = resource;
        if (!filter) {
            return this.page(resource.constraints, total => {
                if (resource.constraints) resource.constraints.totalResults = total;
            });
        }
        const [attribute, value] = equality(filter);
        return attribute in this.values ? this.look(attribute, value) : filter.match([...this.all.values()]);
    }

    write(resource, instance) {
        const plain = JSON.parse(JSON.stringify(instance));
        const before = resource.id ? this.get(resource.id) : undefined;
        const [taken] = this.look(this.name, plain[this.name]);
        if (taken && taken.id !== resource.id) throw new SCIMMY.Types.Error(409, "uniqueness", `${this.name} is taken`);
        const now = new Date();
        const meta = {created: before?.meta.created ?? now, lastModified: now};
        return this.put({...plain, id: resource.id ?? randomUUID(), meta});
    }

    drop(id) {
        for (const [key] of this.keys(this.get(id))) this.found.delete(key);
        this.all.delete(id);
        this.listed = undefined;
    }
}

// The attribute and value of a filter that is one equality, else nothing.
function equality(filter) {
    if (filter.length !== 1) return [];
    const [[attribute, test], ...more] = Object.entries(filter[0]);
    if (more.length) return [];
    if (Array.isArray(test)) return test[0] === "eq" ? [attribute, test[1]] : [];
    const [[sub, inner], ...rest] = Object.entries(test);
    return rest.length || !Array.isArray(inner) || inner[0] !== "eq" ? [] : [`${attribute}.${sub}`, inner[1]];
}

const users = new Kept("userName", {
    "userName": user => user.userName,
    "externalId": user => user.externalId,
    "emails.value": user => user.emails?.[0]?.value,
});
const groups = new Kept("displayName", {"displayName": group => group.displayName});

for (const [type, kept] of [[SCIMMY.Resources.User, users], [SCIMMY.Resources.Group, groups]]) {
    SCIMMY.Resources.declare(type)
        .egress(async resource => resource.id ? kept.get(resource.id) : kept.list(resource))
        .ingress(async (resource, instance) => kept.write(resource, instance))
        .degress(async resource => kept.drop(resource.id));
}

const now = new Date();
const ids = [];
for (let number = 0; number < Number(wanted); number++) {
    const short = `person-${String(number).padStart(7, "0")}`;
    const name = `${short}@corp.example`;
    ids.push(users.put({
        id: randomUUID(),
        userName: name,
        name: {givenName: "Given", familyName: short},
        emails: [{primary: true, value: name, type: "work"}],
        displayName: `Given ${short}`,
        locale: "en-US",
        title: "Engineer",
        externalId: `00u${short}`,
        active: true,
        meta: {created: now, lastModified: now},
    }).id);
}
for (const size of [1000, 10000]) {
    const members = Array.from({length: size}, (_, number) => ({value: ids[number] ?? randomUUID()}));
    groups.put({id: randomUUID(), displayName: `Group of ${size}`, members, meta: {created: now, lastModified: now}});
}

const app = express();
app.use("/scim/v2", new SCIMMYRouters({
    type: "bearer",
    handler: request => {
        if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("Authorization not detected!");
        return "bench";
    },
}));
app.listen(Number(port), "127.0.0.1");
