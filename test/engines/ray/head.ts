import { RayClient } from '../../../src/training/ray/ray-client.js';
import { engine } from '../engines.js';
import { type RayPlace, RayProcesses } from './processes.js';

export { freePort } from './processes.js';

/** A real head of Ray, and a client of its Jobs API. */
export class RayHead extends RayProcesses {
  readonly client: RayClient;

  private constructor(place: RayPlace) {
    super(place);
    this.client = new RayClient({ dashboardUrl: this.url, token: this.token });
  }

  static async start(): Promise<RayHead> {
    const head = new RayHead(await RayProcesses.place(engine('MATIH_RAY_PYTHON')));
    await head.begin();
    return head;
  }

  override async close(): Promise<void> {
    this.client.close();
    await super.close();
  }
}
