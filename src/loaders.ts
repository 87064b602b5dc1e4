/** Reads the fields of one request in bulk. Each module adds its own loaders in its module.ts. */
export interface Loaders {}
