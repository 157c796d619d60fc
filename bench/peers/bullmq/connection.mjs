// The connection both programs use, made as BullMQ's documentation asks for native ES modules.
import IORedis from 'ioredis';

export const QUEUE = 'bench';

export function connect() {
  return new IORedis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
}
