import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const shared = {
  // type-graphql reads the decorator metadata that tsc would emit.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  // Without one path for both module systems, graphql is loaded twice and refuses to work with itself.
  resolve: { alias: { graphql: fileURLToPath(new URL('node_modules/graphql/index.js', import.meta.url)) } },
};

/** What touches queues, wake-ups and stored files. */
const ON_ENGINES = [
  'artifact',
  'dataset',
  'direct-upload',
  'mlflow-artifacts',
  'mlflow-registry',
  'registry',
  'run',
  'subscription-cuts',
  'trained-predict',
  'training',
];

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: [
            'test/domain/**/*.test.ts',
            'test/training/**/*.test.ts',
            'test/inference/**/*.test.ts',
            'test/features/**/*.test.ts',
          ],
          testTimeout: 60_000,
        },
      },
      {
        ...shared,
        test: {
          name: 'api',
          include: ['test/api/**/*.test.ts', 'test/jobs/**/*.test.ts', 'test/adapters/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        ...shared,
        test: {
          // scripts/test-engines.mjs starts the engines and hands over their addresses.
          name: 'engines',
          include: ['test/engines/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        ...shared,
        test: {
          // PyTorch and TensorFlow, which take gigabytes: npm run test:engines -- frameworks.
          name: 'frameworks',
          include: ['test/engines/frameworks/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        ...shared,
        test: {
          // Ray: the shortest path, and everything that dies. npm run test:engines -- ray.
          name: 'ray',
          include: ['test/engines/ray.test.ts', 'test/engines/ray/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          // Each file has a cluster of its own, and the machine has few cores.
          fileParallelism: false,
        },
      },
      {
        ...shared,
        test: {
          // The manifests of deploy/kuberay: npm run test:engines -- kuberay.
          name: 'kuberay',
          include: ['test/engines/kuberay/*.test.ts'],
        },
      },
      {
        ...shared,
        test: {
          // Batch inference on Ray and on Spark: npm run test:engines -- batch.
          name: 'batch',
          include: ['test/engines/batch/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        ...shared,
        test: {
          // A real vLLM, which takes gigabytes: npm run test:engines -- vllm.
          name: 'vllm',
          include: ['test/engines/vllm/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
      {
        ...shared,
        test: {
          // The same tests of the API once more, on Redis and S3.
          name: 'on-engines',
          include: ON_ENGINES.map((name) => `test/api/${name}.test.ts`),
          env: { MATIH_ON_ENGINES: '1' },
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
    maxWorkers: 2,
  },
});
