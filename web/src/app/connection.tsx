// Tells when the server cannot be reached, and takes everything up again as soon as it answers.
import { useEffect, useState } from 'react';
import { useQueryClient, type QueryCache } from '@tanstack/react-query';
import { asProblem } from '@/api/problem';
import { useT } from '@/i18n/i18n';
import { Icon } from '@/ui/icon';

const ASK_MS = 2000;

/** Whether the failure is one of the line, not an answer of the server. */
const isLost = (error: unknown) => asProblem(error).code === 'network';

function useLost(cache: QueryCache): [boolean, (lost: boolean) => void] {
  const [lost, setLost] = useState(false);
  useEffect(
    () =>
      cache.subscribe((event) => {
        if (event.type !== 'updated') return;
        if (event.action.type === 'error' && isLost(event.action.error)) setLost(true);
        if (event.action.type === 'success' && !event.action.manual) setLost(false);
      }),
    [cache],
  );
  return [lost, setLost];
}

export function ConnectionBar() {
  const t = useT();
  const client = useQueryClient();
  const [lost, setLost] = useLost(client.getQueryCache());

  useEffect(() => {
    if (!lost) return;
    const timer = setInterval(() => {
      fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(ASK_MS) }).then(
        (answer) => {
          if (!answer.ok) return;
          setLost(false);
          void client.invalidateQueries();
        },
        () => undefined,
      );
    }, ASK_MS);
    return () => clearInterval(timer);
  }, [lost, setLost, client]);

  if (!lost) return null;
  return (
    <p
      role="status"
      className="flex shrink-0 items-center justify-center gap-2 bg-madder-soft px-4 py-1.5 text-sm text-madder"
    >
      <Icon name="alert" size={15} />
      {t.shell.lost}
    </p>
  );
}
