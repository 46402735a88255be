/** A Request, repeated elsewhere. */

import { type Destination, keyHeaders } from "./destination.js";

/** Return `fetch` arguments that repeat a Request elsewhere. The body is copied whole: a stream would ask for an upload that HTTP/1.1 cannot do. */
export async function copied(request: Request, to: Destination, writeKey: string): Promise<[string, RequestInit]> {
  const body = request.method === "GET" || request.method === "HEAD" ? undefined : await request.arrayBuffer();
  const { method, keepalive, signal } = request;
  const headers = to.byKey ? keyHeaders(request.headers, writeKey) : request.headers;
  return [to.url, { method, headers, body, keepalive, signal, credentials: "omit" }];
}
