// FOR THE EXAMPLE ONLY: the smallest thing whose id tokens an identity pool can check. A real app has Cognito user pools, Keycloak, Auth0, Entra …
// It speaks what an identity pool needs of OpenID Connect (discovery, keys, RS256 id tokens), not the flows by which a browser logs in.
//
//   node issuer/main.mjs --url http://127.0.0.1:5174 --data FOLDER

import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

import { Accounts, Refused } from "./accounts.mjs";
import { openKeys } from "./keys.mjs";

const CLIENT_ID = "react-piano"; // the `aud` of its tokens, and `client_ids` in headwater.toml
const BODY_LIMIT = 4096;

const { url, data } = parseArgs({ options: { url: { type: "string", default: "http://127.0.0.1:5174" }, data: { type: "string", default: "issuer-data" } } }).values;
await mkdir(data, { recursive: true, mode: 0o700 });
const accounts = await Accounts.open(data);
const keys = await openKeys(data, url, CLIENT_ID);

const answers = {
  "GET /.well-known/openid-configuration": () => ({
    issuer: url,
    jwks_uri: `${url}/jwks.json`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
  }),
  "GET /jwks.json": () => keys.jwks,
  "POST /sign-up": async (given) => {
    await accounts.signUp(given);
    return {};
  },
  "POST /sign-in": async (given) => ({ id_token: await keys.sign(await accounts.signIn(given)) }),
};

const server = createServer(async (request, response) => {
  // Any page may ask: it must know the password, and no cookie speaks for anybody.
  const headers = { "access-control-allow-origin": "*", "access-control-allow-headers": "content-type", "cache-control": "no-store" };
  if (request.method === "OPTIONS") return response.writeHead(204, headers).end();
  const [status, body] = await answer(request);
  response.writeHead(status, { ...headers, "content-type": "application/json" }).end(JSON.stringify(body));
});

async function answer(request) {
  const found = answers[`${request.method} ${request.url}`];
  if (!found) return [404, { message: "nothing is here" }];
  try {
    return [200, await found(request.method === "POST" ? await bodyOf(request) : undefined)];
  } catch (error) {
    if (error instanceof Refused) return [error.status, { message: error.message }];
    console.error(error);
    return [500, { message: "the issuer has failed" }];
  }
}

async function bodyOf(request) {
  let text = "";
  for await (const part of request.setEncoding("utf8")) {
    text += part;
    if (text.length > BODY_LIMIT) throw new Refused(413, "that is too long");
  }
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new Refused(400, "the body is JSON");
  }
}

const { hostname, port } = new URL(url);
server.listen(Number(port), hostname, () => console.log(`the example's issuer listens at ${url}`));
