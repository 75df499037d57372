import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { answering, draw } from '@/ui/test-render';
import { EditorContext } from '@/features/flow-editor/editor-context';
import { HookSection } from '@/features/flow-editor/hook-section';
import { createEditor } from '@/features/flow-editor/store';

const idle = { listening: false, url: 'http://h/hooks-test/w', until: null, calls: [] };
const refused = {
  at: new Date().toISOString(),
  outcome: 'refused',
  request: { method: 'POST', headers: { 'x-a': '1' }, query: {} },
  size: 7,
  input: { a: 1 },
  error: { status: 401, code: 'unauthorized', message: 'This webhook is not called like that.' },
};

describe('the test address of a draft', () => {
  it('is saved first, listened to, and shows what came and why it was refused', async () => {
    let saved = 0;
    const until = new Date(Date.now() + 120_000).toISOString();
    const calls = answering({
      'GET /api/workflows/w/listen': idle,
      'POST /api/workflows/w/listen': { ...idle, listening: true, until, calls: [refused] },
    });
    const store = createEditor({ heddle: 1, name: 'W', nodes: [], edges: [] });
    const flush = () => Promise.resolve(++saved > 0);
    const value = {
      store,
      problems: {},
      outputs: {},
      focus: null,
      webhookUrl: null,
      formUrl: 'http://h/forms/w',
      chatUrl: null,
      workflowId: 'w',
      flush,
    };
    draw(
      <EditorContext value={value}>
        <HookSection kind="webhook" />
      </EditorContext>,
    );
    await userEvent.setup().click(await screen.findByRole('button', { name: 'Listen' }));
    expect(await screen.findByText('http://h/hooks-test/w')).toBeVisible();
    expect(saved).toBe(1);
    expect(calls.find((call) => call.method === 'POST')?.body).toEqual({ seconds: 120 });
    await userEvent.click(screen.getByText('Refused'));
    expect(screen.getByText('This webhook is not called like that.')).toBeVisible();
    expect(screen.getByRole('button', { name: 'Stop' })).toBeEnabled();
  });
});
