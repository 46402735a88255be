/** The script tag: reads its own `data-` attributes, starts the redirect at once and, if asked, registers the service worker. */

import { registerHeadwater } from "../../sw/src/register.js";
import { type Mode, type Service, redirect } from "./redirect.js";

const page = globalThis as typeof globalThis & { headwaterRedirect?: typeof redirect; registerHeadwater?: typeof registerHeadwater };
page.headwaterRedirect = redirect;
page.registerHeadwater = registerHeadwater;

const tag = typeof document === "object" ? document.currentScript : null;
if (tag instanceof HTMLScriptElement && !("manual" in tag.dataset)) {
  const { mode, appId, writeKey, services, worker, scope } = tag.dataset;
  // The collector serves this file as <collector>/client/headwater-redirect.js
  const url = tag.dataset.url ?? new URL("..", tag.src).href;
  const options = { url, mode: mode as Mode, appId, writeKey, services: services?.split(/[\s,]+/).filter(Boolean) as Service[] | undefined };
  redirect(options);
  if (worker) {
    if (!appId || !writeKey) throw new TypeError("headwater: data-worker needs data-app-id and data-write-key");
    registerHeadwater({ ...options, appId, writeKey, worker, scope }).catch((error) => console.warn("headwater: no service worker:", error));
  }
}
