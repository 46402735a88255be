// Sends one message of each kind with the unmodified Segment library for Node; prints what it says of them.
import { Analytics } from "@segment/analytics-node";

const { host, writeKey } = JSON.parse(process.argv[2]);
const analytics = new Analytics({ host, writeKey, maxRetries: 0 });
const errors = [];
analytics.on("error", (error) => errors.push(String(error.reason ?? error)));

const who = { anonymousId: "node-device", userId: "node-user" };
const sent = [];
const note = (error, context) => sent.push(error ? String(error) : context.event.type);
analytics.identify({ ...who, traits: { email: "é@example.org", age: 36 } }, note);
analytics.track({ ...who, event: "Song Played", properties: { title: "Für Elise", tempo: 72.5, hands: { left: 1 } } }, note);
analytics.page({ ...who, name: "Home", properties: { path: "/" } }, note);
analytics.screen({ ...who, name: "Piano" }, note);
analytics.group({ ...who, groupId: "school-1", traits: { seats: 30 } }, note);
analytics.alias({ userId: "node-user", previousId: "node-old" }, note);
await analytics.closeAndFlush();
console.log(JSON.stringify({ sent: sent.sort(), errors }));
