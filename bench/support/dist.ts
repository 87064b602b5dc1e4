/**
 * A compiled module of the service, with the types of its source: the build has no declarations, and Node does not run
 * the sources.
 */
export async function fromDist<T>(path: string): Promise<T> {
  return (await import(new URL(`../../dist/${path}`, import.meta.url).href)) as T;
}
