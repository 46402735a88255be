/**
 * What left the page, for the strip at its end: looks over the shoulder of `fetch`. An app of your own does not need this file.
 *
 * It is imported before Amplify and after the redirect script, so it sees the addresses of AWS and the answers of Headwater.
 */

export interface Sent {
  id: string;
  name: string;
  fields: Record<string, string | number>;
  /** The identity whose credentials signed the request. */
  identityId: string;
  guest: boolean;
  state: "sending" | "stored" | "refused" | "failed";
  /** What was answered, in words. */
  answer: string;
}

interface PutEvents {
  BatchItem: Record<string, { Events: Record<string, { EventType: string; Attributes?: Record<string, string>; Metrics?: Record<string, number> }> }>;
}
interface Answer {
  Results: Record<string, { EventsItemResponse?: Record<string, { StatusCode: number; Message: string }> }>;
}
interface Lent {
  IdentityId: string;
  Credentials: { AccessKeyId: string };
}

const KEEP = 20;
const lentTo = new Map<string, { identityId: string; guest: boolean }>(); // access key id -> whose it is
const listeners = new Set<() => void>();
let sent: readonly Sent[] = [];

/** Newest first; the same array until something changes. */
export function sentEvents(): readonly Sent[] {
  return sent;
}

export function onSent(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function note(changed: readonly Sent[]): void {
  const newest = new Map(changed.map((event) => [event.id, event])); // one that is tried again keeps its id, and its place
  const known = sent.map((event) => newest.get(event.id) ?? event);
  const ids = new Set(known.map((event) => event.id));
  sent = [...changed.filter((event) => !ids.has(event.id)).reverse(), ...known].slice(0, KEEP);
  listeners.forEach((listener) => listener());
}

const realFetch = window.fetch;
window.fetch = async (input, init) => {
  const url = String(input instanceof Request ? input.url : input);
  if (/^https:\/\/cognito-identity\./.test(url)) {
    const answer = await realFetch(input, init);
    await borrowed(answer.clone(), init).catch(() => {}); // an answer that is no JSON is for Amplify to judge
    return answer;
  }
  if (!/^https:\/\/pinpoint\.[^/]+\/v1\/apps\/[^/]+\/events$/.test(url)) return realFetch(input, init);

  const leaving = eventsOf(init);
  note(leaving);
  try {
    const answer = await realFetch(input, init);
    if (answer.ok) answered(leaving, (await answer.clone().json()) as Answer);
    else note(leaving.map((event) => ({ ...event, state: "failed", answer: `HTTP ${answer.status}` })));
    return answer;
  } catch (error) {
    note(leaving.map((event) => ({ ...event, state: "failed", answer: "no connection" })));
    throw error;
  }
};

/** Remember whose credentials these are. */
async function borrowed(answer: Response, init: RequestInit | undefined): Promise<void> {
  const lent = (await answer.json()) as Partial<Lent>;
  const asked = JSON.parse(String(init?.body)) as { Logins?: object };
  if (lent.Credentials && lent.IdentityId) {
    const guest = Object.keys(asked.Logins ?? {}).length === 0;
    lentTo.set(lent.Credentials.AccessKeyId, { identityId: lent.IdentityId, guest });
  }
}

function eventsOf(init: RequestInit | undefined): Sent[] {
  const key = /Credential=([^/]+)\//.exec(new Headers(init?.headers).get("authorization") ?? "")?.[1] ?? "";
  const by = lentTo.get(key) ?? { identityId: "", guest: true };
  const { BatchItem } = JSON.parse(String(init?.body)) as PutEvents;
  return Object.values(BatchItem).flatMap(({ Events }) =>
    Object.entries(Events).map(([id, { EventType: name, Attributes, Metrics }]) => {
      return { id, name, fields: { ...Attributes, ...Metrics }, ...by, state: "sending", answer: "on its way" } as const;
    }),
  );
}

function answered(leaving: readonly Sent[], { Results }: Answer): void {
  const said = Object.assign({}, ...Object.values(Results).map((result) => result.EventsItemResponse ?? {})) as Record<
    string,
    { StatusCode: number; Message: string }
  >;
  note(
    leaving.map((event) => {
      const { StatusCode, Message } = said[event.id] ?? { StatusCode: 0, Message: "not answered" };
      return { ...event, state: StatusCode === 202 ? "stored" : "refused", answer: StatusCode === 202 ? "202 · on disk" : `${StatusCode} · ${Message}` };
    }),
  );
}
