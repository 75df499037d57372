// The end of a list that is paged by cursor: loads the next page when it comes into sight, or by its button.
import { useEffect, useRef } from 'react';
import { useT } from '@/i18n/i18n';
import { Button } from '@/ui/button';

export function LoadMore({ more, busy, onMore }: { more: boolean; busy: boolean; onMore: () => void }) {
  const t = useT();
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const at = ref.current;
    if (!at || !more || busy) return;
    const watch = new IntersectionObserver(
      (seen) => {
        if (seen.some((entry) => entry.isIntersecting)) onMore();
      },
      { rootMargin: '200px' },
    );
    watch.observe(at);
    return () => watch.disconnect();
  }, [more, busy, onMore]);
  if (!more) return null;
  return (
    <div ref={ref} className="flex justify-center py-4">
      <Button kind="quiet" size="sm" busy={busy} onClick={onMore}>
        {t.common.loadMore}
      </Button>
    </div>
  );
}
