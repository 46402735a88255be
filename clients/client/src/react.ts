/** React: the client in a context, and hooks that give it back. */

import { type ReactElement, type ReactNode, createContext, createElement, useContext } from "react";

import type { AnyEvents, Headwater } from "@headwater/client";

const Context = createContext<Headwater<any> | undefined>(undefined);

/** Give *client* to everything inside. Make it once, outside of the component. */
export function HeadwaterProvider({ client, children }: { client: Headwater<any>; children?: ReactNode }): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

/** Return the client of the nearest provider; throws if there is none. */
export function useHeadwater<Events extends object = AnyEvents>(): Headwater<Events> {
  const client = useContext(Context);
  if (!client) throw new Error("headwater: no HeadwaterProvider around this component");
  return client;
}

/** Return the client's `record`, the same function at every render. */
export function useRecord<Events extends object = AnyEvents>(): Headwater<Events>["record"] {
  return recordOf(useHeadwater<Events>());
}

const bound = new WeakMap<Headwater<any>, Headwater<any>["record"]>();

function recordOf(client: Headwater<any>): Headwater<any>["record"] {
  let record = bound.get(client);
  if (!record) bound.set(client, (record = client.record.bind(client)));
  return record;
}
