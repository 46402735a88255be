/** Requests that wait for delivery, in IndexedDB, in the order they came. */

export interface Waiting {
  /** Place in the queue; given by `add`. */
  seq?: number;
  method: string;
  /** Path at the collector. */
  path: string;
  body: string;
  /** Epoch milliseconds at which the page sent it. */
  at: number;
  /** Headers and query as AWS's signature covers them; none if it can only go by the write key. */
  signed?: { query: string; headers: [string, string][] };
  /** `x-amz-user-agent`, which says what library made it. */
  agent?: string;
}

interface Size {
  requests: number;
  bytes: number;
}

const REQUESTS = "requests";
const STATE = "state";
const SIZE = "size";

export class Queue {
  private opened: Promise<IDBDatabase> | undefined;

  constructor(
    private readonly name: string,
    private readonly maxRequests: number,
    private readonly maxBytes: number,
  ) {}

  /** Resolve to true once the request is on disk, to false if there is no room: what is already in was promised, so the newest gives way. */
  add(request: Waiting): Promise<boolean> {
    return this.run("readwrite", (requests, state, done) => {
      sizeIn(state, (size) => {
        const bytes = size.bytes + weight(request);
        if (size.requests >= this.maxRequests || bytes > this.maxBytes) return done(false);
        requests.add(request);
        state.put({ requests: size.requests + 1, bytes }, SIZE);
        done(true);
      });
    });
  }

  /** Return the oldest request. */
  first(): Promise<Waiting | undefined> {
    return this.run("readonly", (requests, _state, done) => {
      requests.openCursor().onsuccess = (event) => done((event.target as IDBRequest<IDBCursorWithValue | null>).result?.value);
    });
  }

  /** Forget a request that `first` gave; with *rest*, keep that body in its place. */
  settle(request: Waiting, rest?: string): Promise<void> {
    return this.run("readwrite", (requests, state, done) => {
      sizeIn(state, (size) => {
        const changed = { ...request, body: rest ?? "" };
        const freed = weight(request) - (rest === undefined ? 0 : weight(changed));
        if (rest === undefined) requests.delete(request.seq!);
        else requests.put(changed);
        state.put({ requests: size.requests - (rest === undefined ? 1 : 0), bytes: Math.max(0, size.bytes - freed) }, SIZE);
        done();
      });
    });
  }

  /** Return how many requests and bytes wait. */
  size(): Promise<Size> {
    return this.run("readonly", (_requests, state, done) => sizeIn(state, done));
  }

  /** Remember a small value, or return what is remembered. */
  async remembered<T>(key: string, value?: T): Promise<T | undefined> {
    return this.run<T | undefined>(value === undefined ? "readonly" : "readwrite", (_requests, state, done) => {
      if (value !== undefined) state.put(value, key);
      state.get(key).onsuccess = (event) => done((event.target as IDBRequest<T | undefined>).result);
    });
  }

  private async run<T>(
    mode: IDBTransactionMode,
    work: (requests: IDBObjectStore, state: IDBObjectStore, done: (result: T) => void) => void,
  ): Promise<T> {
    const database = await (this.opened ??= this.open());
    return new Promise<T>((resolve, reject) => {
      let result: T;
      // strict: complete means flushed to disk, which is what the 202 says.
      const transaction = database.transaction([REQUESTS, STATE], mode, { durability: "strict" });
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
      work(transaction.objectStore(REQUESTS), transaction.objectStore(STATE), (value) => (result = value));
    });
  }

  private open(): Promise<IDBDatabase> {
    return new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open(this.name, 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore(REQUESTS, { keyPath: "seq", autoIncrement: true });
        opening.result.createObjectStore(STATE);
      };
      opening.onsuccess = () => {
        const database = opening.result;
        // Closed by the browser, or by a newer worker that changes the layout: open again when next needed.
        database.onclose = () => (this.opened = undefined);
        database.onversionchange = () => {
          this.opened = undefined;
          database.close();
        };
        resolve(database);
      };
      opening.onerror = () => {
        this.opened = undefined;
        reject(opening.error);
      };
    });
  }
}

function sizeIn(state: IDBObjectStore, use: (size: Size) => void): void {
  const asked: IDBRequest<Size | undefined> = state.get(SIZE);
  asked.onsuccess = () => use(asked.result ?? { requests: 0, bytes: 0 });
}

function weight(request: Waiting): number {
  // UTF-16 units, and what the signature adds: near enough for a cap.
  return request.body.length + request.path.length + (request.signed ? JSON.stringify(request.signed).length : 0);
}
