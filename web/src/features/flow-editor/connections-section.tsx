// Where a node leads, handle by handle: the threads of the canvas for those who draw without a mouse.
import type { NodeType } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { branchesOf, casesOf, handlesOf, str, wouldCycle, type FlowNode } from '@/flow/model';
import { IconButton } from '@/ui/button';
import { Select } from '@/ui/field';
import { useEditor, useShared } from '@/features/flow-editor/editor-context';

export function ConnectionsSection({ node, known }: { node: FlowNode; known: NodeType | undefined }) {
  const t = useT();
  const { store } = useShared();
  const nodes = useEditor((state) => state.nodes);
  const edges = useEditor((state) => state.edges);
  const cases = casesOf(node.data);
  const nameOf = (one: FlowNode) => str(one.data['title']) || one.id;
  const handleName = (handle: string) => {
    if (handle === 'out') return t.flow.handleOut;
    if (handle === 'error') return t.flow.onError;
    if (handle === 'else') return t.flow.else;
    const branch = branchesOf(node.data).find((one) => one.id === handle);
    if (branch) return branch.title || branch.id;
    const at = cases.findIndex((one) => one.id === handle);
    return cases[at]?.title || (at >= 0 ? t.flow.caseNumber(at + 1) : handle);
  };

  return (
    <div className="space-y-3">
      {handlesOf(node.type ?? '', node.data, known).map((handle) => {
        const leaving = edges.filter((edge) => edge.source === node.id && (edge.sourceHandle ?? 'out') === handle);
        const free = nodes.filter(
          (one) =>
            one.type !== 'trigger' &&
            one.parentId === node.parentId &&
            !leaving.some((edge) => edge.target === one.id) &&
            !wouldCycle(node.id, one.id, edges),
        );
        return (
          <div key={handle}>
            <p className="mb-1 text-xs text-ink-3">{handleName(handle)}</p>
            {leaving.map((edge) => {
              const target = nodes.find((one) => one.id === edge.target);
              return (
                <div
                  key={edge.id}
                  className="mb-1 flex items-center gap-1 rounded-md border bg-surface py-0.5 pr-0.5 pl-2.5 text-sm"
                >
                  <button
                    type="button"
                    className="min-w-0 flex-1 truncate rounded-sm text-left hover:underline"
                    onClick={() => store.getState().select(edge.target)}
                  >
                    {target ? nameOf(target) : edge.target}
                  </button>
                  <IconButton
                    size="sm"
                    icon="x"
                    label={t.editor.removeEdge}
                    onClick={() => store.getState().onEdgesChange([{ id: edge.id, type: 'remove' }])}
                  />
                </div>
              );
            })}
            {free.length > 0 && (
              <Select
                aria-label={t.editor.connectFrom(handleName(handle))}
                value=""
                options={[
                  { value: '', label: t.editor.connectTo },
                  ...free.map((one) => ({ value: one.id, label: nameOf(one) })),
                ]}
                onChange={(target) =>
                  store.getState().connect({ source: node.id, target, sourceHandle: handle, targetHandle: null })
                }
              />
            )}
          </div>
        );
      })}
    </div>
  );
}
