// A BullMQ worker that begins a job as soon as it has it.
import { setTimeout as pause } from 'node:timers/promises';
import { type Job, Worker } from 'bullmq';

const afterErrorMs = 1_000;

/**
 * BullMQ's own loop takes jobs, one round trip to Redis after another, for as long as some wait and places are free, and begins none of them
 * before it is through with that (6.7.0, worker.js, `mainLoop`): amid a burst the first mail waits for as many round trips as there are
 * places, and so does whatever a finished job has brought along. This one is BullMQ in everything but that: in its locks and events, in how it
 * takes jobs, finishes them and closes. Make it with `autorun: false`, and call `run`.
 */
export class PromptWorker<Data> extends Worker<Data> {
  private readonly atWork = new Set<Promise<void>>();
  private taken = 0;
  private placeIsFree: () => void = () => {};

  /** Works until it is closed. */
  override async run(): Promise<void> {
    this.running = true;
    try {
      await this.startStalledCheckTimer();
      this.lockManager.start();
      // `close` waits for this.
      this.mainLoopRunning = this.takeAndBegin();
      await this.mainLoopRunning;
    } finally {
      this.running = false;
    }
  }

  private async takeAndBegin(): Promise<void> {
    while (!this.closing && !this.paused) {
      if (this.atWork.size >= this.concurrency) {
        await new Promise<void>((resolve) => {
          this.placeIsFree = resolve;
        });
        continue;
      }
      // Waits for one while there is none.
      const job = await this.survive(() => this.getNextJob(`${this.id}:${this.taken++}`));
      if (!job) continue;
      const end = this.workOn(job).then(() => {
        this.atWork.delete(end);
        this.placeIsFree();
      });
      this.atWork.add(end);
    }
    await Promise.all(this.atWork);
  }

  // Finishing a job takes the next one in the same round trip.
  private async workOn(first: Job<Data>): Promise<void> {
    for (let job: Job<Data> | undefined = first; job; ) {
      const current: Job<Data> = job;
      const next = await this.survive(() =>
        this.processJob(current, current.token ?? '', () => this.atWork.size <= this.concurrency),
      );
      job = next ?? undefined;
      // More may be allowed by now.
      if (this.atWork.size < this.concurrency) this.placeIsFree();
    }
  }

  private async survive<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      if (this.closing) return undefined;
      this.emit('error', error as Error);
      await pause(afterErrorMs);
      return undefined;
    }
  }
}
