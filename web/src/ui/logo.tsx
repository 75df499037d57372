// The mark: a heddle wire with its eye, and one thread led through it.

export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true" className="shrink-0">
      <g stroke="currentColor" strokeLinecap="round" strokeWidth="2" className="text-indigo">
        <path d="M16 2.500v8M16 21.500v8" />
        <path d="M16 10.500c3.800 2.900 3.800 8.100 0 11c-3.800-2.900-3.800-8.100 0-11z" />
      </g>
      <path
        d="M2.500 21c6 0 7.500-5 13.500-5s7.500-5 13.500-5"
        className="stroke-madder"
        strokeWidth="2.200"
        strokeLinecap="round"
      />
    </svg>
  );
}

export function Logo() {
  return (
    <span className="inline-flex items-center gap-2">
      <Mark />
      <span className="font-serif text-[1.3rem] leading-none tracking-[-0.01em]">Heddle</span>
    </span>
  );
}

const SPACE = 20;
const THREADS = 40;
const FELL = 560;
const ROW = 11;

/** The dyes of the cloth, row by row from the fell down. */
const BANDS: [string, number][] = [
  ['stroke-madder', 3],
  ['stroke-thread', 5],
  ['stroke-indigo', 7],
  ['stroke-thread', 3],
  ['stroke-weld-bright', 2],
  ['stroke-thread', 5],
  ['stroke-indigo', 2],
  ['stroke-thread', 2],
  ['stroke-indigo', 2],
  ['stroke-thread', 8],
];

/** A loom from the front: warp led by its heddles, the shed open for one weft, cloth below. Behind the sign-in page. */
export function Warp({ className }: { className?: string }) {
  const rows = BANDS.flatMap(([dye, n]) => Array.from({ length: n }, () => dye));
  return (
    <svg
      className={className}
      viewBox="0 0 800 900"
      preserveAspectRatio="xMidYMid slice"
      fill="none"
      aria-hidden="true"
    >
      {Array.from({ length: THREADS }, (_, i) => {
        const x = SPACE / 2 + i * SPACE;
        const eye = 250 + (i % 2 ? 26 : -26);
        return (
          <g key={i} className="stroke-thread" opacity="0.7">
            <path d={`M${x} 0V${eye - 14}M${x} ${eye + 14}V900`} />
            <path d={`M${x} ${eye - 14}c5 8 5 20 0 28c-5-8-5-20 0-28z`} className="fill-linen" />
          </g>
        );
      })}
      {rows.map((dye, i) => (
        <path
          key={i}
          d={`M${i % 2 ? 0 : SPACE} ${FELL + i * ROW}H800`}
          className={dye}
          strokeWidth="6"
          strokeDasharray={`${SPACE} ${SPACE}`}
          opacity={dye === 'stroke-thread' ? 0.5 : 0.85}
        />
      ))}
      <path d="M-10 552C160 546 230 470 420 452S600 420 640 418" className="stroke-madder" strokeWidth="3" />
      <path
        d="M612 424c22-16 62-22 96-12c-26 22-66 26-96 12z"
        className="fill-walnut-soft stroke-walnut"
        strokeWidth="1.500"
      />
    </svg>
  );
}
