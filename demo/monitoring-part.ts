import {
  AlertsDocument,
  FollowAlertsDocument,
  MonitoringWindowsDocument,
  NewestEventDocument,
  RetrainingEventsDocument,
  RunMonitoringDocument,
  VersionsOfModelDocument,
} from '../schema/generated/operations.ts';
import { Part } from './part.ts';
import { count } from './terminal.ts';
import { pause, type Version } from './views.ts';
import { must, type Figures } from './walk.ts';

/** Windows, alerts, retraining. */
export class MonitoringPart extends Part {
  /** Analyses the traffic since the last window; null when it is not enough. */
  async monitor(): Promise<{ drifted: boolean; table: string[][] } | null> {
    const { runMonitoring } = await this.options.api.request(RunMonitoringDocument, {
      deploymentId: this.state.deploymentId,
    });
    const drift = runMonitoring.window?.drift;
    if (!drift) return null;
    const table = [
      ['', 'PSI', 'p', 'drifted'],
      ...drift.features.map((feature) => [
        feature.feature,
        feature.psi.toFixed(3),
        feature.adjustedPValue.toPrecision(2),
        feature.drifted ? 'yes' : 'no',
      ]),
      [
        'mean prediction',
        `${Math.abs(drift.prediction.sigmas).toFixed(1)} σ away`,
        '',
        drift.prediction.drifted ? 'yes' : 'no',
      ],
    ];
    return { drifted: drift.features.some((feature) => feature.drifted), table };
  }

  async monitorQuiet(): Promise<Figures> {
    const { api, terminal } = this.options;
    let window = null;
    for (let tries = 0; tries < 20 && !window; tries++) {
      await pause(500);
      window = await this.monitor();
    }
    const { monitoringWindows } = await api.request(MonitoringWindowsDocument, {
      deploymentId: this.state.deploymentId,
    });
    const { alerts } = await api.request(AlertsDocument, {
      filter: { endpointId: this.state.endpointId, status: 'OPEN' },
    });
    if (window) terminal.table(window.table);
    must(monitoringWindows.totalCount > 0, 'no monitoring window was written');
    must(!window?.drifted, 'drift was reported on traffic like the training data');
    terminal.note(`windows: ${monitoringWindows.totalCount}, open alerts: ${alerts.totalCount}`);
    return { windows: monitoringWindows.totalCount, openAlerts: alerts.totalCount };
  }

  async sendUntilDrift(send: () => Promise<Figures>): Promise<{ alertId: string; figures: Figures }> {
    const { api, terminal } = this.options;
    let alertId = '';
    let message = '';
    const { events } = await api.request(NewestEventDocument);
    const noticed = api.follow(
      FollowAlertsDocument,
      { modelId: this.state.modelId, after: events.nodes[0]?.seq ?? 0 },
      (event) => {
        if (event.change !== 'OPENED' || event.kind !== 'DRIFT') return false;
        alertId = event.alert.id;
        message = event.message;
        return true;
      },
    );
    let rows = 0;
    for (let rounds = 0; rounds < 20 && !alertId; rounds++) {
      const sent = await send();
      rows += Number(sent['rows']);
      await Promise.race([noticed, pause(1_000)]);
      if (!alertId) await this.monitor();
      await Promise.race([noticed, pause(1_000)]);
    }
    must(alertId !== '', `no drift was noticed over ${rows} different flights`);
    terminal.note(`alert after ${count(rows)} flights: ${message}`);
    return { alertId, figures: { rowsUntilAlert: rows, alert: message } };
  }

  async awaitRetraining(alertId: string): Promise<{ version: Version; figures: Figures }> {
    const { api, terminal } = this.options;
    let jobId = '';
    for (let tries = 0; tries < 120 && !jobId; tries++) {
      const { events } = await api.request(RetrainingEventsDocument, { alertId });
      const event = events.nodes[0];
      const payload = event?.payload as { reason?: string; jobId?: string } | undefined;
      must(event?.type !== 'RETRAINING_SKIPPED', `the retraining was skipped: ${payload?.reason}`);
      jobId = payload?.jobId ?? '';
      if (!jobId) await pause(500);
    }
    must(jobId !== '', 'the alert started no training');
    await this.awaitJob(jobId);
    let version: Version | undefined;
    for (let tries = 0; tries < 60 && !version; tries++) {
      const { modelVersions } = await api.request(VersionsOfModelDocument, { modelId: this.state.modelId });
      version = modelVersions.nodes.find((candidate) => candidate.version === 2 && candidate.status === 'READY');
      if (!version) await pause(250);
    }
    must(version !== undefined, 'the retraining registered no version');
    terminal.note(`version ${version.version} (${version.semanticVersion}) awaits its gates`);
    return {
      version,
      figures: { version: version.version, semanticVersion: version.semanticVersion, stage: version.stage },
    };
  }
}
