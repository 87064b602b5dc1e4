import { Alert } from '../../db/entities/alerts/alert.entity.js';
import { defineModule } from '../../define-module.js';
import { AlertEventResolver, AlertResolver, DeploymentAlertsResolver } from '../../resolvers/alerts/alert.resolver.js';
import { ALERTS_LINEAGE, ALERT_EVENTS, AlertService } from './index.js';

interface AlertsServices {
  alerts: AlertService;
}

declare module '../../services.js' {
  interface Services extends AlertsServices {}
}

export default defineModule({
  name: 'alerts',
  events: ALERT_EVENTS,
  lineage: ALERTS_LINEAGE,
  entities: [Alert],
  createServices: ({ live }): AlertsServices => {
    return { alerts: new AlertService(live) };
  },
  resolvers: [AlertEventResolver, AlertResolver, DeploymentAlertsResolver],
});
