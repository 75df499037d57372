import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { ModelCallDetail } from '@/api/types';
import { answering, draw } from '@/ui/test-render';
import { CallDetail } from '@/features/calls/call-detail';
import { CallList } from '@/features/calls/call-list';
import { money } from '@/features/calls/money';

const ONE: ModelCallDetail = {
  id: 'c1',
  time: '2026-11-20T08:00:00Z',
  key: 'k1',
  model: 'chat',
  provider: 'openai',
  upstream_model: 'gpt-4o-mini',
  operation: 'chat',
  streamed: true,
  outcome: 'ok',
  status: 200,
  error: null,
  attempts: 1,
  from_cache: false,
  hedged: false,
  prompt_tokens: 1200,
  cached_tokens: 200,
  completion_tokens: 34,
  reasoning_tokens: 0,
  estimated: false,
  cost_micros: 1500,
  saved_micros: 0,
  overhead_us: 80,
  first_byte_ms: 250,
  total_ms: 900,
  tokens_per_second: 37.8,
  agent: 'Dexter',
  workflow: null,
  step: null,
  end_user: 'ann',
  request_id: 'r1',
  logged: true,
  request: { prompt: 'What is new?' },
  answer: { text: 'Nothing.' },
};

describe('the list of model calls', () => {
  it('says who called what, and leads to the call', async () => {
    answering({ 'GET /api/calls': { items: [ONE, { ...ONE, id: 'c2', from_cache: true }], next_cursor: null } });
    draw(<CallList />);
    const [link] = await screen.findAllByRole('link', { name: 'chat' });
    expect(link).toHaveAttribute('href', '/calls/c1');
    expect(screen.getByText('openai · Dexter · ann · 1,234 tokens · $0.0015')).toBeInTheDocument();
    expect(screen.getByText(/From the cache · Dexter/)).toBeInTheDocument();
  });

  it('asks for what is filtered', async () => {
    const calls = answering({ 'GET /api/calls': { items: [], next_cursor: null } });
    draw(<CallList />);
    const user = userEvent.setup();
    expect(await screen.findByText('No model was called yet')).toBeInTheDocument();
    await user.type(screen.getByRole('textbox', { name: 'Model' }), 'chat{Enter}');
    await vi.waitFor(() => expect(calls.some((call) => call.path.includes('model=chat'))).toBe(true));
    expect(await screen.findByText('Nothing found')).toBeInTheDocument();
  });

  it('says why there is no list', async () => {
    answering({ 'GET /api/calls': Response.json({ code: 'forbidden', detail: 'Not for you.' }, { status: 403 }) });
    draw(<CallList />);
    expect(await screen.findByRole('alert')).toBeInTheDocument();
  });
});

describe('one model call', () => {
  it('shows its numbers and what was said', async () => {
    answering({ 'GET /api/calls/c1': ONE });
    draw(<CallDetail id="c1" />);
    expect(await screen.findByText('1,200 (200 from the provider’s cache)')).toBeInTheDocument();
    expect(screen.getByText('37.8')).toBeInTheDocument();
    expect(screen.getByText(/What is new/)).toBeInTheDocument();
    expect(screen.getByText(/Nothing\./)).toBeInTheDocument();
  });

  it('says when nothing was kept, and when it is not for you', async () => {
    answering({
      'GET /api/calls/c1': { ...ONE, logged: false, request: null, answer: null },
      'GET /api/calls/c2': { ...ONE, request: null, answer: null },
    });
    const { unmount } = draw(<CallDetail id="c1" />);
    expect(await screen.findByText(/was not kept/)).toBeInTheDocument();
    unmount();
    draw(<CallDetail id="c2" />);
    expect(await screen.findByText(/call\.read/)).toBeInTheDocument();
  });

  it('shows money as people know it', () => {
    expect([money(1_500_000), money(7), money(0)]).toEqual(['$1.50', '$0.000007', '$0.00']);
  });
});
