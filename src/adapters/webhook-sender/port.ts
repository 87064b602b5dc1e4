export interface WebhookAnswer {
  status: number;
  /** Its beginning, as text. */
  body: string;
}

/** Carries one signed message to an address of somebody else. */
export interface WebhookSender {
  /**
   * One POST without redirects or proxies, over within 10 s. URL_NOT_ALLOWED when the address, or one that its name
   * resolves to, must not be called; UNAVAILABLE with a readable sentence when no answer came.
   */
  send(url: string, headers: Record<string, string>, body: string): Promise<WebhookAnswer>;
}
