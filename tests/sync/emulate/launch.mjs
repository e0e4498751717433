// Runs the Okta emulator of the npm package `emulate` as an org must run: over HTTPS, on 127.0.0.1 only.
// Arguments: certificate, key, API token. Prints its address as one JSON line. Ends with its standard input.
// The emulator listens with node's plain http on every interface; nothing else of it is changed.
import http from "node:http";
import https from "node:https";
import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [certFile, keyFile, token] = process.argv.slice(2);

http.createServer = (handler) => {
  const server = https.createServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile) },
    (request, response) => {
      // It writes its own addresses as http; a proxy in front of it would put that right too.
      const set = response.setHeader.bind(response);
      response.setHeader = (name, value) =>
        set(name, name.toLowerCase() === "link" ? String(value).replaceAll("<http:", "<https:") : value);
      return handler(request, response);
    },
  );
  const listen = server.listen.bind(server);
  server.listen = () =>
    listen(0, "127.0.0.1", () =>
      console.log(JSON.stringify({ url: `https://127.0.0.1:${server.address().port}` })),
    );
  return server;
};
syncBuiltinESMExports();

const { createEmulator } = await import("emulate");
await createEmulator({ service: "okta", seed: { tokens: { [token]: { login: "admin" } } } });
process.stdin.on("end", () => process.exit(0)).resume();
