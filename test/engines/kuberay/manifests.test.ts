import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { engine } from '../engines.js';

const MANIFESTS = fileURLToPath(new URL('../../../deploy/kuberay', import.meta.url));

const clusterSpec = z.object({
  rayVersion: z.string(),
  enableInTreeAutoscaling: z.literal(true),
  authOptions: z.object({ mode: z.string(), secretName: z.string() }).optional(),
  autoscalerOptions: z.object({ version: z.literal('v2'), idleTimeoutSeconds: z.int() }),
  workerGroupSpecs: z.array(z.object({ groupName: z.string(), minReplicas: z.int(), maxReplicas: z.int() })),
});
const manifest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('Secret'), metadata: z.object({ name: z.string() }) }),
  z.object({ kind: z.literal('ConfigMap'), metadata: z.object({ name: z.string() }) }),
  z.object({ kind: z.literal('RayCluster'), spec: clusterSpec }),
  z.object({
    kind: z.literal('RayJob'),
    spec: z.object({ entrypoint: z.string(), shutdownAfterJobFinishes: z.literal(true), rayClusterSpec: clusterSpec }),
  }),
]);

/** What KubeRay's types have read, document by document. */
function decode(path: string) {
  const { status, stdout, stderr } = spawnSync(engine('MATIH_KUBERAY_DECODER'), [path], { encoding: 'utf8' });
  const documents = stdout.trim().split('\n').filter(Boolean);
  return { isValid: status === 0, error: stderr, documents: documents.map((line) => manifest.parse(JSON.parse(line))) };
}

describe('the manifests for KubeRay', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'matih-kuberay-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are what its Go types know, and scale from no worker up', async () => {
    const kinds: string[] = [];
    for (const name of (await readdir(MANIFESTS)).filter((file) => file.endsWith('.yaml'))) {
      const { isValid, error, documents } = decode(join(MANIFESTS, name));
      expect(isValid, `${name}: ${error}`).toBe(true);
      for (const document of documents) {
        kinds.push(document.kind);
        if (document.kind !== 'RayCluster' && document.kind !== 'RayJob') continue;
        const spec = document.kind === 'RayJob' ? document.spec.rayClusterSpec : document.spec;
        for (const { minReplicas, maxReplicas } of spec.workerGroupSpecs) {
          expect(minReplicas).toBe(0);
          expect(maxReplicas).toBeGreaterThan(1);
        }
      }
    }
    expect(kinds.toSorted()).toEqual(['ConfigMap', 'RayCluster', 'RayJob', 'Secret', 'Secret']);
  });

  it('have the release of Ray with which the trainings are tested', async () => {
    const tested = /^ray\[[a-z,]+\]==(.+)$/m.exec(
      await readFile(fileURLToPath(new URL('../ray/requirements.txt', import.meta.url)), 'utf8'),
    )![1]!;
    for (const name of ['raycluster.yaml', 'rayjob.yaml']) {
      const text = await readFile(join(MANIFESTS, name), 'utf8');
      expect([...text.matchAll(/(?:rayVersion: |image: matih-ray:)(\S+)/g)].map(([, version]) => version)).toEqual(
        Array.from({ length: 3 }, () => tested),
      );
    }
  });

  it('would be refused with a misspelt field, a wrong type, or another kind', async () => {
    const right = await readFile(join(MANIFESTS, 'raycluster.yaml'), 'utf8');
    const wrong = [
      [right.replace('maxReplicas:', 'maxReplica:'), /unknown field "maxReplica"/],
      [right.replace('minReplicas: 0', 'minReplicas: none'), /cannot unmarshal string/],
      [right.replace('kind: RayCluster', 'kind: RayClusters'), /no such kind here/],
    ] as const;
    for (const [text, message] of wrong) {
      expect(text).not.toBe(right);
      const path = join(folder, 'wrong.yaml');
      await writeFile(path, text);
      const { isValid, error } = decode(path);
      expect(isValid).toBe(false);
      expect(error).toMatch(message);
    }
  });
});
