/** Which requests are meant for AWS services that Headwater stands in for, and where they go instead. */

export type Service = "pinpoint" | "cognito-identity" | "kinesis" | "sts";

/** `everything`: credentials come from Headwater, too. `eventsOnly`: only Pinpoint; credentials stay with AWS. */
export type Mode = "everything" | "eventsOnly";

export interface DestinationOptions {
  /** Where Headwater's public listener is, such as `https://events.example.org`. */
  url: string;
  /** Default: `everything`. */
  mode?: Mode;
  /** Pinpoint application id. If given, requests for other applications are left alone. */
  appId?: string;
  /** The app's public write key. Needed for `eventsOnly`. */
  writeKey?: string;
  /** Default: Pinpoint, Cognito Identity and Kinesis; Pinpoint alone with `eventsOnly`. */
  services?: readonly Service[];
}

export interface Destination {
  url: string;
  /** Whether AWS's signature must go and the write key must come. */
  byKey: boolean;
}

export type FindDestination = (url: string) => Destination | undefined;

const HOST = /^(?:(pinpoint|cognito-identity|kinesis|sts)\.[a-z0-9-]+|(sts))\.amazonaws\.com(?:\.cn)?$/;
const APP = /^\/v1\/apps\/([^/]+)/;
const SIGNATURE_HEADERS = [
  "authorization",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-content-sha256",
  "amz-sdk-invocation-id",
  "amz-sdk-request",
];

/** Return a function that says where a request goes instead, or nothing if it is none of ours. Throws `TypeError` on options that cannot work. */
export function destinations(options: DestinationOptions): FindDestination {
  const { mode = "everything", appId, writeKey } = options;
  const byKey = mode === "eventsOnly";
  if (!byKey && mode !== "everything") throw new TypeError(`headwater: mode must be "everything" or "eventsOnly", given "${mode}"`);
  if (byKey && !writeKey) throw new TypeError('headwater: mode "eventsOnly" needs writeKey');
  const base = baseUrl(options.url);
  const services: readonly string[] = byKey ? ["pinpoint"] : (options.services ?? ["pinpoint", "cognito-identity", "kinesis"]);

  return (text) => {
    if (!/^https:\/\/[^/?#]*\.amazonaws\.com/i.test(text)) return;
    const url = new URL(text);
    const host = HOST.exec(url.host);
    const service = host?.[1] ?? host?.[2];
    if (!service || !services.includes(service)) return;
    const app = service === "pinpoint" && APP.exec(url.pathname)?.[1];
    if (appId && app && app !== appId) return;
    return { url: base + url.pathname + (byKey ? withoutSignature(url) : url.search), byKey };
  };
}

/** Return the URL without slashes at its end; throws `TypeError` if it is none. */
export function baseUrl(text: string): string {
  const url = new URL(text);
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** Return the headers with the write key in the place of AWS's signature. */
export function keyHeaders(headers: HeadersInit | undefined, writeKey: string): Headers {
  const changed = new Headers(headers);
  for (const name of SIGNATURE_HEADERS) changed.delete(name);
  changed.set("authorization", `Basic ${btoa(`${writeKey}:`)}`);
  return changed;
}

function withoutSignature(url: URL): string {
  const kept = url.search
    .slice(1)
    .split("&")
    .filter((part) => part && !/^x-amz-/i.test(part));
  return kept.length ? `?${kept.join("&")}` : "";
}
