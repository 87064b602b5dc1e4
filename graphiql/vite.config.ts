import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// Everything the page needs, fonts and editor workers included, comes out of this build: it works without internet.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/graphiql/',
  build: {
    outDir: fileURLToPath(new URL('../dist/graphiql', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // The editor (Monaco) is one large file by nature.
    chunkSizeWarningLimit: 6_000,
  },
  worker: { format: 'es' },
  server: { port: 8002, proxy: { '/graphql': { target: 'http://127.0.0.1:8000', ws: true } } },
});
