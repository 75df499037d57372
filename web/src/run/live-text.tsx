// What a model says while it says it; keeps its end in sight.
import { useEffect, useRef } from 'react';

export function LiveText({ text }: { text: string }) {
  const box = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    const at = box.current;
    // Not while somebody has scrolled up to read.
    if (at && at.scrollHeight - at.scrollTop - at.clientHeight < 80) at.scrollTop = at.scrollHeight;
  }, [text]);
  return (
    <p
      ref={box}
      aria-live="off"
      className="max-h-72 overflow-y-auto rounded-md border bg-indigo-soft/50 p-3 text-sm break-words whitespace-pre-wrap"
    >
      {text}
      <span className="ml-0.5 inline-block h-3.5 w-1.5 animate-pulse bg-indigo align-[-2px]" />
    </p>
  );
}
