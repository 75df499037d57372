// A definition in miniature: blocks and threads, for cards.
import { useMemo } from 'react';
import type { Definition } from '@/api/types';
import { nodeTone, type Tone } from '@/flow/node-look';

const FILLS: Record<Tone, string> = {
  ink: 'fill-ink',
  weld: 'fill-weld-bright',
  walnut: 'fill-walnut',
  indigo: 'fill-indigo',
  lichen: 'fill-lichen',
  green: 'fill-green',
};
const W = 22;
const H = 10;
const WIDTH = 150;
const HEIGHT = 50;

export function FlowSketch({ definition }: { definition: Definition }) {
  const { places, box } = useMemo(() => {
    const xs = definition.nodes.map((node) => node.position.x);
    const ys = definition.nodes.map((node) => node.position.y);
    const left = Math.min(...xs);
    const top = Math.min(...ys);
    const scale = 0.13;
    const at = new Map(
      definition.nodes.map((node) => [
        node.id,
        { x: (node.position.x - left) * scale, y: (node.position.y - top) * scale * 1.3, tone: nodeTone(node.type) },
      ]),
    );
    const width = (Math.max(...xs) - left) * scale + W;
    const height = (Math.max(...ys) - top) * scale * 1.3 + H;
    // All sketches have one scale: a small flow is drawn small.
    const box = {
      x: Math.min(0, (width - WIDTH) / 2),
      y: Math.min(0, (height - HEIGHT) / 2),
      width: Math.max(width, WIDTH),
      height: Math.max(height, HEIGHT),
    };
    return { places: at, box };
  }, [definition]);
  return (
    <svg
      viewBox={`${box.x} ${box.y} ${box.width} ${box.height}`}
      className="h-16 w-full"
      fill="none"
      aria-hidden="true"
    >
      {definition.edges.map((edge) => {
        const from = places.get(edge.source);
        const to = places.get(edge.target);
        if (!from || !to) return null;
        const [x1, y1, x2, y2] = [from.x + W, from.y + H / 2, to.x, to.y + H / 2];
        const bend = (x2 - x1) / 2;
        return (
          <path
            key={edge.id}
            d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
            className="stroke-thread"
            strokeWidth="1.2"
          />
        );
      })}
      {[...places].map(([id, { x, y, tone }]) => (
        <rect key={id} x={x} y={y} width={W} height={H} rx="2.5" className={FILLS[tone]} />
      ))}
    </svg>
  );
}
