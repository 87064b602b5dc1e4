/** A GPU, or a part of one (MIG), that a job can have for itself. */
export interface Gpu {
  /** What CUDA_VISIBLE_DEVICES accepts: `GPU-…` or `MIG-…`. */
  id: string;
  name: string;
}

/**
 * The devices in what nvidia-smi printed: a table of index, uuid, name, memory and MIG mode, and the list of `-L`,
 * which alone names the parts of GPUs in MIG mode. Such a GPU is not a device itself.
 */
export function readGpus({ table, list }: { table: string; list: string }): Gpu[] {
  const parts = partsByGpu(list);
  return table.split('\n').flatMap((line) => {
    const [index, uuid, name, , mig] = line.split(',').map((cell) => cell.trim());
    if (!/^\d+$/.test(index ?? '') || !uuid?.startsWith('GPU-') || !name) return [];
    if (mig !== 'Enabled') return [{ id: uuid, name }];
    return (parts.get(uuid) ?? []).map((part) => ({ id: part.id, name: `${name} ${part.name}` }));
  });
}

function partsByGpu(list: string): Map<string, Gpu[]> {
  const parts = new Map<string, Gpu[]>();
  let of: Gpu[] = [];
  for (const line of list.split('\n')) {
    const gpu = /^GPU \d+: .*\(UUID: (GPU-[^)]+)\)/.exec(line)?.[1];
    if (gpu) parts.set(gpu, (of = []));
    const [, name, id] = /^\s+(MIG \S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)/.exec(line) ?? [];
    if (name && id) of.push({ id, name });
  }
  return parts;
}

/** Those that CUDA_VISIBLE_DEVICES leaves to this process: by their ids, or their places among all; all when absent. */
export function visibleGpus(gpus: readonly Gpu[], visible: string | undefined): Gpu[] {
  if (visible === undefined) return [...gpus];
  return visible.split(',').flatMap((text) => {
    const wanted = text.trim();
    const found =
      gpus.find(({ id }) => wanted !== '' && id.startsWith(wanted)) ?? gpus[/^\d+$/.test(wanted) ? Number(wanted) : -1];
    return found ? [found] : [];
  });
}

/** Gives the devices of one process to its jobs. */
export class GpuPool {
  private readonly taken = new Map<string, readonly string[]>();

  constructor(private readonly gpus: readonly Gpu[]) {}

  /** The ids of as many free devices as the job has asked for; fewer when the process has only been told a number. */
  take(key: string, count: number): readonly string[] {
    const inUse = new Set([...this.taken.values()].flat());
    const ids = this.gpus
      .map(({ id }) => id)
      .filter((id) => !inUse.has(id))
      .slice(0, count);
    this.taken.set(key, ids);
    return ids;
  }

  release(key: string): void {
    this.taken.delete(key);
  }
}
