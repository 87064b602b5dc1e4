/** Amounts by the name of the resource. */
type Amounts = Readonly<Record<string, number>>;

interface NodeState {
  id: string;
  address: string;
  isHead: boolean;
  isAlive: boolean;
  resources: Amounts;
}

interface WorkState {
  id: string;
  status: 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED';
  message: string;
  startedAt: Date | null;
  endedAt: Date | null;
  of: { tenant: string; jobId: string } | null;
}

export interface ClusterAsRead {
  version: string;
  nodes: readonly NodeState[];
  load: { used: Amounts; waiting: readonly { resources: Amounts; count: number }[] } | null;
  jobs: readonly WorkState[];
}

/** A cluster as a tenant sees it: of the jobs only its own, and no resource that only marks a node. */
export function clusterView({ version, nodes, load, jobs }: ClusterAsRead, tenant: string) {
  const waiting = load?.waiting ?? [];
  const totals = new Map<string, number>();
  for (const node of nodes)
    if (node.isAlive)
      for (const { name, amount } of listed(node.resources)) totals.set(name, (totals.get(name) ?? 0) + amount);
  return {
    version,
    nodes: nodes
      .map((node) => ({ ...node, resources: listed(node.resources) }))
      .sort((a, b) => Number(b.isHead) - Number(a.isHead) || (a.address < b.address ? -1 : 1)),
    resources: [...totals].map(([name, total]) => ({ name, total, used: load ? (load.used[name] ?? 0) : null })),
    waiting: waiting.map(({ resources, count }) => ({ resources: listed(resources), count })),
    missing: missing(waiting, ({ name }) => (totals.get(name) ?? 0) - (load?.used[name] ?? 0)),
    jobs: jobs
      .flatMap(({ of, ...work }) => (of?.tenant === tenant ? [{ ...work, jobId: of.jobId }] : []))
      .sort((a, b) => (b.startedAt?.getTime() ?? Infinity) - (a.startedAt?.getTime() ?? Infinity)),
  };
}

/** What waits beyond what is free, by resource. */
function missing(
  waiting: readonly { resources: Amounts; count: number }[],
  freeOf: (resource: { name: string }) => number,
): { name: string; amount: number }[] {
  const needed: Record<string, number> = {};
  for (const { resources, count } of waiting)
    for (const [name, amount] of Object.entries(resources)) needed[name] = (needed[name] ?? 0) + amount * count;
  return listed(needed)
    .map(({ name, amount }) => ({ name, amount: amount - Math.max(0, freeOf({ name })) }))
    .filter(({ amount }) => amount > 0);
}

/** Resources such as `node:10.0.0.1` only mark nodes. */
function listed(amounts: Amounts): { name: string; amount: number }[] {
  return Object.entries(amounts)
    .filter(([name]) => !name.startsWith('node:'))
    .map(([name, amount]) => ({ name, amount }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
