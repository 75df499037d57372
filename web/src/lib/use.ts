// Small hooks without a subject of their own.
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

export function useDebounced<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** The time, renewed every @ms while @on. */
export function useNow(ms: number, on = true): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms, on]);
  return now;
}

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (tell) => {
      const list = window.matchMedia(query);
      list.addEventListener('change', tell);
      return () => list.removeEventListener('change', tell);
    },
    () => window.matchMedia(query).matches,
  );
}

/** Below this width the console is a phone's: panels become sheets. */
export const useIsNarrow = () => useMedia('(max-width: 767px)');

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Heddle` : 'Heddle';
  }, [title]);
}

/** A value that callbacks may read later without being made anew for it. */
export function useLatest<T>(value: T) {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  return ref;
}
