import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import type { Run, Step, Turn } from '@/api/types';
import { TurnsSection } from '@/run/turns-section';
import { answering, draw } from '@/ui/test-render';

const turn = (index: number): Turn => ({
  index,
  scope: `each[${index}]`,
  state: 'succeeded',
  steps: [{ node: 'a', title: `Step of ${index}`, state: 'succeeded', attempts: 1, output: { v: index } }],
});

it('shows the items of an iteration page by page', async () => {
  const calls = answering({
    'GET /api/runs/r1/items': ({ path }) =>
      path.includes('from=20')
        ? { items: [turn(20)], total: 21, next: null }
        : { items: Array.from({ length: 20 }, (_, i) => turn(i)), total: 21, next: 20 },
  });
  const run = { id: 'r1', state: 'succeeded', finished_at: '2026-11-20T08:00:00Z', steps: [] } as unknown as Run;
  const step: Step = {
    node: 'each',
    type: 'iteration',
    state: 'succeeded',
    attempts: 1,
    items: { total: 21, done: 21, running: 0, failed: 2 },
  };
  draw(<TurnsSection run={run} step={step} />);
  expect(screen.getByText('21 of 21 done, 2 failed')).toBeInTheDocument();
  expect(await screen.findByText('Step of 19')).toBeInTheDocument();
  expect(screen.queryByText('Step of 20')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Load more' }));
  expect(await screen.findByText('Step of 20')).toBeInTheDocument();
  expect(calls.map((call) => call.path)).toEqual([
    '/api/runs/r1/items?node=each&from=0&limit=20',
    '/api/runs/r1/items?node=each&from=20&limit=20',
  ]);
});
