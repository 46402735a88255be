/** The client: sessions, events and profiles of one app on this device. */

import { type Trackers, autoTrack } from "./autotrack.js";
import { Outbox, type Store, parse } from "./outbox.js";
import type { AnyEvents, AutoTrackInput, Fields, Given, HeadwaterOptions, IdentifyUserInput, Metrics, NamedEvent } from "./types.js";

const VERSION = __VERSION__;
declare const __VERSION__: string;

const SESSION_STOP = "_session.stop";

/**
 * Sends events of an app to Headwater. They wait in `localStorage` until the collector has them on disk.
 *
 * `Events` describes the event types: take `HeadwaterEvents` from the file that `headwater types --typescript` writes, and
 * `record` is checked by the compiler.
 */
export class Headwater<Events extends object = AnyEvents> {
  /** Stands for this device or browser. */
  readonly endpointId: string;

  private readonly _outbox: Outbox;
  private readonly _store: Store;
  private readonly _prefix: string;
  private readonly _trackers: Trackers = {};

  constructor(private readonly _options: HeadwaterOptions) {
    const { appId, writeKey, url, endpointId, storage, queueLimit = 1e3, flushSize = 100, flushInterval = 5e3 } = _options;
    if (!url || !appId || !writeKey) throw new TypeError("headwater: url, appId and writeKey are needed");
    this._store = storage ?? storageOfBrowser();
    this._prefix = `hw:${appId}:`;
    this.endpointId = endpointId ?? this._kept("endpoint", uuid);
    this._outbox = new Outbox(
      `${url.replace(/\/+$/, "")}/v1/apps/${appId}/events?key=${encodeURIComponent(writeKey)}`,
      this.endpointId,
      this._prefix,
      this._store,
      queueLimit,
      flushSize,
      flushInterval,
    );
    if (typeof document == "object") {
      // Trackers first, so that what they record on the way out is sent.
      const gone = () => {
        this._trackers._hide?.();
        this._outbox.unload();
      };
      document.addEventListener("visibilitychange", () => (document.visibilityState == "hidden" ? gone() : this._trackers._show?.()));
      addEventListener("pagehide", gone);
      addEventListener("online", () => this._outbox.flush());
    }
  }

  /**
   * Keep an event and send it soon. Numbers become metrics, all else attributes: text as it is, null as null, other values as JSON text;
   * what is undefined is left out. Returns the event's id, or undefined if so many events wait that this one is not kept.
   */
  record<Name extends keyof Events & string>(name: Name, ...given: Given<Events[Name]>): string | undefined;
  record<Name extends keyof Events & string>(event: NamedEvent<Name>): string | undefined;
  record(event: string | NamedEvent<string>, fields?: Fields, metrics?: Metrics): string | undefined {
    return typeof event == "string" ? this._record(event, fields, metrics) : this._record(event.name, event.attributes, event.metrics);
  }

  /** Say who uses this device; what is not given stays as it was. */
  identifyUser({ userId, userProfile = {}, options = {} }: IdentifyUserInput): void {
    const { email, name, plan, customProperties, demographic, location, metrics } = userProfile;
    const { userAttributes, ...rest } = options;
    const Attributes: Record<string, string[]> = { ...customProperties };
    for (const [key, value] of Object.entries({ email, name, plan })) if (value) Attributes[key] = [value];
    this._outbox.add("", {
      ...pascal(rest),
      EffectiveDate: new Date(),
      Attributes,
      Demographic: pascal(demographic),
      Location: pascal(location),
      Metrics: metrics,
      User: { UserId: userId, UserAttributes: userAttributes },
    });
  }

  /** Record sessions, page views or marked DOM events by itself, as Amplify does, under the same names. Each type is on or off. */
  configureAutoTrack(input: AutoTrackInput): void {
    autoTrack(this._trackers, input, (name, fields) => this._record(name, fields));
  }

  /** Send what waits now. Resolves when all was taken, or when the collector could not be reached; what waits is then sent later. */
  flushEvents(): Promise<void> {
    return this._outbox.flush();
  }

  private _record(EventType: string, fields: Fields = {}, metrics?: Metrics): string | undefined {
    const now = new Date();
    const Attributes: Record<string, string | null> = {};
    const Metrics: Record<string, number> = {};
    for (const [key, value] of Object.entries({ ...metrics, ...fields }) as [string, any][]) {
      if (Number.isFinite(value)) Metrics[key] = value;
      else if (value !== undefined) Attributes[key] = asText(value);
    }
    const id = uuid();
    const Session = this._session(now, EventType == SESSION_STOP);
    const kept = this._outbox.add(id, {
      EventType,
      Timestamp: now,
      Attributes,
      Metrics,
      Session,
      SdkName: "headwater-js",
      ClientSdkVersion: VERSION,
    });
    if (kept) return id;
    console.warn("headwater: too many events wait, not kept:", EventType);
    return undefined;
  }

  private _session(now: Date, stop: boolean): object {
    const key = this._prefix + "session";
    let [Id, StartTimestamp, last] = parse(this._store[key]) ?? [];
    if (!(now.getTime() - last <= (this._options.sessionTimeout ?? 18e5))) {
      [Id, StartTimestamp] = [uuid(), now.toISOString()];
      const { language, platform } = globalThis.navigator ?? {};
      const Timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      const Demographic = { AppVersion: this._options.appVersion, Locale: language?.replace("-", "_"), Platform: platform, Timezone };
      this._outbox.add("", { EffectiveDate: now, Demographic });
    }
    if (stop) delete this._store[key];
    else this._write(key, JSON.stringify([Id, StartTimestamp, now.getTime()]));
    return stop
      ? { Id, StartTimestamp, StopTimestamp: now, Duration: now.getTime() - Date.parse(StartTimestamp) }
      : { Id, StartTimestamp };
  }

  private _kept(name: string, make: () => string): string {
    const key = this._prefix + name;
    return this._store[key] ?? this._write(key, make());
  }

  private _write(key: string, value: string): string {
    try {
      this._store[key] = value;
    } catch {
      // the storage is full: good for this page only
    }
    return value;
  }
}

/** Make the client; the same as `new Headwater(options)`. */
export function init<Events extends object = AnyEvents>(options: HeadwaterOptions): Headwater<Events> {
  return new Headwater<Events>(options);
}

function asText(value: any): string | null {
  const plain = value?.toJSON ? value.toJSON() : value; // dates know how to be text
  return plain === null || typeof plain == "string" ? plain : typeof plain == "object" ? JSON.stringify(plain) : String(plain);
}

function pascal(object: object | undefined): object | undefined {
  return object && Object.fromEntries(Object.entries(object).map(([key, value]) => [key[0]!.toUpperCase() + key.slice(1), value]));
}

/** A random UUID; `crypto.randomUUID` is only there on https. */
function uuid(): string {
  return "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0]! & (15 >> (+digit / 4)))).toString(16),
  );
}

function storageOfBrowser(): Store {
  try {
    // Only a page has one: Node's writes a warning or a file.
    return typeof document == "object" ? (localStorage as unknown as Store) : {};
  } catch {
    return {}; // forbidden by the user
  }
}
