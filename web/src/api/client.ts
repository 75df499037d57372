// The one place where the console speaks HTTP. Same origin, with the session cookie; failures are ApiProblem.
import { ApiProblem, problemOf } from '@/api/problem';
import type { Json } from '@/api/types';

const TIMEOUT_MS = 30_000;

export interface CallOptions {
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

type Listener = () => void;
const lostListeners = new Set<Listener>();

export function tellSessionLost(): void {
  for (const tell of lostListeners) tell();
}

/** Be told when the server says that there is no session (any more). Gives the way to stop it. */
export function onSessionLost(listener: Listener): Listener {
  lostListeners.add(listener);
  return () => lostListeners.delete(listener);
}

export async function request(
  method: string,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<Response> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const init: RequestInit = {
    method,
    headers,
    credentials: 'same-origin',
    cache: 'no-store',
    signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit,
    body: body === undefined ? undefined : JSON.stringify(body),
  };
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiProblem(0, { code: limit.aborted ? 'timeout' : 'network' });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401) tellSessionLost();
    throw problem;
  }
  return response;
}

async function json<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T> {
  const response = await request(method, path, body, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

export const api = {
  get: <T>(path: string, options?: CallOptions) => json<T>('GET', path, undefined, options),
  post: <T>(path: string, body: unknown, options?: CallOptions) => json<T>('POST', path, body, options),
  put: <T>(path: string, body: unknown, options?: CallOptions) => json<T>('PUT', path, body, options),
  delete: (path: string, options?: CallOptions) => json<undefined>('DELETE', path, undefined, options),
};

/** A path with its query; parameters that are empty are left out. */
export function withQuery(path: string, query: Record<string, string | number | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== '') params.set(name, String(value));
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

export function parseJson(text: string): Json {
  return JSON.parse(text) as Json;
}
