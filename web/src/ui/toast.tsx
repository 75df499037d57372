// Short messages that pass by. Failures stay until they are closed.
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from 'react';
import { asProblem } from '@/api/problem';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { IconButton } from '@/ui/button';
import { Icon } from '@/ui/icon';
import { problemText } from '@/ui/problem';

interface Toast {
  id: number;
  kind: 'ok' | 'error';
  text: string;
  more?: string;
  action?: { label: string; run: () => void };
}

interface Toaster {
  ok: (text: string, action?: Toast['action']) => void;
  fail: (error: unknown) => void;
}

const Context = createContext<Toaster>({ ok: () => undefined, fail: () => undefined });
export const useToast = () => useContext(Context);

const STAY_MS = 5000;
const MOST = 4;

export function ToastProvider({ children }: { children: ReactNode }) {
  const t = useT();
  const [toasts, setToasts] = useState<Toast[]>([]);
  const next = useRef(1);

  const drop = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const value = useMemo<Toaster>(() => {
    const add = (toast: Omit<Toast, 'id'>) => {
      const id = next.current++;
      setToasts((all) => [...all.slice(1 - MOST), { ...toast, id }]);
      if (toast.kind === 'ok') setTimeout(() => drop(id), STAY_MS);
    };
    return {
      ok: (text, action) => add({ kind: 'ok', text, action }),
      fail: (error) => {
        const problem = asProblem(error);
        const { title, detail } = problemText(problem, t);
        add({ kind: 'error', text: title, more: detail + (problem.requestId ? ` (${problem.requestId})` : '') });
      },
    };
  }, [drop, t]);

  return (
    <Context value={value}>
      {children}
      <div
        aria-live="polite"
        className="pointer-events-none fixed inset-x-4 bottom-16 z-40 flex flex-col items-center gap-2 md:bottom-5"
      >
        {toasts.map((toast) => (
          <div
            key={toast.id}
            role={toast.kind === 'error' ? 'alert' : 'status'}
            className="pointer-events-auto flex max-w-lg animate-rise items-start gap-2.5 rounded-lg border bg-raised py-2 pr-2 pl-3.5 shadow-lg"
          >
            <Icon
              name={toast.kind === 'ok' ? 'check' : 'alert'}
              className={cx('mt-1', toast.kind === 'ok' ? 'text-green' : 'text-madder')}
            />
            <div className="min-w-0 py-0.5">
              <p className="font-medium">{toast.text}</p>
              {toast.more && <p className="text-sm break-words text-ink-2">{toast.more}</p>}
            </div>
            {toast.action && (
              <button
                type="button"
                className="rounded-sm px-2 py-0.5 font-medium text-indigo hover:underline"
                onClick={() => {
                  drop(toast.id);
                  toast.action?.run();
                }}
              >
                {toast.action.label}
              </button>
            )}
            <IconButton icon="x" size="sm" label={t.common.close} onClick={() => drop(toast.id)} />
          </div>
        ))}
      </div>
    </Context>
  );
}
