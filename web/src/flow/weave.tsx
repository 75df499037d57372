// The ground of the canvas: a plain weave, faint, that moves and scales with it.
import { memo } from 'react';
import { useStore } from '@xyflow/react';

const CELL = 24;

export const Weave = memo(function Weave() {
  const transform = useStore((flow) => flow.transform);
  const [x, y, zoom] = transform;
  const cell = CELL * zoom * (zoom < 0.45 ? 2 : 1);
  return (
    <svg className="absolute inset-0 size-full" aria-hidden="true">
      <pattern
        id="weave"
        x={x % (cell * 2)}
        y={y % (cell * 2)}
        width={cell * 2}
        height={cell * 2}
        patternUnits="userSpaceOnUse"
      >
        <g className="stroke-thread" strokeWidth="1" strokeLinecap="round" opacity="0.34">
          <path d={`M${cell * 0.36} ${cell * 0.5}H${cell * 0.64}M${cell * 1.36} ${cell * 1.5}H${cell * 1.64}`} />
          <path d={`M${cell * 1.5} ${cell * 0.36}V${cell * 0.64}M${cell * 0.5} ${cell * 1.36}V${cell * 1.64}`} />
        </g>
      </pattern>
      <rect width="100%" height="100%" fill="url(#weave)" />
    </svg>
  );
});
