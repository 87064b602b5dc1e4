import { defineModule } from '../../define-module.js';
import { LineageResolver } from '../../resolvers/lineage/lineage.resolver.js';
import { LINEAGE, LineageService } from './index.js';

interface LineageServices {
  lineage: LineageService;
}

declare module '../../services.js' {
  interface Services extends LineageServices {}
}

export default defineModule({
  name: 'lineage',
  lineage: LINEAGE,
  createServices: ({ lineage }): LineageServices => {
    return { lineage: new LineageService(lineage) };
  },
  resolvers: [LineageResolver],
});
