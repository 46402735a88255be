// FOR THE EXAMPLE ONLY. The issuer's signing key: made at the first start, kept in a file, public half at /jwks.json.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from "jose";

const LIFETIME = "12h"; // of an id token; there is no refresh token, after that people sign in again

/** Return `jwks`, the public keys, and `sign(claims)`, which makes an RS256 id token of *issuer* for *audience*. */
export async function openKeys(folder, issuer, audience) {
  const jwk = await readOrMake(join(folder, "key.json"));
  const { kty, n, e, kid } = jwk;
  const key = await importJWK(jwk, "RS256");
  return {
    jwks: { keys: [{ kty, n, e, kid, alg: "RS256", use: "sig" }] },
    sign: ({ sub, ...claims }) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: "RS256", kid, typ: "JWT" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(sub)
        .setIssuedAt()
        .setExpirationTime(LIFETIME)
        .sign(key),
  };
}

async function readOrMake(path) {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  jwk.kid = await calculateJwkThumbprint(jwk);
  await writeFile(path, JSON.stringify(jwk), { mode: 0o600, flag: "wx" });
  return jwk;
}
