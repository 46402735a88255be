// Puts an event and updates an endpoint with the unmodified SDK; prints what came of it as one JSON object.
import { GetEndpointCommand, PinpointClient, PutEventsCommand, UpdateEndpointCommand } from "@aws-sdk/client-pinpoint";

const { endpoint, region, credentials, app } = JSON.parse(process.argv[2]);
const pinpoint = new PinpointClient({ endpoint, region, credentials, maxAttempts: 1 });

const where = { ApplicationId: app, EndpointId: "sdk:1/é x" };
await pinpoint.send(new UpdateEndpointCommand({ ...where, EndpointRequest: { Address: "ada@example.org" } }));
const event = { EventType: "SignUpEvent", Timestamp: new Date().toISOString(), Attributes: { email: "é@example.org" } };
const put = await pinpoint.send(new PutEventsCommand({
  ApplicationId: app,
  EventsRequest: { BatchItem: { [where.EndpointId]: { Endpoint: {}, Events: { "event-1": event } } } },
}));
const got = await pinpoint.send(new GetEndpointCommand(where));
console.log(JSON.stringify({ results: put.EventsResponse.Results, address: got.EndpointResponse.Address }));
