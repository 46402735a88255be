/** Events that wait, one storage entry each, and the requests that take them away. */

// Fetches that outlive their page may carry 64 KiB together.
const KEEPALIVE_BYTES = 3e4;
const REQUEST_BYTES = 1e6;
const LONGEST_PAUSE_MS = 6e4;
// The collector recognises what it had before for three days.
const UNCONFIRMED_MS = 2 * 864e5;

export type Store = Record<string, string>;

interface Batch {
  keys: [key: string, id: string][];
  body: string;
}

/**
 * One entry per event: tabs of one origin then share the queue without a read-modify-write between them, and an event is safe as soon
 * as `add` returns. An entry is `[event id, event]`, or `["", endpoint]` for a change of the profile.
 */
export class Outbox {
  private readonly _memory: Store = {};
  private readonly _sending = new Set<string>();
  private _count = 0;
  private _last = 0;
  private _failures = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _flushing: Promise<void> | undefined;

  constructor(
    private readonly _url: string,
    private readonly _endpointId: string,
    private readonly _prefix: string,
    private readonly _disk: Store,
    private readonly _limit: number,
    private _size: number,
    private readonly _interval: number,
  ) {
    // What left with a closing page, and was never confirmed, is sent again; but not when it could no longer be recognised.
    const [at, upTo] = parse(_disk[this._unloaded]) ?? [];
    if (at < Date.now() - UNCONFIRMED_MS) for (const key of this._keys()) if (key <= upTo) this._delete(key);
    this._count = this._keys().length;
    if (this._count) this._later(0);
  }

  private get _unloaded() {
    return this._prefix + "unloaded";
  }

  /** Keep an entry; false if the queue is full. */
  add(id: string, value: object): boolean {
    if (this._count >= this._limit) return false;
    this._count++;
    this._last = Math.max(this._last + 1, Date.now() * 1e3); // in order, also within a millisecond
    // The end is for two tabs that record in one millisecond.
    const key = `${this._prefix}q${this._last.toString(36).padStart(11, "0")}${Math.random().toString(36).slice(1, 8)}`;
    const text = JSON.stringify([id, value]);
    try {
      this._disk[key] = text;
    } catch {
      this._memory[key] = text; // the storage is full or closed
    }
    if (this._count >= this._size && !this._failures) this.flush();
    else this._later(this._interval);
    return true;
  }

  /** Send what waits, oldest first; resolves when nothing waits or the collector could not be reached. */
  flush(): Promise<void> {
    return (this._flushing ??= this._alone().finally(() => (this._flushing = undefined)));
  }

  /** The page may be gone any moment: give the browser what has not been sent. */
  unload(): void {
    const batch = this._batch(KEEPALIVE_BYTES);
    const last = batch?.keys.at(-1)?.[0] ?? [...this._sending].pop();
    if (last) {
      try {
        this._disk[this._unloaded] = JSON.stringify([Date.now(), last]);
      } catch {
        // no room for the note: at worst something old is sent again
      }
    }
    if (!batch) return;
    if ("keepalive" in Request.prototype) this._send(batch).then((done) => done || this._later(this._interval));
    else if (navigator.sendBeacon(this._url, batch.body)) {
      // Nobody sees a beacon's answer: a page that is still there after a while asks for one.
      for (const [key] of batch.keys) this._sending.add(key);
      setTimeout(() => {
        for (const [key] of batch.keys) this._sending.delete(key);
        this._later(0);
      }, 1e4);
    }
  }

  private _later(ms: number): void {
    this._timer ??= setTimeout(() => {
      this._timer = undefined;
      this.flush();
    }, ms);
  }

  private _alone(): Promise<void> {
    const locks: LockManager | undefined = globalThis.navigator?.locks;
    // One tab at a time; without locks two may send the same, which the collector recognises.
    return locks ? locks.request(this._prefix, () => this._all()) : this._all();
  }

  private async _all(): Promise<void> {
    clearTimeout(this._timer);
    this._timer = undefined;
    for (let batch: Batch | undefined; (batch = this._batch(REQUEST_BYTES)); ) {
      if (!(await this._send(batch))) {
        this._later(Math.min(1e3 * 2 ** this._failures++, LONGEST_PAUSE_MS) * (0.8 + Math.random() * 0.4));
        break;
      }
      this._failures = 0;
    }
    this._count = this._keys().length;
  }

  /** Resolve to false if the same is to be sent again later. */
  private async _send({ keys, body }: Batch): Promise<boolean> {
    // What would end with the page is not counted as sent: `unload` sends it again, and the collector recognises it.
    const keepalive = bytes(body) < KEEPALIVE_BYTES;
    if (keepalive) for (const [key] of keys) this._sending.add(key);
    try {
      const answer = await fetch(this._url, { method: "POST", body, keepalive, credentials: "omit" });
      const { status } = answer;
      const text = await answer.text();
      if (status == 413 && keys.length > 1) {
        this._size = keys.length >> 1;
        return true;
      }
      const ours = status == 400 || status == 403 || status == 413 || (status < 500 && status != 429 && answer.headers.has("x-amzn-errortype"));
      if (!answer.ok && !ours) return false;
      if (!answer.ok) warn(status, text);
      const results = answer.ok ? JSON.parse(text).Results[this._endpointId].EventsItemResponse : {};
      let again = 0;
      for (const [key, id] of keys) {
        const { StatusCode = 202, Message } = results[id] ?? {};
        if (StatusCode == 429 || StatusCode > 499) again++;
        else {
          if (StatusCode != 202) warn(StatusCode, Message);
          this._delete(key);
        }
      }
      return !again;
    } catch {
      return false; // no connection, or an answer that was cut off
    } finally {
      for (const [key] of keys) this._sending.delete(key);
    }
  }

  private _batch(limit: number): Batch | undefined {
    const keys: Batch["keys"] = [];
    const Events: Store = {};
    let Endpoint = {};
    let size = 0;
    for (const key of this._keys()) {
      const text = this._disk[key] ?? this._memory[key];
      if (this._sending.has(key) || !text) continue;
      const [id, value] = parse(text) ?? [];
      if (!value) {
        this._delete(key); // not written by us
        continue;
      }
      size += bytes(text);
      if (keys.length ? !id || keys.length >= this._size || size > limit : limit < REQUEST_BYTES && size > limit) break;
      keys.push([key, id]);
      if (id) Events[id] = value;
      else Endpoint = value;
    }
    return keys.length ? { keys, body: JSON.stringify({ BatchItem: { [this._endpointId]: { Endpoint, Events } } }) } : undefined;
  }

  private _keys(): string[] {
    return [...Object.keys(this._disk), ...Object.keys(this._memory)].filter((key) => key.startsWith(this._prefix + "q")).sort();
  }

  private _delete(key: string): void {
    delete this._disk[key];
    delete this._memory[key];
  }
}

export function parse(text: string | undefined): any {
  try {
    return JSON.parse(text!);
  } catch {
    return undefined; // nothing there, or not ours
  }
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

function warn(status: number, message: string): void {
  console.warn("headwater: refused and dropped:", status, message);
}
