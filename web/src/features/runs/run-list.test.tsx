import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { RunSummary } from '@/api/types';
import { answering, draw } from '@/ui/test-render';
import { RunList } from '@/features/runs/run-list';

const RUN: RunSummary = {
  id: 'r1',
  workflow_id: 'w1',
  workflow_name: 'Leads',
  version: 2,
  state: 'failed',
  trigger: 'webhook',
  created_at: '2026-11-20T08:00:00Z',
  finished_at: '2026-11-20T08:00:02Z',
  duration_ms: 2000,
};
const EMPTY = { items: [], next_cursor: null };

describe('the list of runs', () => {
  it('shows each with its state, its workflow and how long it took', async () => {
    answering({ 'GET /api/runs': { items: [RUN], next_cursor: null }, 'GET /api/workflows': EMPTY });
    draw(<RunList />);
    expect(await screen.findByRole('link', { name: 'Leads' })).toHaveAttribute('href', '/runs/r1');
    expect(screen.getByText('2 s')).toBeInTheDocument();
    expect(screen.getAllByText('Failed').length).toBeGreaterThan(0);
  });

  it('marks a dry run', async () => {
    const items = [{ ...RUN, id: 'r2', state: 'succeeded', dry_run: true }];
    answering({ 'GET /api/runs': { items, next_cursor: null }, 'GET /api/workflows': EMPTY });
    draw(<RunList />);
    expect(await screen.findByText(/ · Dry run$/)).toBeInTheDocument();
  });

  it('asks for what the filter says', async () => {
    const calls = answering({ 'GET /api/runs': EMPTY, 'GET /api/workflows': EMPTY });
    draw(<RunList />, { path: '/runs?workflow_id=w1' });
    await userEvent.setup().selectOptions(screen.getByRole('combobox', { name: 'State' }), 'running');
    await vi.waitFor(() =>
      expect(calls.some((call) => call.path === '/api/runs?workflow_id=w1&state=running&limit=30')).toBe(true),
    );
    expect(await screen.findByText('No run is like this.')).toBeInTheDocument();
  });

  it('teaches while there is nothing', async () => {
    answering({ 'GET /api/runs': EMPTY, 'GET /api/workflows': EMPTY });
    draw(<RunList />);
    expect(await screen.findByText('Nothing has run yet')).toBeInTheDocument();
  });

  it('tells a failure with its request id, and tries again', async () => {
    let down = true;
    answering({
      'GET /api/workflows': EMPTY,
      'GET /api/runs': () =>
        down
          ? Response.json({ code: 'internal', detail: 'It broke.', request_id: 'req-7' }, { status: 500 })
          : { items: [RUN], next_cursor: null },
    });
    draw(<RunList />);
    expect(await screen.findByText('It broke.')).toBeInTheDocument();
    expect(screen.getByText('req-7')).toBeInTheDocument();
    down = false;
    await userEvent.setup().click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('link', { name: 'Leads' })).toBeInTheDocument();
  });
});
