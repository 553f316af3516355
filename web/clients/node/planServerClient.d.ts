/** Types of the client; what each method does is said in planServerClient.js. */

export type ChangeType = 'input' | 'output';

export interface Options {
  outbox?: string | null;
  fallback?: boolean;
  deadlineMs?: number;
  attemptMs?: number;
  breakerFailures?: number;
  breakerOpenMs?: number;
  connections?: number;
  coalesce?: boolean;
  maxEntries?: number;
  maxBytes?: number;
  replayBatch?: number;
  replayPollMs?: number;
  language?: 'zh-CN' | 'en';
  token?: string | null;
  onDeadLetter?: (letter: DeadLetter) => unknown;
  logger?: { error(message: string): void };
}

/** `success`, `code` and, by these, `message` or `error`; on success the fields of `data`. */
export interface Result {
  success: boolean;
  code: string;
  message?: string;
  error?: string;
  fallback?: boolean;
  status?: number;
  requestId?: string;
  jobId?: string;
  queueLength?: number;
  estimatedDelay?: number;
  [field: string]: unknown;
}

export interface BatchResult extends Result {
  total?: number;
  succeeded?: number;
  failed?: number;
  results?: Array<Result & { index: number }>;
}

export interface Update {
  workOrderId: unknown;
  type: ChangeType;
  quantity?: number;
  logContext?: Record<string, unknown> | null;
  requestId?: string;
}

export interface LogQuery {
  page?: number;
  pageSize?: number;
  changeType?: ChangeType;
  startDate?: string;
  endDate?: string;
}

/** An update that the service refused when it was replayed; times in ms since 1970. */
export interface DeadLetter {
  id: string;
  workOrderId: string;
  requestId: string;
  item: string;
  code: string;
  reason: string;
  queuedAt: number;
  diedAt: number;
}

/** Where calls go and how; `breakers` has the state of each address. */
export interface Config {
  baseURL: string;
  addresses: string[];
  timeout: number;
  fallback: boolean;
  coalesce: boolean;
  outbox: string | null;
  breakers: Record<string, 'closed' | 'open' | 'half-open'>;
}

export type Operation =
  | 'start'
  | 'pause'
  | 'resume'
  | 'cancel'
  | 'complete'
  | 'change-plan'
  | 'scrap'
  | 'supplement';

export interface OperationOptions {
  /** Pieces of scrap, 1 if not said. */
  quantity?: number;
  planProductionQuantity?: number;
  /** Of a supplement; all scrap that has none yet, if not said. */
  supplementQuantity?: number;
  /** Who and why; for scrap with its relatedBarcode. */
  logContext?: Record<string, unknown> | null;
  requestId?: string;
}

export class OutboxError extends Error {
  code: string;
}

/** What a client does; its class is checked against this. */
export interface PlanServerClient {
  open(): Promise<void>;
  close(): Promise<void>;
  updateWorkOrderQuantity(
    workOrderId: unknown,
    type: ChangeType,
    quantity?: number,
    logContext?: Record<string, unknown> | null,
    options?: { requestId?: string },
  ): Promise<Result>;
  batchUpdateWorkOrderQuantity(updates: Update[]): Promise<BatchResult>;
  operateWorkOrder(
    workOrderId: unknown,
    operation: Operation,
    options?: OperationOptions,
  ): Promise<Result>;
  batchOperateWorkOrders(
    operations: Array<{ workOrderId: unknown; operation: Operation } & OperationOptions>,
    options?: { requestId?: string },
  ): Promise<BatchResult>;
  getWorkOrderDetail(workOrderId: unknown): Promise<Result>;
  getQuantityLogs(workOrderId: unknown, options?: LogQuery): Promise<Result>;
  getQueueStats(): Promise<Result>;
  healthCheck(): Promise<Result>;
  isServiceAvailable(): Promise<boolean>;
  getConfig(): Config;
  outboxUsage(): Promise<{ entries: number; bytes: number; deadLetters: number }>;
  deadLetters(): Promise<DeadLetter[]>;
  forgetDeadLetter(letter: DeadLetter): Promise<void>;
}

export const PlanServerClient: {
  new (addresses: string | string[], options?: Options): PlanServerClient;
  fromEnvironment(options?: Options): PlanServerClient;
};
