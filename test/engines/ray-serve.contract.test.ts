import { afterAll } from 'vitest';
import { RayServeServer } from '../../src/inference/ray-serve/ray-serve-server.js';
import { RemoteRuntime } from '../../src/inference/remote/remote-runtime.js';
import { pythonPackage } from '../../src/training/ray/python-package.js';
import { runtimeContract } from '../inference/runtime.contract.js';
import { RayHead } from './ray/head.js';

let head: RayHead | undefined;
afterAll(() => head?.close());

runtimeContract('Ray Serve', async () => {
  head = await RayHead.start();
  const server = new RayServeServer({
    dashboardUrl: head.url,
    token: head.token,
    serveUrl: head.serveUrl,
    publicUrl: undefined,
    coresPerThread: 0.05,
    code: pythonPackage,
  });
  return new RemoteRuntime('RAY_SERVE', server);
});
