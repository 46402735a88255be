/** Takes what waits to the collector, oldest first, one at a time, until nothing waits. */

import { OFFLINE_KEY } from "./guests.js";
import type { Queue, Waiting } from "./queue.js";

// Signatures are good for five minutes; one less, for clocks and slow networks.
const SIGNATURE_MS = 240_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export class Delivery {
  private running: Promise<void> | undefined;
  private wake = (): void => undefined;

  constructor(
    private readonly queue: Queue,
    private readonly base: string,
    private readonly writeKey: string,
  ) {}

  /** Resolve when nothing waits any more. While it is pending it tries again by itself, at longer and longer pauses up to 30 s. */
  run(): Promise<void> {
    return (this.running ??= this.alone().finally(() => (this.running = undefined)));
  }

  /** Try again now if a pause is going on. */
  hurry(): void {
    this.wake();
  }

  private async alone(): Promise<void> {
    // While a new version of the worker takes over there are two; both delivering would break the order.
    const locks: LockManager | undefined = navigator.locks;
    await (locks ? locks.request("headwater-delivery", () => this.all()) : this.all());
  }

  private async all(): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    for (let next = await this.queue.first(); next; next = await this.queue.first()) {
      const verdict = await this.one(next);
      if (verdict.later) {
        if (verdict.rest !== undefined) await this.queue.settle(next, verdict.rest);
        await this.pause(pause * (0.8 + 0.4 * Math.random()));
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      } else {
        await this.queue.settle(next);
        pause = FIRST_PAUSE_MS;
      }
    }
  }

  private async one(request: Waiting): Promise<{ later: boolean; rest?: string }> {
    let answer: Response | undefined;
    let text: string;
    try {
      if (request.signed && Date.now() - request.at < SIGNATURE_MS) answer = await this.send(request, request.signed);
      // Refused as signed, because a clock is off or the credentials ran out: the key does not expire.
      if (!answer || answer.status === 403) answer = await this.send(request);
      text = await answer.text();
    } catch {
      return { later: true }; // no connection
    }
    const { status } = answer;
    if (status >= 200 && status < 300) return leftOver(request, text);
    const refused = [400, 403, 413].includes(status) || (status < 500 && status !== 429 && answer.headers.has("x-amzn-errortype"));
    if (refused) console.warn(`headwater: ${request.method} ${request.path} was refused and is dropped: ${status} ${text.slice(0, 500)}`);
    return { later: !refused };
  }

  private send(request: Waiting, signed?: { query: string; headers: [string, string][] }): Promise<Response> {
    // By the key in the address and as plain text a browser asks no preflight; only the library's name needs one.
    const headers = signed?.headers ?? (request.agent ? { "x-amz-user-agent": request.agent } : undefined);
    return fetch(this.base + request.path + (signed?.query ?? `?key=${encodeURIComponent(this.writeKey)}`), {
      method: request.method,
      headers,
      body: request.body,
      credentials: "omit",
      cache: "no-store",
    });
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Return whether AWS's signature on these headers or this query is one that the collector can know. */
export function isSigned(headers: Headers, query: string): boolean {
  const credential = headers.get("authorization") ?? query;
  return /aws4-hmac-sha256/i.test(credential) && !credential.includes(OFFLINE_KEY);
}

/** A 202 answers every event by itself: what is refused is dropped, what could not be taken now stays in its place. */
function leftOver(request: Waiting, answer: string): { later: boolean; rest?: string } {
  if (!/\/events$/.test(request.path)) return { later: false };
  let results: Record<string, { EventsItemResponse?: Record<string, { StatusCode: number; Message?: string }> }>;
  try {
    results = JSON.parse(answer).Results ?? {};
  } catch {
    return { later: true }; // cut off on its way: ask again, the collector knows the event ids
  }
  const batches = JSON.parse(request.body).BatchItem as Record<string, { Events: Record<string, unknown> }>;
  let rest = 0;
  for (const [endpoint, batch] of Object.entries(batches)) {
    for (const id of Object.keys(batch.Events)) {
      const { StatusCode = 202, Message } = results[endpoint]?.EventsItemResponse?.[id] ?? {};
      if (StatusCode === 429 || StatusCode >= 500) {
        rest += 1;
        continue;
      }
      if (StatusCode !== 202) console.warn(`headwater: event ${id} was refused and is dropped: ${StatusCode} ${Message}`);
      delete batch.Events[id];
    }
  }
  return rest ? { later: true, rest: JSON.stringify({ BatchItem: batches }) } : { later: false };
}
