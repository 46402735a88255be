/** The page's side of the service worker: registers it, with its options in the address of its script. */

import { type DestinationOptions, destinations } from "../../redirect/src/destination.js";

export interface WorkerOptions extends DestinationOptions {
  appId: string;
  /** The app's public write key: what waited longer than a signature lasts is delivered with it. */
  writeKey: string;
  /** Path of the worker's file on the page's own origin. Default: `/headwater-sw.js`. */
  worker?: string;
  /** Which pages it serves. Default: those beneath the folder of its file. */
  scope?: string;
  /** Most requests that wait. Default: 10,000. */
  maxRequests?: number;
  /** Most bytes that wait. Default: 20,000,000. */
  maxBytes?: number;
}

/**
 * Register the worker; resolves once it is registered, to nothing where there are no service workers (no HTTPS, old browsers).
 *
 * Rejects as `navigator.serviceWorker.register` does, and with `TypeError` on options that cannot work.
 */
export async function registerHeadwater(options: WorkerOptions): Promise<ServiceWorkerRegistration | undefined> {
  destinations(options); // refuse here, where somebody sees it, what the worker would refuse
  if (!options.appId || !options.writeKey) throw new TypeError("headwater: the service worker needs appId and writeKey");
  const { worker = "/headwater-sw.js", scope, ...rest } = options;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, String(value));
  query.sort(); // another address would be another worker
  return globalThis.navigator?.serviceWorker?.register(`${worker}?${query}`, scope === undefined ? undefined : { scope });
}
