// Dialogs and sheets on the browser's own <dialog>: focus is trapped, Escape closes, the page behind is inert.
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { cx } from '@/lib/cx';
import { useT } from '@/i18n/i18n';
import { IconButton } from '@/ui/button';

type Shape = 'center' | 'wide' | 'side' | 'bottom';

const SHAPES: Record<Shape, string> = {
  center: 'm-auto w-[min(32rem,calc(100vw-2rem))] max-h-[min(86dvh,52rem)] rounded-lg animate-rise',
  wide: 'm-auto w-[min(56rem,calc(100vw-2rem))] max-h-[min(90dvh,60rem)] rounded-lg animate-rise',
  side: 'ml-auto mr-0 my-0 h-dvh max-h-dvh w-[min(26rem,100vw)] border-l animate-[sheet-in_160ms_ease-out]',
  bottom: 'mt-auto mb-0 mx-0 w-full max-w-full max-h-[82dvh] rounded-t-lg border-t animate-[sheet-up_180ms_ease-out]',
};

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: string;
  /** Hide the heading (it still names the dialog). */
  bare?: boolean;
  shape?: Shape;
  footer?: ReactNode;
  children: ReactNode;
}

export function Dialog(props: DialogProps) {
  return props.open ? <OpenDialog {...props} /> : null;
}

function OpenDialog({ onClose, title, bare, shape = 'center', footer, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const t = useT();

  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) {
      dialog.showModal();
      // Something inside that wants the focus has it by now; else the dialog itself, not its close button.
      if (!dialog.querySelector(':focus:is(input, textarea, select)')) dialog.focus();
    }
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      tabIndex={-1}
      className={cx(
        'flex-col overflow-hidden border-line bg-surface text-ink shadow-lg outline-none! open:flex',
        SHAPES[shape],
      )}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === ref.current) onClose();
      }}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <header className={bare ? 'sr-only' : 'flex items-center gap-3 border-b py-3 pr-3 pl-5'}>
        <h2 id={id} className="min-w-0 flex-1 truncate font-serif text-lg">
          {title}
        </h2>
        {!bare && <IconButton icon="x" size="sm" label={t.common.close} onClick={onClose} />}
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto overscroll-contain">{children}</div>
      {footer && <footer className="flex flex-wrap items-center justify-end gap-2 border-t px-5 py-3">{footer}</footer>}
    </dialog>
  );
}
