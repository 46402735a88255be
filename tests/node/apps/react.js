// A React app that records from a component.
import { createElement, useEffect } from "react";
import { createRoot } from "react-dom/client";

import { Headwater } from "@headwater/client";
import { HeadwaterProvider, useHeadwater, useRecord } from "@headwater/client/react";

const client = new Headwater(globalThis.ids);
const seen = (globalThis.seen = []);

function Piece({ name }) {
  const record = useRecord();
  seen.push(record);
  const { endpointId } = useHeadwater();
  useEffect(() => {
    record("PieceOpened", { name });
  }, [record, name]);
  return createElement("h1", null, `${name} ${endpointId}`);
}

const root = createRoot(document.body.appendChild(document.createElement("div")));
globalThis.show = (name) => root.render(createElement(HeadwaterProvider, { client }, createElement(Piece, { name })));
globalThis.client = client;
