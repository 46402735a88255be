/** Points the AWS calls of an unmodified app at Headwater, by wrapping `fetch` and `navigator.sendBeacon`. */

import { copied } from "./copied.js";
import { type DestinationOptions, destinations, keyHeaders } from "./destination.js";

export type { Mode, Service } from "./destination.js";
export type RedirectOptions = DestinationOptions;

/**
 * From now on send what this page (or Node process) sends to Pinpoint, Cognito Identity and Kinesis to `options.url` instead.
 *
 * Call it before the libraries of AWS are loaded: some keep the `fetch` they find. All other requests are passed on as they are.
 * Returns a function that puts the originals back. Throws `TypeError` on options that cannot work.
 */
export function redirect(options: RedirectOptions): () => void {
  const find = destinations(options);
  const { writeKey = "" } = options;
  const scope = globalThis;
  const realFetch = scope.fetch;
  const browser: Navigator | undefined = scope.navigator;
  const realBeacon = browser?.sendBeacon as Navigator["sendBeacon"] | undefined;

  const wrappedFetch: typeof fetch = function (...call) {
    const [input, init] = call;
    const to = find(isRequest(input) ? input.url : String(input));
    if (!to) return Reflect.apply(realFetch, scope, call);
    if (isRequest(input)) return copied(init ? new Request(input, init) : input, to, writeKey).then((args) => realFetch(...args));
    return realFetch(to.url, to.byKey ? { ...init, headers: keyHeaders(init?.headers, writeKey) } : init);
  };
  const wrappedBeacon: Navigator["sendBeacon"] = function (...call) {
    const to = find(String(call[0]));
    // A beacon has no headers of our choice.
    if (to) call[0] = to.byKey ? withKey(to.url, writeKey) : to.url;
    return Reflect.apply(realBeacon!, browser, call);
  };

  scope.fetch = wrappedFetch;
  if (realBeacon) browser.sendBeacon = wrappedBeacon;
  return () => {
    // Whoever wrapped ours in the meantime keeps working; we only step out if we are the outermost.
    if (scope.fetch === wrappedFetch) scope.fetch = realFetch;
    if (browser?.sendBeacon === wrappedBeacon) browser.sendBeacon = realBeacon!;
  };
}

function withKey(url: string, writeKey: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}key=${encodeURIComponent(writeKey)}`;
}

function isRequest(input: unknown): input is Request {
  return typeof Request === "function" && input instanceof Request;
}
