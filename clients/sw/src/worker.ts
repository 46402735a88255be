/** The service worker: answers 202 for events once they are on disk, and delivers them when the collector can be reached. */

import { copied } from "../../redirect/src/copied.js";
import { type Destination, type DestinationOptions, type Mode, type Service, baseUrl, destinations } from "../../redirect/src/destination.js";
import { Delivery, isSigned } from "./delivery.js";
import { guestCall, remember, standIn } from "./guests.js";
import { Queue, type Waiting } from "./queue.js";

declare const self: ServiceWorkerGlobalScope & { headwater?: Config };

interface Config extends DestinationOptions {
  appId: string;
  writeKey: string;
  maxRequests?: number;
  maxBytes?: number;
}

interface SyncEvent extends ExtendableEvent {
  readonly tag: string;
}

const TAG = "headwater";
// A worker of the app's own may import this file; it then says `self.headwater = {…}` before, and stays master of its life cycle.
const guestOfAnother = self.headwater !== undefined;
const config = self.headwater ?? fromAddress();
const find = destinations(config);
const base = baseUrl(config.url);
const { writeKey, mode = "everything" } = config;
if (!config.appId || !writeKey) throw new TypeError("headwater: the service worker needs appId and writeKey");

const appPath = `/v1/apps/${config.appId}/`;
const queue = new Queue("headwater", config.maxRequests ?? 10_000, config.maxBytes ?? 20_000_000);
const delivery = new Delivery(queue, base, writeKey);

if (!guestOfAnother) {
  self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
  self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
}
self.addEventListener("activate", (event) => event.waitUntil(delivery.run()));
self.addEventListener("online", () => delivery.hurry());
self.addEventListener("sync", ((event: SyncEvent) => {
  if (event.tag !== TAG) return;
  delivery.hurry();
  event.waitUntil(delivery.run());
}) as EventListener);
self.addEventListener("message", (event) => {
  if (event.data !== "headwater:size") return;
  event.waitUntil(queue.size().then((size) => event.ports[0]?.postMessage(size)));
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const to = destination(request.url);
  if (!to) {
    // A worker that was stopped with something in its queue goes on at the first chance: any page of the app that loads.
    if (request.mode === "navigate") event.waitUntil(delivery.run());
    return;
  }
  const { pathname, search } = new URL(to.url.slice(base.length), base);
  const held = heldPath(request.method, pathname);
  if (held) {
    const answer = hold(request, to, held, search);
    event.respondWith(answer);
    event.waitUntil(answer.then(() => delivery.run()));
  } else if (request.url !== to.url) {
    event.respondWith(forward(request, to));
  }
});

/** Return where the request goes: an AWS call as the redirect says, a call of our own collector as it is. */
function destination(url: string): Destination | undefined {
  return url.startsWith(base + appPath) ? { url, byKey: false } : find(url);
}

/** Return the collector's path if this is a request that may wait. A beacon's body is that of PutEvents. */
function heldPath(method: string, path: string): string | undefined {
  if (!path.startsWith(appPath)) return;
  const rest = path.slice(appPath.length);
  if (method === "POST" && (rest === "events" || rest === "events/legacy")) return `${appPath}events`;
  return method === "PUT" && /^endpoints\/[^/]+$/.test(rest) ? path : undefined;
}

async function hold(request: Request, to: Destination, path: string, query: string): Promise<Response> {
  const body = await request.clone().text();
  const answer = path.endsWith("/events") ? eventsAccepted(body) : endpointAccepted(body);
  if (!answer) return forward(request, to); // not what we know: the collector says what is wrong with it
  const waiting: Waiting = { method: request.method, path, body, at: Date.now(), agent: request.headers.get("x-amz-user-agent") ?? undefined };
  // The signature covers the path: one made for the beacon's is of no use on the other.
  if (mode === "everything" && isSigned(request.headers, query) && new URL(to.url).pathname.endsWith(path)) {
    waiting.signed = { query, headers: [...request.headers] };
  }
  let kept: boolean;
  try {
    kept = await queue.add(waiting);
  } catch (error) {
    console.warn("headwater: cannot keep events on this device:", error);
    kept = false;
  }
  if (!kept) return forward(request, to); // nothing was promised: the page learns what came of it
  // Where there is Background Sync the browser starts us again for it, even when all pages are closed; elsewhere the next visit does.
  const { sync } = self.registration as ServiceWorkerRegistration & { sync?: { register(tag: string): Promise<void> } };
  await sync?.register(TAG).catch(() => undefined); // refused by the user's settings: as if there were none
  return answer;
}

async function forward(request: Request, to: Destination): Promise<Response> {
  if (request.url === to.url) return fetch(request);
  const call = mode === "everything" ? guestCall(request.headers, await request.clone().text()) : undefined;
  const [url, init] = await copied(request, to, writeKey);
  if (!call) return fetch(url, init);
  const answer = await fetch(url, init).catch(() => undefined);
  if (!answer || answer.status >= 500) return standIn(queue, call);
  if (answer.ok) await remember(queue, call, await answer.clone().text());
  return answer;
}

function eventsAccepted(body: string): Response | undefined {
  const accepted = { StatusCode: 202, Message: "Accepted" };
  const Results: Record<string, object> = {};
  try {
    for (const [endpoint, batch] of entries(JSON.parse(body).BatchItem)) {
      const EventsItemResponse = Object.fromEntries(entries(batch.Events).map(([id]) => [id, accepted]));
      Results[endpoint] = { EndpointItemResponse: accepted, EventsItemResponse };
    }
  } catch {
    return; // no JSON, or none of this shape
  }
  return json({ Results });
}

function endpointAccepted(body: string): Response | undefined {
  try {
    entries(JSON.parse(body));
  } catch {
    return;
  }
  return json({ Message: "Accepted", RequestID: crypto.randomUUID() });
}

function entries(value: unknown): [string, { Events?: unknown }][] {
  if (!value || typeof value !== "object" || Array.isArray(value)) throw new TypeError("not an object");
  return Object.entries(value);
}

function json(body: object): Response {
  const headers = { "content-type": "application/json", "x-amzn-RequestId": crypto.randomUUID() };
  return new Response(JSON.stringify(body), { status: 202, headers });
}

function fromAddress(): Config {
  const query = new URLSearchParams(self.location.search);
  const text = (name: string) => query.get(name) ?? undefined;
  const number = (name: string) => (query.has(name) ? Number(query.get(name)) : undefined);
  return {
    url: text("url") ?? "",
    appId: text("appId") ?? "",
    writeKey: text("writeKey") ?? "",
    mode: text("mode") as Mode | undefined,
    services: text("services")?.split(",") as Service[] | undefined,
    maxRequests: number("maxRequests"),
    maxBytes: number("maxBytes"),
  };
}
