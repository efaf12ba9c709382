// What a Redis and a process take: memory, disk, processor, network.
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { until } from '../support/until.ts';

async function info(redis: Redis, section: string): Promise<Map<string, string>> {
  const lines = (await redis.info(section)).split('\r\n');
  return new Map(lines.map((line) => [line.split(':', 1)[0] ?? '', line.slice(line.indexOf(':') + 1)]));
}

/** Bytes that Redis has taken for data and all else, as it counts them itself; and those of its log on disk. */
export async function taken(redis: Redis): Promise<{ memory: number; disk: number }> {
  const [memory, persistence] = await Promise.all([info(redis, 'memory'), info(redis, 'persistence')]);
  return { memory: Number(memory.get('used_memory')), disk: Number(persistence.get('aof_current_size')) };
}

/** Has Redis write its log anew, and gives the bytes that are left. */
export async function rewritten(redis: Redis): Promise<number> {
  await quiet(redis);
  await redis.bgrewriteaof();
  await quiet(redis);
  return (await taken(redis)).disk;
}

/** Resolves when no child of Redis is writing its log anew. */
export async function quiet(redis: Redis): Promise<void> {
  await until(
    async () => {
      const about = await info(redis, 'persistence');
      return about.get('aof_rewrite_in_progress') === '0' && about.get('aof_rewrite_scheduled') === '0';
    },
    { within: 600_000, what: 'Redis to have rewritten its log', every: 50 },
  );
}

/** What Redis has used so far: seconds of processor, bytes on the network. */
export async function used(redis: Redis): Promise<{ cpu: number; received: number; sent: number }> {
  const [cpu, stats] = await Promise.all([info(redis, 'cpu'), info(redis, 'stats')]);
  return {
    cpu: Number(cpu.get('used_cpu_user')) + Number(cpu.get('used_cpu_sys')),
    received: Number(stats.get('total_net_input_bytes')),
    sent: Number(stats.get('total_net_output_bytes')),
  };
}

/** Seconds of processor that a process has used so far. Linux only. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which may hold anything; in hundredths, as Linux has it everywhere.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The memory of a process, resident, in MB. Linux only. */
export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}
