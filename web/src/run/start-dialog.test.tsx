import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { Definition } from '@/api/types';
import { answering, draw } from '@/ui/test-render';
import { StartDialog } from '@/run/start-dialog';

const DEFINITION = {
  heddle: 1,
  name: 'Leads',
  nodes: [{ id: 't', type: 'trigger', position: { x: 0, y: 0 }, data: {} }],
  edges: [],
} as unknown as Definition;

function open() {
  const calls = answering({ 'POST /api/workflows/w1/execute': { id: 'r1', state: 'running' } });
  const onStarted = vi.fn();
  draw(
    <StartDialog workflowId="w1" definition={DEFINITION} version="draft" onClose={() => {}} onStarted={onStarted} />,
  );
  return { calls, onStarted, user: userEvent.setup() };
}

describe('the dialog that starts a run', () => {
  it('starts a run that calls what it calls', async () => {
    const { calls, onStarted, user } = open();
    await user.click(screen.getByRole('button', { name: 'Run' }));
    await vi.waitFor(() => expect(onStarted).toHaveBeenCalled());
    expect(calls[0]?.body).not.toHaveProperty('dry_run');
  });

  it('starts a dry run when it is asked to', async () => {
    const { calls, onStarted, user } = open();
    await user.click(screen.getByRole('switch', { name: /^Dry run/ }));
    await user.click(screen.getByRole('button', { name: 'Run' }));
    await vi.waitFor(() => expect(onStarted).toHaveBeenCalled());
    expect(calls[0]?.body).toMatchObject({ dry_run: true });
  });
});
