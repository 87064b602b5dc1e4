import { expect, it } from 'vitest';
import { clusterView } from '../../src/modules/training/rules/cluster-view.js';

const node = (id: string, isAlive: boolean, cpus: number) => ({
  ...{ id, address: id, isHead: id === 'head', isAlive },
  resources: { CPU: cpus, 'node:10.0.0.1': 1 },
});
const cluster = {
  version: '2.60.0',
  nodes: [node('worker', true, 4), node('dead', false, 64), node('head', true, 2)],
  load: null,
  jobs: [],
};

it('a cluster misses what waits beyond what its living nodes have free', () => {
  const waiting: { resources: Record<string, number>; count: number }[] = [
    { resources: { CPU: 2 }, count: 3 },
    { resources: { CPU: 1, GPU: 0.5 }, count: 2 },
    { resources: { memory: 1_000 }, count: 1 },
  ];
  const missing = (used: Record<string, number>, more: typeof waiting) =>
    clusterView({ ...cluster, load: { used, waiting: more } }, 'acme').missing;
  expect(missing({ CPU: 5 }, waiting)).toEqual([
    { name: 'CPU', amount: 7 },
    { name: 'GPU', amount: 1 },
    { name: 'memory', amount: 1_000 },
  ]);
  expect(missing({ CPU: 2 }, [{ resources: { CPU: 2 }, count: 2 }])).toEqual([]);
  // More in use than there is, after the death of a node.
  expect(missing({ CPU: 70 }, [{ resources: { CPU: 2 }, count: 1 }])).toEqual([{ name: 'CPU', amount: 2 }]);
  expect(clusterView(cluster, 'acme')).toMatchObject({ missing: [], waiting: [] });
});
