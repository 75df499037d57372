import { readFileSync } from 'node:fs';
import { QueryClient } from '@tanstack/react-query';
import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { ReactFlowProvider } from '@xyflow/react';
import { describe, expect, it } from 'vitest';
import type { JsonObject, Located, NodeTypes } from '@/api/types';
import { nodeTypesQuery } from '@/flow/node-types';
import { draw } from '@/ui/test-render';
import { EditorContext } from '@/features/flow-editor/editor-context';
import { NodePanel } from '@/features/flow-editor/node-panel';
import { createEditor } from '@/features/flow-editor/store';

const TYPES = JSON.parse(readFileSync('test/node-types.json', 'utf8')) as NodeTypes;

function open(type: string, data: JsonObject, problems: Located[] = []) {
  const client = new QueryClient();
  client.setQueryData(nodeTypesQuery.queryKey, TYPES);
  const store = createEditor({
    heddle: 1,
    name: 'W',
    nodes: [
      { id: 't', type: 'trigger', position: { x: 0, y: 0 }, data: {} },
      { id: 'n', type, position: { x: 1, y: 0 }, data },
    ],
    edges: [{ id: 'e', source: 't', target: 'n' }],
  });
  draw(
    <ReactFlowProvider>
      <EditorContext
        value={{
          store,
          problems: { n: problems },
          outputs: {},
          focus: null,
          webhookUrl: null,
          formUrl: null,
          chatUrl: null,
          workflowId: 'w',
          flush: () => Promise.resolve(true),
        }}
      >
        <NodePanel id="n" onClose={() => undefined} />
      </EditorContext>
    </ReactFlowProvider>,
    { client },
  );
  return { user: userEvent.setup(), data: () => store.getState().nodes[1]?.data };
}

describe('the settings of a node', () => {
  it('are made from its type, each kind with its own input', () => {
    open('api-call', { url: 'https://x.example', method: 'POST' });
    expect(screen.getByRole('combobox', { name: 'Method' })).toHaveValue('POST');
    expect(screen.getByRole('textbox', { name: /^URL/ })).toHaveValue('https://x.example');
    expect(screen.getByRole('switch', { name: 'Fail on 4xx and 5xx' })).toBeChecked();
  });

  it('hold for a GET no body', () => {
    open('api-call', { url: '' });
    expect(screen.queryByText('Body')).not.toBeInTheDocument();
  });

  it('change the definition, and leave out what is emptied', async () => {
    const { user, data } = open('llm', { model: 'm', system: 'x' });
    await user.clear(screen.getByRole('textbox', { name: /^Instructions/ }));
    await user.type(screen.getByRole('textbox', { name: /^Model/ }), '-2');
    expect(data()).toEqual({ model: 'm-2' });
  });

  it('drop what belongs to another mode when the mode changes', async () => {
    const { user, data } = open('data-transform', { mode: 'template', template: 'x', parse_json: true });
    await user.selectOptions(screen.getByRole('combobox', { name: /^Mode/ }), 'pick');
    expect(data()).toEqual({ mode: 'pick' });
  });

  it('show a nested object, whose fields come and go with each other', async () => {
    const { user, data } = open('api-call', { url: 'x' });
    await user.selectOptions(screen.getByRole('combobox', { name: 'Kind' }), 'basic');
    await user.type(screen.getByRole('textbox', { name: /^User/ }), 'me');
    expect(data()?.['auth']).toEqual({ type: 'basic', user: 'me' });
    await user.selectOptions(screen.getByRole('combobox', { name: 'Kind' }), 'bearer');
    expect(data()?.['auth']).toEqual({ type: 'bearer' });
  });

  it('hide secrets until asked', async () => {
    const { user } = open('webhook', { url: 'x', payload: {}, secret: 'whsec_x' });
    const field = screen.getByLabelText(/^Secret/);
    expect(field).toHaveAttribute('type', 'password');
    await user.click(screen.getByRole('button', { name: 'Show' }));
    expect(field).toHaveAttribute('type', 'text');
  });

  it('say what is wrong where it is wrong', () => {
    open('api-call', { url: '' }, [
      { path: '/nodes/1/data/url', node: 'n', field: 'url', code: 'required', message: 'The URL is missing.' },
    ]);
    const url = screen.getByRole('textbox', { name: /^URL/ });
    expect(url).toBeInvalid();
    expect(url).toHaveAccessibleDescription(/The URL is missing\./);
  });

  it('keep bad JSON in the field and the last good value in the definition', async () => {
    const { user, data } = open('output', { output: { a: 1 } });
    const field = screen.getByRole('textbox', { name: /^Output/ });
    await user.clear(field);
    await user.click(field);
    await user.paste('{"a": 2');
    expect(screen.getByText(/Not valid JSON/)).toBeInTheDocument();
    await user.paste('}');
    expect(data()).toEqual({ output: { a: 2 } });
  });

  it('show a setting the type does not have, and can take it out', async () => {
    const { user, data } = open('output', { output: 1, colour: 'red' });
    const strange = screen.getByText('This type of node has no such setting.').parentElement;
    if (!strange) throw new Error('not shown');
    await user.click(within(strange).getByRole('button', { name: 'Remove' }));
    expect(data()).toEqual({ output: 1 });
  });

  it('set what happens when it fails for good, and retries', async () => {
    const { user, data } = open('api-call', { url: 'x' });
    await user.click(screen.getByRole('radio', { name: 'Branch' }));
    await user.click(screen.getByRole('switch', { name: 'Try again' }));
    expect(data()).toMatchObject({ on_error: { strategy: 'branch' }, retry: { max_attempts: 3, delay: '1s' } });
    await user.click(screen.getByRole('radio', { name: 'Fail the run' }));
    expect(data()).not.toHaveProperty('on_error');
  });

  it('build the cases of a condition', async () => {
    const { user, data } = open('condition', {
      cases: [{ id: 'case-1', conditions: [{ left: '{{ input.n }}', operator: 'equals', right: '' }] }],
    });
    await user.selectOptions(screen.getByRole('combobox', { name: 'Comparison' }), 'between');
    await user.type(screen.getByRole('textbox', { name: 'Compared with' }), '1, 10');
    await user.click(screen.getByRole('button', { name: 'Add a comparison' }));
    await user.click(screen.getByRole('radio', { name: 'or' }));
    await user.click(screen.getByRole('button', { name: 'Add a case' }));
    expect(data()?.['cases']).toEqual([
      {
        id: 'case-1',
        logic: 'or',
        conditions: [
          { left: '{{ input.n }}', operator: 'between', right: [1, 10] },
          { left: '', operator: 'equals', right: '' },
        ],
      },
      { id: 'case-2', logic: 'and', conditions: [{ left: '', operator: 'equals', right: '' }] },
    ]);
  });
});
