// The mark: a heddle wire with its eye, and one thread led through it.

export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true" className="shrink-0">
      <g stroke="currentColor" strokeLinecap="round" strokeWidth="2" className="text-indigo">
        <path d="M16 2.500v8M16 21.500v8" />
        <path d="M16 10.500c3.800 2.900 3.800 8.100 0 11c-3.800-2.900-3.800-8.100 0-11z" />
      </g>
      <path d="M2.500 21c6 0 7.500-5 13.500-5s7.500-5 13.500-5" className="stroke-madder" strokeWidth="2.200" strokeLinecap="round" />
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

/** Warp threads, each led by its heddle; the shed is open for one weft. Behind the sign-in page. */
export function Warp({ className }: { className?: string }) {
  const threads = Array.from({ length: 40 }, (_, i) => i);
  return (
    <svg className={className} viewBox="0 0 800 900" preserveAspectRatio="xMidYMid slice" fill="none" aria-hidden="true">
      {threads.map((i) => {
        const x = 10 + i * 20;
        const eye = 450 + (i % 2 ? 34 : -34) * Math.cos((i / 39 - 0.5) * Math.PI);
        return (
          <g key={i} className="stroke-thread" opacity={0.55}>
            <path d={`M${x} 0V${eye - 15}M${x} ${eye + 15}V900`} />
            <path d={`M${x} ${eye - 15}c5 8 5 22 0 30c-5-8-5-22 0-30z`} />
          </g>
        );
      })}
      <path d="M-20 512C140 512 180 450 400 450S660 388 820 388" className="stroke-madder" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
