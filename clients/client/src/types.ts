/** What callers write: events, profiles and options. */

/** Fields of an event: numbers become metrics, the rest attributes (text as it is, null as null, anything else as JSON text). */
export type Fields = Record<string, unknown>;
export type Metrics = Record<string, number>;

/** Event types nobody described: any name, any fields. */
export type AnyEvents = Record<string, Fields>;

/** What comes after an event's name: its fields, which may be left out where none is required. */
export type Given<F> = {} extends F ? [fields?: F, metrics?: Metrics] : [fields: F, metrics?: Metrics];

/** An event in Amplify's form. */
export interface NamedEvent<Name> {
  name: Name;
  attributes?: Fields;
  metrics?: Metrics;
}

export interface HeadwaterOptions {
  /** Where Headwater's public listener is, such as `https://events.example.org`. */
  url: string;
  /** The app's id: `headwater status` prints it. */
  appId: string;
  /** The app's public write key: `[app] write_key` in headwater.toml. */
  writeKey: string;
  /** Stands for this device or browser. Default: made once and kept in `storage`. */
  endpointId?: string;
  /** The app's own version, kept with the endpoint. */
  appVersion?: string;
  /** Where events wait. Default: `localStorage`, or memory where there is none. */
  storage?: Record<string, string>;
  /** Most events in one request. Default: 100. */
  flushSize?: number;
  /** Milliseconds from an event to the request that carries it. Default: 5,000. */
  flushInterval?: number;
  /** Most events that wait; further ones are refused until there is room. Default: 1,000. */
  queueLimit?: number;
  /** Milliseconds without an event after which a new session begins. Default: half an hour. */
  sessionTimeout?: number;
}

/** As Amplify's `identifyUser` takes it. */
export interface IdentifyUserInput {
  userId: string;
  userProfile?: {
    email?: string;
    name?: string;
    plan?: string;
    customProperties?: Record<string, string[]>;
    demographic?: Partial<
      Record<"appVersion" | "locale" | "make" | "model" | "modelVersion" | "platform" | "platformVersion" | "timezone", string>
    >;
    location?: Partial<Record<"city" | "country" | "postalCode" | "region", string> & Record<"latitude" | "longitude", number>>;
    metrics?: Metrics;
  };
  options?: {
    address?: string;
    channelType?: string;
    optOut?: "ALL" | "NONE";
    userAttributes?: Record<string, string[]>;
  };
}

/** As Amplify's `configureAutoTrack` takes it. */
export type AutoTrackInput =
  | { enable: boolean; type: "session"; options?: { attributes?: Fields } }
  | {
      enable: boolean;
      type: "pageView";
      options?: { attributes?: Fields; eventName?: string; appType?: "singlePage" | "multiPage"; urlProvider?: () => string };
    }
  | { enable: boolean; type: "event"; options?: { attributes?: Fields; events?: string[]; selectorPrefix?: string } };
