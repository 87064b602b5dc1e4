import { AppError, ErrorCode } from '../../errors.js';
import type { Tensor } from '../../modules/model-contract/index.js';
import type { ModelAddress, RegisteredModel } from '../port.js';
import { HttpServer } from '../remote/http-server.js';
import type { ModelServer, SentOptions } from '../remote/remote-runtime.js';
import { V2Client } from './v2-client.js';

const CALL_TIMEOUT_MS = 10_000;

/**
 * Any server of the Open Inference Protocol. It has its models from somebody else: each under the name of the model and
 * the number of the version that it has here.
 */
export class V2Server implements ModelServer {
  private readonly http: HttpServer;
  private readonly v2: V2Client;
  /** Whether it takes tensors as bytes; asked once. */
  private isBinary: boolean | null = null;
  private readonly loaded = new Map<string, ModelAddress>();

  constructor(url: string) {
    this.http = new HttpServer('The server', 'V2_URL', url);
    this.v2 = new V2Client(this.http);
  }

  async load(model: RegisteredModel): Promise<void> {
    const address = await model.address();
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    this.isBinary ??= await this.v2.takesBytes(signal);
    if (!(await this.v2.isReady(address, signal)))
      throw new AppError(
        ErrorCode.INVALID_MODEL,
        `The server of V2_URL has no model "${address.name}" in version ${address.version} that is ready: load it ` +
          'there, under the name and the number that it has here, and deploy again.',
        { expected: `the model "${address.name}" in version ${address.version}`, got: 'no such model, or not ready' },
      );
    this.loaded.set(model.modelId, address);
  }

  async unload(modelId: string): Promise<void> {
    // The model belongs to whoever has loaded it.
    this.loaded.delete(modelId);
  }

  async infer({ modelId }: RegisteredModel, inputs: Tensor[], { signal }: SentOptions): Promise<Tensor[]> {
    return this.v2.infer(this.loaded.get(modelId)!, inputs, { signal, isBinary: this.isBinary ?? false });
  }

  async heldModels(): Promise<string[]> {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    const found = await Promise.all(
      [...this.loaded].map(async ([id, address]) => ((await this.v2.isReady(address, signal)) ? id : null)),
    );
    return found.filter((id) => id !== null);
  }

  close(): Promise<void> {
    return this.http.close();
  }
}
