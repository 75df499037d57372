// An answer that is not a success, as an exception: problem+json, a broken line or something that is no problem+json.
import type { Located, ProblemBody } from '@/api/types';

export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly requestId: string | null;
  readonly errors: Located[];
  /** Seconds the server asks to wait; null when it does not say. */
  readonly retryAfter: number | null;

  constructor(status: number, body: ProblemBody, requestId: string | null = null, retryAfter: number | null = null) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.name = 'ApiProblem';
    this.status = status;
    this.code = body.code ?? (status === 0 ? 'network' : `http_${status}`);
    this.detail = body.detail ?? body.title ?? '';
    this.requestId = body.request_id ?? requestId;
    this.errors = body.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/** Read the problem of a response that is not ok; never throws. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get('X-Request-Id');
  const wait = Number(response.headers.get('Retry-After') ?? Number.NaN);
  let body: ProblemBody = { title: response.statusText };
  try {
    const read: unknown = await response.json();
    if (typeof read === 'object' && read !== null && !Array.isArray(read)) body = read;
  } catch {
    // A proxy's HTML page, or nothing: the status alone must do.
  }
  return new ApiProblem(response.status, body, requestId, Number.isFinite(wait) ? wait : null);
}

export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new ApiProblem(0, { code: error instanceof TypeError ? 'network' : 'client', detail });
}
