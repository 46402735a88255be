/** What is recorded without a call: sessions, page views, DOM events with the marks in the page that Amplify reads. */

import type { AutoTrackInput, Fields } from "./types.js";

type Record_ = (name: string, fields: Fields) => unknown;

export interface Trackers {
  _hide?: (() => void) | undefined;
  _show?: (() => void) | undefined;
  /** How to turn each type off. */
  _off?: { [type: string]: (() => void) | undefined };
}

export function autoTrack(trackers: Trackers, input: AutoTrackInput, record: Record_): void {
  const off = (trackers._off ??= {});
  off[input.type]?.();
  off[input.type] = undefined;
  if (!input.enable || typeof document != "object") return;
  if (input.type == "session") off.session = sessions(trackers, input.options, record);
  else if (input.type == "pageView") off.pageView = pageViews(input.options, record);
  else off.event = domEvents(input.options, record);
}

function sessions(trackers: Trackers, { attributes = {} }: { attributes?: Fields } = {}, record: Record_): () => void {
  let running = false;
  const show = (trackers._show = () => {
    if (!running) record("_session.start", attributes);
    running = true;
  });
  trackers._hide = () => {
    if (running) record("_session.stop", attributes);
    running = false;
  };
  if (document.visibilityState != "hidden") show();
  return () => (trackers._hide = trackers._show = undefined);
}

function pageViews(options: Extract<AutoTrackInput, { type: "pageView" }>["options"] = {}, record: Record_): () => void {
  const { attributes, eventName = "pageView", appType, urlProvider = () => location.origin + location.pathname } = options;
  let seen: string | null = null;
  const view = () => {
    const url = urlProvider();
    if (url != seen) record(eventName, { url, ...attributes });
    seen = url;
  };
  if (appType == "multiPage") {
    // A page that is loaded again is not a second view.
    seen = sessionStorage["hw:page"];
    view();
    sessionStorage["hw:page"] = seen;
    return () => undefined;
  }
  view();
  let on = true;
  for (const name of ["pushState", "replaceState"] as const) {
    const real = history[name];
    // Never taken back: somebody may have wrapped it in the meantime.
    history[name] = function (...given) {
      real.apply(this, given);
      if (on) view();
    };
  }
  addEventListener("popstate", view);
  return () => {
    on = false;
    removeEventListener("popstate", view);
  };
}

function domEvents(options: Extract<AutoTrackInput, { type: "event" }>["options"] = {}, record: Record_): () => void {
  const { attributes, events = ["click"], selectorPrefix = "data-amplify-analytics-" } = options;
  const seen = ({ type, target }: Event) => {
    const marked = target instanceof Element && target.closest(`[${selectorPrefix}on]`);
    if (!marked) return;
    const said = (name: string) => marked.getAttribute(selectorPrefix + name);
    const words = (text: string | null, by: RegExp) => (text ? text.trim().split(by) : []);
    if (!words(said("on"), /\s*,\s*/).includes(type)) return;
    const own = Object.fromEntries(words(said("attrs"), /\s*,\s*/).map((pair) => pair.split(/\s*:\s*/)));
    record(said("name") || "event", { type, target: `${marked.localName} with id ${marked.id}`, ...attributes, ...own });
  };
  for (const type of events) document.addEventListener(type, seen, true);
  return () => {
    for (const type of events) document.removeEventListener(type, seen, true);
  };
}
