// An edge is a thread; while a run is shown it tells whether it was taken.
import { createContext, memo, useContext, type ReactNode } from 'react';
import { BaseEdge, EdgeLabelRenderer, getBezierPath, useStore, type EdgeProps } from '@xyflow/react';
import type { Step } from '@/api/types';
import { cx } from '@/lib/cx';
import { ALL_HANDLES, type FlowEdge } from '@/flow/model';
import { useStep } from '@/flow/overlay';

export type EdgeState = 'plain' | 'waiting' | 'taken' | 'skipped';

/** The state of an edge after that of the step it leaves; @step is null where no run is shown. */
export function edgeState(step: Step | null | undefined, handle: string): EdgeState {
  if (step === null) return 'plain';
  if (step?.state === 'skipped') return 'skipped';
  const handled = step?.state === 'failed' && step.handle === 'error';
  if (step?.state !== 'succeeded' && !handled) return 'waiting';
  const taken = step.handle ?? 'out';
  return taken === handle || (taken === ALL_HANDLES && handle !== 'error') ? 'taken' : 'skipped';
}

/** What an editor puts on the middle of an edge that is selected. */
export const EdgeTools = createContext<((edgeId: string) => ReactNode) | null>(null);

export const ThreadEdge = memo(function ThreadEdge(props: EdgeProps<FlowEdge>) {
  const { source, target, sourceHandleId, selected, label } = props;
  const tools = useContext(EdgeTools);
  const handle = sourceHandleId ?? 'out';
  const from = useStep(source);
  const to = useStep(target);
  const state = edgeState(from, handle);
  const moving = state === 'taken' && (to?.state === 'running' || to?.state === 'retrying');
  const [path, labelX, labelY] = getBezierPath(props);
  return (
    <>
      <BaseEdge
        id={props.id}
        path={path}
        labelX={labelX}
        labelY={labelY}
        label={label}
        interactionWidth={18}
        className={cx(
          'thread',
          `thread-${moving ? 'moving' : state}`,
          handle === 'error' && state === 'plain' && 'thread-error',
          selected && 'thread-selected',
        )}
      />
      {moving && (
        <circle r="3" className="fill-indigo motion-reduce:hidden">
          <animateMotion dur="1.1s" repeatCount="indefinite" path={path} />
        </circle>
      )}
      {selected && tools && (
        <Tools x={labelX} y={labelY}>
          {tools(props.id)}
        </Tools>
      )}
    </>
  );
});

/** Lies on the graph, and is as large as on the page at every zoom. */
function Tools({ x, y, children }: { x: number; y: number; children: ReactNode }) {
  const zoom = useStore((flow) => flow.transform[2]);
  return (
    <EdgeLabelRenderer>
      <div
        className="nodrag nopan pointer-events-auto absolute z-10"
        style={{
          transform: `translate(${x}px, ${y}px) scale(${1 / zoom}) translate(-50%, -50%)`,
          transformOrigin: '0 0',
        }}
      >
        {children}
      </div>
    </EdgeLabelRenderer>
  );
}
