// Adds jobs with BullMQ; takes one JSON argument and prints one JSON line, like the Python producers.
//
// Modes: bulk (`batch` jobs a call, `in_flight` calls at once; `retry_options`: each job with attempts and backoff),
// single, pickup.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { connect, QUEUE } from './connection.mjs';

const WARM_UP = 200;
const {
  mode, jobs, batch = 250, in_flight = 1, warm = false, pause_ms = [15, 45], retry_options = false,
} = JSON.parse(process.argv[2]);
const opts = retry_options ? { attempts: 5, backoff: { type: 'exponential', delay: 2000 } } : undefined;
const payloads = JSON.parse(readFileSync(process.env.BENCH_PAYLOADS, 'utf8'));
let turn = 0;
const payload = () => payloads[turn++ % payloads.length];

const connection = connect();
const queue = new Queue(QUEUE, { connection });
await queue.waitUntilReady();

async function bulk(count) {
  let left = count;
  async function lane() {
    while (left > 0) {
      const some = Math.min(batch, left);
      left -= some;
      await queue.addBulk(Array.from({ length: some }, () => ({ name: 'noop', data: payload(), opts })));
    }
  }
  await Promise.all(Array.from({ length: in_flight }, lane));
}

async function single(count) {
  for (let i = 0; i < count; i++) await queue.add('noop', payload());
}

async function timed(work) {
  if (warm) await work(WARM_UP);
  const start = process.hrtime.bigint();
  await work(jobs);
  return { jobs, seconds: Number(process.hrtime.bigint() - start) / 1e9 };
}

async function paused() {
  const [least, most] = pause_ms;
  for (let i = 0; i < jobs; i++) {
    await sleep(least + Math.random() * (most - least));
    await queue.add('pickup', { sent_ns: process.hrtime.bigint().toString() });
  }
  return { jobs };
}

const modes = { bulk: () => timed(bulk), single: () => timed(single), pickup: paused };
console.log(JSON.stringify(await modes[mode]()));
await queue.close();
connection.disconnect();
