// A definition to be looked at: a version, or a run with the states of its steps.
import { useMemo, useState } from 'react';
import { applyNodeChanges, ReactFlowProvider, type NodeChange } from '@xyflow/react';
import type { Definition } from '@/api/types';
import { Canvas } from '@/flow/canvas';
import { toGraph, type FlowNode, type Graph } from '@/flow/model';

interface FlowViewProps {
  definition: Definition;
  selected?: string | null;
  onSelect?: (id: string | null) => void;
}

export function FlowView({ definition, selected = null, onSelect }: FlowViewProps) {
  const graph = useMemo(() => toGraph(definition), [definition]);
  const [nodes, setNodes] = useState<FlowNode[]>(graph.nodes);
  const [seen, setSeen] = useState<{ graph: Graph; selected: string | null } | null>(null);
  if (seen?.graph !== graph || seen.selected !== selected) {
    const measured = new Map(nodes.map((node) => [node.id, node.measured]));
    setSeen({ graph, selected });
    setNodes(graph.nodes.map((node) => ({ ...node, measured: measured.get(node.id), selected: node.id === selected })));
  }
  // Only measuring is let through: what is shown here cannot be moved.
  const onNodesChange = (changes: NodeChange<FlowNode>[]) =>
    setNodes((now) =>
      applyNodeChanges(
        changes.filter((change) => change.type === 'dimensions'),
        now,
      ),
    );

  return (
    <ReactFlowProvider>
      <Canvas
        nodes={nodes}
        edges={graph.edges}
        onNodesChange={onNodesChange}
        map={false}
        nodesDraggable={false}
        nodesConnectable={false}
        elementsSelectable={false}
        edgesFocusable={false}
        deleteKeyCode={null}
        selectionKeyCode={null}
        multiSelectionKeyCode={null}
        onNodeKey={(id) => onSelect?.(id)}
        onNodeClick={(_, node) => onSelect?.(node.id)}
        onPaneClick={() => onSelect?.(null)}
        onNodeDoubleClick={(_, node) => onSelect?.(node.id)}
      />
    </ReactFlowProvider>
  );
}
