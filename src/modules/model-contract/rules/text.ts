/** A message of a chat. */
export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** What a language model continues: a chat, or a plain text. */
export type Prompt = { kind: 'CHAT'; messages: readonly ChatMessage[] } | { kind: 'COMPLETION'; text: string };

/** How the next tokens are chosen. What is absent is as the server has it. */
export interface Sampling {
  /** The most tokens of the answer. */
  maxTokens?: number | undefined;
  temperature?: number | undefined;
  topP?: number | undefined;
  /** The answer ends before any of these texts. */
  stop?: readonly string[] | undefined;
  seed?: number | undefined;
  presencePenalty?: number | undefined;
  frequencyPenalty?: number | undefined;
  /** OpenAI's `response_format`: the answer is JSON, of a schema. */
  responseFormat?: Record<string, unknown> | undefined;
}

export interface TokenUsage {
  promptTokens: number;
  completionTokens: number;
}

/** Why an answer ended: by itself or at a stop text, or at the most tokens that it may have. */
export type FinishReason = 'STOP' | 'LENGTH';
