// BullMQ's side: node worker.mjs CONCURRENCY
//
// Finished jobs are not kept (BullMQ's fastest setting); failed ones are, so that the harness sees them.
import { closeSync, openSync, writeSync } from 'node:fs';
import { Worker } from 'bullmq';
import { connect, QUEUE } from './connection.mjs';

async function processJob(job) {
  if (job.name === 'pickup') {
    const now = process.hrtime.bigint(); // CLOCK_MONOTONIC, as the Python side's
    const file = openSync(process.env.BENCH_PICKUP_FILE, 'a');
    writeSync(file, `${now - BigInt(job.data.sent_ns)}\n`);
    closeSync(file);
  }
}

const worker = new Worker(QUEUE, processJob, {
  connection: connect(),
  concurrency: Number(process.argv[2]),
  removeOnComplete: { count: 0 },
});
worker.on('error', (error) => console.error(error));
process.on('SIGTERM', async () => {
  await worker.close();
  process.exit(0);
});
