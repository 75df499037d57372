import { beforeEach, describe, expect, it } from 'vitest';
import type { Definition } from '@/api/types';
import { toDefinition } from '@/flow/model';
import { createEditor, type EditorStore } from '@/features/flow-editor/store';

const DEFINITION: Definition = {
  heddle: 1,
  name: 'W',
  nodes: [
    { id: 'trigger-1', type: 'trigger', position: { x: 0, y: 0 }, data: {} },
    { id: 'llm-1', type: 'llm', position: { x: 300, y: 0 }, data: { prompt: '{{ input.q }}' } },
    { id: 'output-1', type: 'output', position: { x: 600, y: 0 }, data: { output: '{{ llm-1.text }}' } },
  ],
  edges: [
    { id: 'e1', source: 'trigger-1', target: 'llm-1' },
    { id: 'e2', source: 'llm-1', target: 'output-1' },
  ],
};

describe('the editor', () => {
  let store: EditorStore;
  let now = 0;
  const editor = () => store.getState();
  const ids = () => editor().nodes.map((node) => node.id);

  beforeEach(() => {
    now = 0;
    store = createEditor(structuredClone(DEFINITION), () => now);
  });

  it('undoes and does again, back to exactly what was', () => {
    editor().addNode('api-call', { url: '' }, { x: 1, y: 2 });
    const after = toDefinition(editor());
    editor().undo();
    expect(toDefinition(editor())).toEqual(DEFINITION);
    editor().redo();
    expect(toDefinition(editor())).toEqual(after);
  });

  it('joins quick edits of one field into one step, and only those', () => {
    for (const text of ['a', 'ab', 'abc']) {
      now += 100;
      editor().setData('llm-1', (data) => ({ ...data, prompt: text }), 'prompt');
    }
    now += 5000;
    editor().setData('llm-1', (data) => ({ ...data, prompt: 'later' }), 'prompt');
    editor().undo();
    expect(editor().nodes[1]?.data['prompt']).toBe('abc');
    editor().undo();
    expect(toDefinition(editor())).toEqual(DEFINITION);
  });

  it('counts changes of content, not of selection', () => {
    editor().select('llm-1');
    editor().onNodesChange([{ id: 'llm-1', type: 'dimensions', dimensions: { width: 10, height: 10 } }]);
    expect(editor().edit).toBe(0);
    editor().setMeta({ name: 'X' }, 'name');
    expect(editor().edit).toBe(1);
  });

  it('removes the selection with its edges', () => {
    editor().select('llm-1');
    editor().removeSelected();
    expect(ids()).toEqual(['trigger-1', 'output-1']);
    expect(editor().edges).toEqual([]);
  });

  it('connects once, never in a circle, and names only handles that matter', () => {
    editor().connect({ source: 'trigger-1', target: 'output-1', sourceHandle: 'out', targetHandle: 'in' });
    editor().connect({ source: 'trigger-1', target: 'output-1', sourceHandle: null, targetHandle: null });
    editor().connect({ source: 'output-1', target: 'llm-1', sourceHandle: 'out', targetHandle: 'in' });
    editor().connect({ source: 'llm-1', target: 'output-1', sourceHandle: 'error', targetHandle: 'in' });
    const made = editor()
      .edges.slice(2)
      .map(({ source, target, sourceHandle }) => ({ source, target, sourceHandle }));
    expect(made).toEqual([
      { source: 'trigger-1', target: 'output-1', sourceHandle: undefined },
      { source: 'llm-1', target: 'output-1', sourceHandle: 'error' },
    ]);
  });

  it('pastes with new ids that templates and edges follow, and no second trigger', () => {
    editor().paste({ nodes: editor().nodes, edges: editor().edges }, { x: 10, y: 10 });
    expect(ids().slice(3)).toEqual(['llm-2', 'output-2']);
    expect(editor().nodes[4]?.data['output']).toBe('{{ llm-2.text }}');
    expect(
      editor()
        .edges.slice(2)
        .map((edge) => [edge.source, edge.target]),
    ).toEqual([['llm-2', 'output-2']]);
    expect(
      editor()
        .nodes.filter((node) => node.selected)
        .map((node) => node.id),
    ).toEqual(['llm-2', 'output-2']);
  });

  it('renames a node everywhere, and refuses names that are taken or bad', () => {
    expect(editor().renameNode('llm-1', 'output-1')).toBe(false);
    expect(editor().renameNode('llm-1', 'a b')).toBe(false);
    expect(editor().renameNode('llm-1', 'answer')).toBe(true);
    expect(editor().nodes[2]?.data['output']).toBe('{{ answer.text }}');
    expect(editor().edges.map((edge) => [edge.source, edge.target])).toEqual([
      ['trigger-1', 'answer'],
      ['answer', 'output-1'],
    ]);
  });

  it('puts a new node behind a handle', () => {
    const id = editor().addNode('webhook', {}, { x: 0, y: 0 }, { source: 'llm-1', handle: 'error' });
    expect(editor().edges.at(-1)).toMatchObject({ source: 'llm-1', target: id, sourceHandle: 'error' });
  });

  it('makes one step of undo of a whole drag', () => {
    for (let x = 1; x <= 5; x++) {
      now += 20;
      editor().onNodesChange([{ id: 'llm-1', type: 'position', position: { x: 300 + x, y: 0 }, dragging: x < 5 }]);
    }
    editor().undo();
    expect(toDefinition(editor())).toEqual(DEFINITION);
  });
});
