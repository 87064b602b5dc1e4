/**
 * The use cases, for resolvers, protocols, jobs and later modules. Each module adds its own services in its module.ts
 * (`declare module`), and the composition root builds them.
 */
export interface Services {}
