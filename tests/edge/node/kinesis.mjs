// Puts records with the unmodified SDK and reads them back; prints what came of it as one JSON object.
import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient, PutRecordsCommand } from "@aws-sdk/client-kinesis";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const { endpoint, region, credentials, stream, handler } = JSON.parse(process.argv[2]);
const requestHandler = handler === "http/1.1" ? new NodeHttpHandler() : undefined;
const kinesis = new KinesisClient({ endpoint, region, credentials, requestHandler, maxAttempts: 1 });

try {
  const records = ["é", "\u0000"].map((text) => ({ Data: new TextEncoder().encode(text), PartitionKey: "p" }));
  const put = await kinesis.send(new PutRecordsCommand({ StreamName: stream, Records: records }));
  const shard = { StreamName: stream, ShardId: put.Records[0].ShardId, ShardIteratorType: "TRIM_HORIZON" };
  const { ShardIterator } = await kinesis.send(new GetShardIteratorCommand(shard));
  const read = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
  console.log(JSON.stringify({
    failed: put.FailedRecordCount,
    data: read.Records.map((record) => new TextDecoder().decode(record.Data)),
    arrived: read.Records[0].ApproximateArrivalTimestamp.getTime(),
  }));
} catch (error) {
  console.log(JSON.stringify({ error: error.name, message: error.message }));
}
process.exit(0);
