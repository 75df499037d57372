import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { answering, draw } from '@/ui/test-render';
import { isDefinition } from '@/flow/model';
import { en } from '@/i18n/en';
import { STARTERS } from '@/features/workflows/starters';
import { WorkflowList } from '@/features/workflows/workflow-list';

const ROW = {
  id: 'w1',
  name: 'Leads',
  description: 'About them',
  revision: 1,
  published_version: 3,
  latest_version: 3,
  created_at: '2026-11-20T08:00:00Z',
  updated_at: '2026-11-20T08:00:00Z',
};

describe('the list of workflows', () => {
  it('pages by cursor', async () => {
    const calls = answering({
      'GET /api/workflows': (call) =>
        call.path.includes('cursor=c2')
          ? { items: [{ ...ROW, id: 'w2', name: 'Older' }], next_cursor: null }
          : { items: [ROW], next_cursor: 'c2' },
    });
    draw(<WorkflowList apiDialog={() => null} />);
    await screen.findByRole('link', { name: 'Leads' });
    await userEvent.setup().click(screen.getByRole('button', { name: 'Load more' }));
    expect(await screen.findByRole('link', { name: 'Older' })).toBeInTheDocument();
    expect(calls.map((call) => call.path)).toEqual(['/api/workflows?limit=30', '/api/workflows?limit=30&cursor=c2']);
    expect(screen.queryByRole('button', { name: 'Load more' })).not.toBeInTheDocument();
  });

  it('deletes only after asking', async () => {
    const calls = answering({
      'GET /api/workflows': { items: [ROW], next_cursor: null },
      'DELETE /api/workflows/w1': new Response(null, { status: 204 }),
    });
    draw(<WorkflowList apiDialog={() => null} />);
    const user = userEvent.setup();
    await user.click(await screen.findByRole('button', { name: 'Actions for Leads' }));
    await user.click(screen.getByRole('menuitem', { name: 'Delete', hidden: true }));
    expect(calls.some((call) => call.method === 'DELETE')).toBe(false);
    await user.click(screen.getByRole('button', { name: 'Delete' }));
    await vi.waitFor(() => expect(calls.some((call) => call.method === 'DELETE')).toBe(true));
    expect(await screen.findByText('“Leads” is deleted.')).toBeInTheDocument();
  });

  it('refuses a file that is no workflow, and says why', async () => {
    const calls = answering({ 'GET /api/workflows': { items: [], next_cursor: null } });
    draw(<WorkflowList apiDialog={() => null} />, { path: '/?new=1' });
    const input = document.querySelector<HTMLInputElement>('input[type=file]');
    if (!input) throw new Error('no input for files');
    await userEvent.setup().upload(input, new File(['{"name":"x"}'], 'x.json', { type: 'application/json' }));
    expect(await screen.findByText(/not a workflow: name, nodes and edges/)).toBeInTheDocument();
    expect(calls.some((call) => call.method === 'POST')).toBe(false);
  });
});

describe('the starting points', () => {
  it('are definitions whose edges and templates lead somewhere', () => {
    for (const { id, make } of STARTERS) {
      const definition = make(en.starters);
      expect(isDefinition(definition), id).toBe(true);
      const ids = new Set(definition.nodes.map((node) => node.id));
      for (const edge of definition.edges)
        expect(ids.has(edge.source) && ids.has(edge.target), `${id} ${edge.id}`).toBe(true);
      for (const [, root] of JSON.stringify(definition.nodes).matchAll(/\{\{\s*([A-Za-z0-9_-]+)/g))
        expect(ids.has(root ?? '') || ['input', 'vars'].includes(root ?? ''), `${id}: ${root ?? ''}`).toBe(true);
      expect(definition.nodes.filter((node) => node.type === 'trigger')).toHaveLength(1);
    }
  });
});
