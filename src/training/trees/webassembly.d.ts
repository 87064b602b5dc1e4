/** The part of WebAssembly that is used here: TypeScript knows it only together with the browser's whole API. */
declare namespace WebAssembly {
  class Module {
    private readonly compiled: true;
  }
  class Memory {
    constructor(limits: { initial: number; maximum: number; shared: true });
    /** As long as the memory is at this time. */
    readonly buffer: SharedArrayBuffer;
    grow(pages: number): number;
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>);
    readonly exports: object;
  }
  function compile(bytes: BufferSource): Promise<Module>;
}
