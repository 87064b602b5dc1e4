export interface WebhookAnswer {
  status: number;
  /** The beginning of the body, as text. */
  body: string;
}

/** Sends one signed message to an external address. */
export interface WebhookSender {
  /**
   * One POST without redirects or proxies, within 10 s. URL_NOT_ALLOWED when the address, or one that its name resolves
   * to, must not be called; UNAVAILABLE with a readable sentence when no answer came.
   */
  send(url: string, headers: Record<string, string>, body: string): Promise<WebhookAnswer>;
}
