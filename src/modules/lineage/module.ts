import { defineModule } from '../../define-module.js';
import { LineageResolver } from '../../resolvers/lineage/lineage.resolver.js';
import { LineageService } from './index.js';

interface LineageServices {
  lineage: LineageService;
}

declare module '../../services.js' {
  interface Services extends LineageServices {}
}

export default defineModule({
  name: 'lineage',
  createServices: (): LineageServices => {
    return { lineage: new LineageService() };
  },
  resolvers: [LineageResolver],
});
