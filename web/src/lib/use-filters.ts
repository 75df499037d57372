// The filters of a list, kept in the address so that a list can be shared and come back to.
import { useCallback } from 'react';
import { useSearchParams } from 'react-router';

/** The parameters and a way to put one; an empty value takes it out. */
export function useFilters(): [URLSearchParams, (name: string, value: string) => void] {
  const [params, setParams] = useSearchParams();
  const put = useCallback(
    (name: string, value: string) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          if (value) next.set(name, value);
          else next.delete(name);
          return next;
        },
        { replace: true },
      ),
    [setParams],
  );
  return [params, put];
}
