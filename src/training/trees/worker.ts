import { workerData } from 'node:worker_threads';
import { work, type WorkerData } from './threads.js';

work(workerData as WorkerData);
