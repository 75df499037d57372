// For tests: draws something inside the providers that every screen has.
import type { ReactElement } from 'react';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render } from '@testing-library/react';
import { MemoryRouter } from 'react-router';
import { vi } from 'vitest';
import { ToastProvider } from '@/ui/toast';

export function draw(
  element: ReactElement,
  { path = '/', client = new QueryClient({ defaultOptions: { queries: { retry: false } } }) } = {},
) {
  return render(
    <QueryClientProvider client={client}>
      <ToastProvider>
        <MemoryRouter initialEntries={[path]}>{element}</MemoryRouter>
      </ToastProvider>
    </QueryClientProvider>,
  );
}

export interface Call {
  method: string;
  path: string;
  body: unknown;
  headers: Headers;
}

type Answer = object | undefined;
type Answering = Answer | ((call: Call) => Answer);

/** A fetch that answers by "METHOD /path" (without the query) and remembers what it was asked. */
export function answering(answers: Record<string, Answering>): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal(
    'fetch',
    vi.fn((input: string, init: RequestInit = {}) => {
      const method = init.method ?? 'GET';
      const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
      const call: Call = { method, path: input, body, headers: new Headers(init.headers) };
      calls.push(call);
      const found = answers[`${method} ${input.split('?')[0] ?? ''}`];
      const answer: Answer = typeof found === 'function' ? (found as (call: Call) => Answer)(call) : found;
      if (answer instanceof Response) return Promise.resolve(answer);
      return Promise.resolve(
        answer === undefined
          ? Response.json({ code: 'not_found', detail: `no answer for ${method} ${input}` }, { status: 404 })
          : Response.json(answer),
      );
    }),
  );
  return calls;
}
