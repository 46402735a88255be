/** Lets a page start while the collector is away: answers a guest's Cognito calls from memory, with credentials that only this worker honours. */

import type { Queue } from "./queue.js";

/** Access key of such credentials; what is signed with it is delivered by the write key. */
export const OFFLINE_KEY = "HEADWATEROFFLINE";

const TARGET = "AWSCognitoIdentityService.";

/** Return what identifies a guest's call, or nothing if the request is not one. */
export function guestCall(headers: Headers, body: string): { operation: string; subject: string } | undefined {
  const operation = headers.get("x-amz-target")?.replace(TARGET, "");
  if (operation !== "GetId" && operation !== "GetCredentialsForIdentity") return;
  const asked = object(body);
  if (!asked || Object.keys((asked.Logins as object | undefined) ?? {}).length) return;
  const subject = operation === "GetId" ? asked.IdentityPoolId : asked.IdentityId;
  return typeof subject === "string" ? { operation, subject } : undefined;
}

/** Remember which guest identity the pool gave. */
export async function remember(queue: Queue, call: { operation: string; subject: string }, answer: string): Promise<void> {
  const id = object(answer)?.IdentityId;
  if (call.operation === "GetId" && typeof id === "string") await queue.remembered(`guest ${call.subject}`, id);
}

/**
 * Return the answer that the collector would give.
 *
 * A visitor never seen before gets an identity id of the pool's region made here; the collector adopts such ids at first sight, or
 * says `Identity '<id>' not found.`, on which the clients ask for another.
 */
export async function standIn(queue: Queue, call: { operation: string; subject: string }): Promise<Response> {
  if (call.operation === "GetId") {
    const key = `guest ${call.subject}`;
    const made = `${call.subject.split(":")[0]}:${crypto.randomUUID()}`;
    return amzJson({ IdentityId: (await queue.remembered<string>(key)) ?? (await queue.remembered(key, made)) });
  }
  const Credentials = {
    AccessKeyId: OFFLINE_KEY,
    SecretKey: crypto.randomUUID(),
    SessionToken: "offline",
    Expiration: Date.now() / 1000 + 3600,
  };
  return amzJson({ IdentityId: call.subject, Credentials });
}

function object(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === "object" ? (value as Record<string, unknown>) : undefined;
  } catch {
    return; // not JSON: not a call we know
  }
}

function amzJson(body: object): Response {
  return new Response(JSON.stringify(body), { headers: { "content-type": "application/x-amz-json-1.1" } });
}
