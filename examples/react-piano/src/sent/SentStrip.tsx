/** The strip that shows what was sent, under whose identity, and what was answered. */

import { useSyncExternalStore } from "react";

import { type Sent, onSent, sentEvents } from "./watch";

export function SentStrip() {
  const events = useSyncExternalStore(onSent, sentEvents);
  return (
    <section className="sent" aria-labelledby="sent-title">
      <header>
        <h2 id="sent-title">Sent to Headwater</h2>
        <p>
          by <code>Analytics.record</code>, as to Pinpoint
        </p>
      </header>
      {events.length === 0 && <p className="nothing">Nothing yet. Finish a piece, or make an account.</p>}
      <ol role="log" aria-label="Events sent, newest first">
        {events.map((event) => (
          <Line key={event.id} event={event} />
        ))}
      </ol>
    </section>
  );
}

function Line({ event }: { event: Sent }) {
  return (
    <li data-state={event.state} data-event={event.name} data-event-id={event.id} data-identity={event.identityId}>
      <span className="state">{event.answer}</span>
      <strong>{event.name}</strong>
      <span className="fields">
        {Object.entries(event.fields).map(([name, value]) => (
          <span key={name}>
            {name} <b>{value}</b>
          </span>
        ))}
      </span>
      <span className="by" title={event.identityId}>
        {event.guest ? "guest" : "signed in"} <code>{event.identityId.slice(0, 18)}…</code>
      </span>
    </li>
  );
}
