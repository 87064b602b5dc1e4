import { afterAll } from 'vitest';
import { RemoteRuntime } from '../../src/inference/remote/remote-runtime.js';
import { FolderRepository } from '../../src/inference/triton/model-repository.js';
import { TritonServer } from '../../src/inference/triton/triton-server.js';
import { runtimeContract } from '../inference/runtime.contract.js';
import { engine } from './engines.js';
import { Triton } from './triton-server.js';

const started: Triton[] = [];
afterAll(() => Promise.all(started.map((triton) => triton.close())));

for (const how of ['a repository', 'files within requests'])
  runtimeContract(`Triton with ${how}`, async () => {
    const triton = await Triton.start(engine('MATIH_TRITON_PYTHON'));
    started.push(triton);
    const repository = how === 'a repository' ? new FolderRepository(triton.repository) : null;
    return new RemoteRuntime('TRITON', new TritonServer({ url: triton.url, repository, instances: 1, threads: 1 }));
  });
