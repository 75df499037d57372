import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Route, Routes, useLocation } from 'react-router';
import { describe, expect, it, vi } from 'vitest';
import type { RunComparison, RunSummary } from '@/api/types';
import { answering, draw } from '@/ui/test-render';
import { EditDialog } from '@/run/edit-dialog';
import { CompareWith, RunCompare } from '@/features/runs/run-compare';

const summary = (id: string, more: Partial<RunSummary> = {}): RunSummary => ({
  id,
  workflow_id: 'w1',
  workflow_name: 'Orders',
  version: 1,
  state: 'succeeded',
  trigger: 'api',
  created_at: '2026-11-20T08:00:00Z',
  duration_ms: 5,
  ...more,
});
const side = { state: 'succeeded' as const, attempts: 1, duration_ms: 1, handle: 'out', kept: null, error_code: null };
const compared: RunComparison = {
  left: summary('l'),
  right: summary('r', { state: 'failed' }),
  same: false,
  same_definition: false,
  whole: false,
  input: [{ path: '/order/a~1b', kind: 'changed', left: 1, right: null }],
  output: [{ path: '/long', kind: 'changed', right: 'short' }],
  steps: [
    { node: 'ask', title: 'Ask', type: 'llm', change: 'same', left: side, right: side, differences: [] },
    {
      node: 'way',
      title: 'Which way?',
      type: 'condition',
      change: 'changed',
      left: { ...side, handle: 'case-1' },
      right: { ...side, handle: 'else', attempts: 3 },
      differences: [],
    },
    { node: 'end', type: 'output', change: 'only_left', left: side, right: null, differences: [] },
  ],
};

function Where() {
  return <p>at {useLocation().pathname}</p>;
}

describe('two runs beside each other', () => {
  it('says where their ways part, and what is too long to be told', async () => {
    answering({ 'GET /api/runs/l/compare': compared });
    draw(<RunCompare left="l" right="r" />);
    expect(await screen.findByText('Went another way')).toBeInTheDocument();
    expect(screen.getByText('way “case-1”')).toBeInTheDocument();
    expect(screen.getByText('Ran on the left alone')).toBeInTheDocument();
    expect(screen.getByText('order › a/b')).toBeInTheDocument();
    expect(screen.getByText('null')).toBeInTheDocument();
    expect(screen.getByText('too long to be shown here')).toBeInTheDocument();
    expect(screen.getByText('1 step is the same')).toBeInTheDocument();
    expect(screen.getByText('They ran different versions of the workflow.')).toBeInTheDocument();
    expect(screen.getByText('There are more differences than are shown here.')).toBeInTheDocument();
    expect(screen.getByRole('link', { name: 'Right' })).toHaveAttribute('href', '/runs/r');
  });

  it('says that nothing differs', async () => {
    const steps = compared.steps.slice(0, 1);
    answering({
      'GET /api/runs/l/compare': { ...compared, same: true, whole: true, input: [], output: [], steps },
    });
    draw(<RunCompare left="l" right="r" />);
    expect(await screen.findByText(/Nothing is different/)).toBeInTheDocument();
    expect(screen.getByText('No step differs.')).toBeInTheDocument();
  });

  it('offers the other runs of the workflow, not the run itself', async () => {
    answering({ 'GET /api/runs': { items: [summary('r1'), summary('r2', { state: 'failed' })], next_cursor: null } });
    draw(
      <>
        <CompareWith run={{ ...summary('r1'), steps: [] }} onClose={() => undefined} />
        <Routes>
          <Route path="*" element={<Where />} />
        </Routes>
      </>,
    );
    const rows = await screen.findAllByRole('button', { name: /version 1/ });
    expect(rows).toHaveLength(1);
    await userEvent.setup().click(rows[0] as HTMLElement);
    expect(await screen.findByText('at /runs/r1/compare/r2')).toBeInTheDocument();
  });
});

describe('another result of a step', () => {
  it('is sent as it was written, and nothing that is no JSON', async () => {
    const calls = answering({ 'POST /api/runs/r1/rerun': { ...summary('r9'), steps: [] } });
    draw(
      <>
        <EditDialog
          run={{ ...summary('r1'), steps: [] }}
          node="ask"
          title="Ask"
          output={{ n: 1 }}
          onClose={() => undefined}
        />
        <Routes>
          <Route path="*" element={<Where />} />
        </Routes>
      </>,
    );
    const user = userEvent.setup();
    const area = screen.getByRole('textbox', { name: 'Output' });
    await user.clear(area);
    expect(screen.getByRole('button', { name: 'Run on with it' })).toBeDisabled();
    await user.click(area);
    await user.paste('{"n": 2}');
    await user.click(screen.getByRole('button', { name: 'Run on with it' }));
    await vi.waitFor(() => expect(calls.at(-1)?.body).toEqual({ edits: { ask: { n: 2 } }, mode: 'async' }));
    expect(await screen.findByText('at /runs/r9')).toBeInTheDocument();
  });
});
