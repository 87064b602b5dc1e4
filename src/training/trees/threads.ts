import { Worker } from 'node:worker_threads';
import { type Operation, runTask } from './kernel.js';
import { compileLoops, type Loops, loopsOver } from './loops.js';
import type { SharedMemory } from './memory.js';

/** Positions in `control`. */
const TURN = 0;
const OPERATION = 1;
const NEXT = 2;
const TASKS = 3;
const ENDED = 4;
export const CONTROLS = 5;
const CLOSE = -1;
/** How often a thread looks before it sleeps: what one look saves is the wake-up, some microseconds. */
const LOOKS = 2_000;

/**
 * Threads that work through the tasks of one operation after the other. Who calls works along, and waits for the rest.
 * Tasks are taken as threads are free; since no two tasks write the same place, the result is the same on any number of
 * threads.
 */
export class Threads {
  private constructor(
    private readonly memory: SharedMemory,
    private readonly loops: Loops,
    private readonly workers: readonly Worker[],
  ) {}

  static async start(memory: SharedMemory, count: number): Promise<Threads> {
    const module = await compileLoops();
    const file = new URL('./worker.js', import.meta.url);
    const workerData: WorkerData = { memory, module };
    const workers = Array.from({ length: count - 1 }, () => new Worker(file, { workerData }));
    for (const worker of workers) worker.unref();
    return new Threads(memory, loopsOver(module, memory.loopMemory), workers);
  }

  run(operation: Operation, tasks: number): void {
    const { memory, loops, workers } = this;
    if (tasks === 0) return;
    if (tasks === 1 || workers.length === 0) {
      for (let task = 0; task < tasks; task++) runTask(memory, loops, operation, task);
      return;
    }
    const { control } = memory;
    Atomics.store(control, OPERATION, operation);
    Atomics.store(control, TASKS, tasks);
    Atomics.store(control, NEXT, 0);
    Atomics.store(control, ENDED, 0);
    Atomics.add(control, TURN, 1);
    Atomics.notify(control, TURN);
    takeTasks(memory, loops);
    waitUntil(control, ENDED, (ended) => ended === workers.length);
  }

  async close(): Promise<void> {
    const { control } = this.memory;
    Atomics.store(control, OPERATION, CLOSE);
    Atomics.add(control, TURN, 1);
    Atomics.notify(control, TURN);
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

/** What a worker is given. */
export interface WorkerData {
  memory: SharedMemory;
  module: WebAssembly.Module;
}

/** The life of a worker. */
export function work({ memory, module }: WorkerData): void {
  const { control } = memory;
  const loops = loopsOver(module, memory.loopMemory);
  for (let turn = 0; ; turn++) {
    waitUntil(control, TURN, (now) => now > turn);
    if (Atomics.load(control, OPERATION) === CLOSE) return;
    takeTasks(memory, loops);
    Atomics.add(control, ENDED, 1);
    Atomics.notify(control, ENDED);
  }
}

function takeTasks(memory: SharedMemory, loops: Loops): void {
  const { control } = memory;
  const operation = Atomics.load(control, OPERATION) as Operation;
  const tasks = Atomics.load(control, TASKS);
  for (let task = Atomics.add(control, NEXT, 1); task < tasks; task = Atomics.add(control, NEXT, 1))
    runTask(memory, loops, operation, task);
}

function waitUntil(control: Int32Array, at: number, isMet: (value: number) => boolean): void {
  for (let look = 0; look < LOOKS; look++) if (isMet(Atomics.load(control, at))) return;
  for (;;) {
    const value = Atomics.load(control, at);
    if (isMet(value)) return;
    Atomics.wait(control, at, value);
  }
}
